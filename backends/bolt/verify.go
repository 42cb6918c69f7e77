package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/bboltcheck"
	"github.com/vaultferry/vaultferry/secret"
)

// Verify implements backends.WholeStore. It reads one state in one go and not
// piece by piece: only so can it tell that records disagree. The file may grow
// meanwhile, as under a Snapshot.
func (s *Store) Verify(ctx context.Context) (*backends.Findings, error) {
	found := &backends.Findings{Damage: []backends.Damage{}}
	err := s.view(ctx, "bolt.verify", "", func(tx *bbolt.Tx) error {
		state, err := bboltcheck.StateOf(tx)
		if err != nil {
			return err
		}
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		found.Bytes = info.Size()
		return verifyState(ctx, s.file, state, *s.keys.Load(), found)
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// VerifyFile looks through a file that no process holds as a store, whatever its
// state.
func VerifyFile(ctx context.Context, path string, keys backends.KeyWrapper) (*backends.Findings, error) {
	return verifyFileAs(ctx, path, path, keys)
}

// verifyFileAs calls the file shown in what it says.
func verifyFileAs(ctx context.Context, shown, path string, keys backends.KeyWrapper) (*backends.Findings, error) {
	if err := checkKeys(shown, keys); err != nil {
		return nil, err
	}
	f, err := lockFile(path, false, lockWait)
	if err != nil {
		return nil, fileError(shown, err)
	}
	found, err := verifyOpenFile(ctx, f, shown, keys)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return found, nil
}

// verifyOpenFile reads a file on which the caller has a lock.
func verifyOpenFile(ctx context.Context, f *os.File, shown string, keys backends.KeyWrapper) (*backends.Findings, error) {
	found := &backends.Findings{Damage: []backends.Damage{}}
	info, err := f.Stat()
	if err != nil {
		return nil, fileError(shown, err)
	}
	found.Bytes = info.Size()
	state, err := bboltcheck.ReadState(f, found.Bytes, func(p bboltcheck.Problem) { found.Add("", pageDamage(p)) })
	if err != nil {
		return nil, fileError(shown, err)
	}
	err = verifyState(ctx, f, state, keys, found)
	if other, ok := errors.AsType[*otherKeyError](err); ok {
		return nil, keyError(shown, other)
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, failure("bolt.verify", "", err)
	case err != nil:
		return nil, storeError(shown, err)
	}
	return found, nil
}

// Verify is VerifyFile, and refuses (Corrupt) a file that is not sound. What it
// says calls the file shown.
func Verify(ctx context.Context, shown, path string, keys backends.KeyWrapper) (*backends.Findings, error) {
	found, err := verifyFileAs(ctx, shown, path, keys)
	if err != nil {
		return nil, err
	}
	if err := refuseDamaged(shown, found); err != nil {
		return nil, err
	}
	return found, nil
}

// refuseDamaged refuses to go on from a file that is not sound.
func refuseDamaged(path string, found *backends.Findings) error {
	if found.Sound() {
		return nil
	}
	d := found.Damage[0]
	what := d.What
	if d.Name != "" {
		what = fmt.Sprintf("%q: %s", d.Name, what)
	}
	if n := len(found.Damage) + found.Unlisted - 1; n > 0 {
		what += fmt.Sprintf(" (and %d more)", n)
	}
	return &secret.Error{Kind: secret.Corrupt, Op: "bolt.verify", Detail: fmt.Sprintf("%s is damaged: %s", path, what)}
}

// pageDamage tells of a page which secrets it is about.
func pageDamage(p bboltcheck.Problem) string {
	name := func(key []byte) string {
		before, _, _ := bytes.Cut(key, []byte{0})
		return strconv.Quote(string(before))
	}
	what := p.What
	switch {
	case p.Page == 0:
	case p.Keys.To != nil:
		what = fmt.Sprintf("page %d (%s to %s): %s", p.Page, name(p.Keys.From), name(p.Keys.To), what)
	case p.Keys.From != nil:
		what = fmt.Sprintf("page %d (from %s on): %s", p.Page, name(p.Keys.From), what)
	default:
		what = fmt.Sprintf("page %d: %s", p.Page, what)
	}
	if p.Where != "" {
		what = p.Where + ": " + what
	}
	return what
}
