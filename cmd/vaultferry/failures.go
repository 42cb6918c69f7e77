package main

import (
	"errors"
	"fmt"

	"github.com/vaultferry/vaultferry/backends/kit"
)

// failures counts what failed, and what was not tried, in a command that
// reports each.
type failures struct {
	n, untried int
	dead       bool // no other name of the store would fare better
}

func (f *failures) add(err error) {
	f.n++
	f.dead = f.dead || isDead(err)
}

// complain says what the reports do not.
func (f *failures) complain(a *app) {
	if f.dead {
		a.complain("stopped: " + kit.ErrDeadCredential.Error() + "; renew it, and repeat")
	}
	if f.untried > 0 {
		a.complain(fmt.Sprintf("not tried: %d", f.untried))
	}
}

// exit ends the command. Nil: nothing failed.
func (f *failures) exit() error {
	if f.dead {
		return &exitError{code: exitCredential}
	}
	return exitIfAny(f.n)
}

func isDead(err error) bool { return errors.Is(err, kit.ErrDeadCredential) }

// exitAfter ends a command that has reported its one error.
func exitAfter(err error) error {
	var f failures
	f.add(err)
	return f.exit()
}
