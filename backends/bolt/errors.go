package bolt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/vaultferry/vaultferry/secret"
)

// failure makes any error one of ours. What is not recognised is a fault of
// the file, of which the client learns nothing.
func failure(op string, name secret.Name, err error) error {
	var known *secret.Error
	if errors.As(err, &known) {
		e := *known
		e.Op, e.Name = op, name
		return &e
	}
	e := &secret.Error{Kind: secret.Internal, Op: op, Name: name, Err: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Kind = secret.Unavailable
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		e.Kind, e.Detail = secret.Unavailable, "the store is closed"
	}
	return e
}

// commitError is the outcome of writes whose commit failed.
func commitError(err error, visible bool) error {
	switch {
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return err
	case visible:
		return &secret.Error{Kind: secret.Unknown, Detail: "the disk did not confirm the write", Err: err}
	case noSpace(err):
		return &secret.Error{Kind: secret.Unavailable, Detail: "the store has no space left", Err: err}
	}
	return &secret.Error{Kind: secret.Unavailable, Detail: "the store could not write", Err: err}
}

// noSpace looks at the text as well: bbolt does not wrap the cause where it
// fails to grow its file.
func noSpace(err error) bool {
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EFBIG, syscall.EDQUOT} {
		if errors.Is(err, no) || strings.Contains(err.Error(), no.Error()) {
			return true
		}
	}
	return false
}

// openError is for whoever starts the program: its detail names the file.
func openError(k secret.Kind, cause error, format string, args ...any) error {
	return &secret.Error{Kind: k, Op: "bolt.open", Detail: fmt.Sprintf(format, args...), Err: cause}
}
