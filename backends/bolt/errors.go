package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/vaultferry/vaultferry/backends"
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

// fileError is of a file that openDB or lockFile did not open.
func fileError(path string, err error) error {
	switch {
	case errors.Is(err, ErrHeld):
		return openError(secret.Unavailable, err, "%s is held by another process", path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return openError(secret.Unavailable, secret.WithoutPath(err), "%s: the file cannot be opened", path)
	}
	return openError(secret.Invalid, secret.WithoutPath(err), "%s: the file is damaged, or no store of this program", path)
}

// storeError is of a file that opens and is no store that this release knows.
func storeError(path string, err error) error {
	if other := (*formatError)(nil); errors.As(err, &other) {
		return openError(secret.Invalid, nil, "%s: %s", path, other)
	}
	return openError(secret.Invalid, err, "%s: the file is no store of this program", path)
}

// keyError is of a file that the keyring does not open.
func keyError(path string, err error) error {
	if other, ok := errors.AsType[*otherKeyError](err); ok {
		err = other.cause
	}
	return openError(secret.Invalid, err, "%s: the keyring does not open this file; it was made with another one", path)
}

// checkKeys refuses a keyring that no store can live with.
func checkKeys(path string, keys backends.KeyWrapper) error {
	switch {
	case keys == nil:
		return openError(secret.Invalid, nil, "%s: a bolt store needs a keyring", path)
	case !keys.CanUnwrap():
		return openError(secret.Invalid, nil, "%s: the keyring can seal and not open; a bolt store needs one that opens", path)
	}
	return nil
}
