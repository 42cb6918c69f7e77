// Package ownfile tells whether a file that the gateway trusts could be put
// there by somebody else on this machine.
package ownfile

import (
	"errors"
	"fmt"
)

// ErrOwner is of a file that belongs to another user, who alone can replace it.
var ErrOwner = errors.New("it belongs to another user, who alone can change it")

// Danger is why a file ought not to be trusted.
type Danger struct {
	What string
	// Sure: anybody can put other content there. Otherwise a group can, or
	// another user, who may be meant to.
	Sure bool
}

func sure(format string, args ...any) *Danger {
	return &Danger{fmt.Sprintf(format, args...), true}
}
