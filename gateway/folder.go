package gateway

import (
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

func renamed(sec *secret.Secret, to secret.Name) *secret.Secret {
	if sec.Name == to {
		return sec
	}
	c := *sec
	c.Name = to
	return &c
}
