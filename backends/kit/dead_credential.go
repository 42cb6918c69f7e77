package kit

import (
	"errors"

	"github.com/vaultferry/vaultferry/secret"
)

// ErrDeadCredential is among the causes of an error that proves more than that
// one name is denied: the product takes the store's credential for nothing any
// more, so that no other name would fare better.
var ErrDeadCredential = errors.New("the store's credential is dead: the product no longer accepts it")

// Dead returns e with that proof.
func Dead(e *secret.Error) *secret.Error {
	dead := *e
	dead.Err = ErrDeadCredential
	if e.Err != nil {
		dead.Err = errors.Join(ErrDeadCredential, e.Err)
	}
	return &dead
}
