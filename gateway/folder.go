package gateway

import (
	"context"
	"strings"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// inside is the name without its folder.
func (r Ref) inside() secret.Name {
	return secret.Name(strings.TrimPrefix(string(r.Name), string(r.Folder)))
}

// into is the name of a document in a folder. What was backed up in a folder
// has left it behind; what was backed up elsewhere may name it already.
func into(folder secret.Name, doc *backup.Document) secret.Name {
	name := doc.Secret.Name
	if doc.Origin.Name == name && strings.HasPrefix(string(name), string(folder)) {
		return name
	}
	return folder + name
}

// endWithFolder makes page the last one where nothing that follows it is in the
// folder: what a folder's clients see tells nothing of the names behind it.
func endWithFolder(ctx context.Context, q secret.Query, list lister, page *secret.Page) error {
	if q.Under == "" || page.Next == "" {
		return nil
	}
	next, err := list(ctx, secret.Query{After: page.Next, Limit: 1, Under: q.Under, WithTrash: q.WithTrash})
	if err != nil {
		return err
	}
	ends := next.Next == ""
	if len(next.Secrets) > 0 {
		ends = !strings.HasPrefix(string(next.Secrets[0].Name), string(q.Under))
	}
	if ends {
		page.Next = ""
	}
	return nil
}

func renamed(sec *secret.Secret, to secret.Name) *secret.Secret {
	if sec.Name == to {
		return sec
	}
	c := *sec
	c.Name = to
	return &c
}

// TakenError is in the error of a restore whose name is taken. It tells which
// version would have been current.
type TakenError struct {
	Current secret.UID
	Err     error
}

// Error is for logs.
func (e *TakenError) Error() string { return e.Err.Error() }

// Unwrap returns the product's own word.
func (e *TakenError) Unwrap() error { return e.Err }

func describeTaken(err error, sec *secret.Secret) error {
	k := secret.KindOf(err)
	if k != secret.AlreadyExists && k != secret.Trashed {
		return err
	}
	taken := &TakenError{Err: err}
	if v := sec.Find(secret.Current); v != nil {
		taken.Current = v.UID
	}
	return &secret.Error{Kind: k, Name: sec.Name, Detail: secret.DetailOf(err), Err: taken}
}
