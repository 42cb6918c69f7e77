package gateway

import "github.com/vaultferry/vaultferry/secret"

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
