package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/vaultferry/vaultferry/secret"
)

// readValue takes a value from where the flags say.
func (a *app) readValue(ctx context.Context, f *setFlags) (secret.Value, error) {
	var b []byte
	var err error
	switch piped := f.file == "" || f.file == "-"; {
	case piped && isTerminal(a.in):
		b, err = a.promptTwice(ctx)
	case piped:
		b, err = a.readBlob(ctx, "-")
		if !f.fields { // blanks around JSON are none of it
			a.noteLineEnd(b)
		}
	default:
		if b, err = a.readBlob(ctx, f.file); err != nil {
			err = fmt.Errorf("%s: %w", f.file, err)
		}
	}
	switch {
	case err != nil:
		return secret.Value{}, err
	case len(b) == 0 && !f.allowEmpty:
		return secret.Value{}, usagef("the value is empty; --allow-empty accepts that")
	case f.fields:
		return secret.FieldsValue(bytes.TrimSpace(b)), nil
	}
	return secret.TextBytes(b), nil
}

// noteLineEnd tells who used echo that the line end is kept too.
func (a *app) noteLineEnd(b []byte) {
	if i := bytes.IndexByte(b, '\n'); i > 0 && i == len(b)-1 {
		a.complain("note: the value ends with a line end, which is kept; printf writes none")
	}
}

// promptTwice asks for a value, unseen, and once more: nobody could see a slip.
func (a *app) promptTwice(ctx context.Context) ([]byte, error) {
	first, err := a.promptHidden(ctx, "value: ")
	if err != nil || len(first) == 0 {
		return nil, err
	}
	second, err := a.promptHidden(ctx, "once more: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, usagef("the two values are not the same")
	}
	return first, nil
}

// promptHidden leaves the terminal as it was, however it ends.
func (a *app) promptHidden(ctx context.Context, question string) ([]byte, error) {
	f, ok := a.in.(*os.File)
	if !ok {
		return nil, usagef("a prompt needs a terminal")
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprint(a.errOut, visible(question)); err != nil {
		return nil, err
	}
	b, err := interruptible(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if err != nil {
		err = errors.Join(err, term.Restore(fd, before))
	}
	_, lineErr := fmt.Fprintln(a.errOut) // the one that was typed is not seen
	return b, errors.Join(err, lineErr)
}
