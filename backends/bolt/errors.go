package bolt

import (
	"context"
	"errors"
	"fmt"
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
	case noSpace(err):
		e.Kind, e.Detail = secret.Unavailable, "the store has no space left"
	}
	return e
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT)
}

// openError is for whoever starts the program: its detail names the file.
func openError(k secret.Kind, cause error, format string, args ...any) error {
	return &secret.Error{Kind: k, Op: "bolt.open", Detail: fmt.Sprintf(format, args...), Err: cause}
}
