package kv2

import (
	"context"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.HiddenReader = (*Store)(nil)

// openedEntry marks versions that native tools had deleted and a gateway
// undeleted to read them. While it stands they pass for deleted.
type openedEntry struct {
	Opened sidecar.Time `json:"O"`
	Ranges [][2]int64   `json:"K"` // first and last numbers
}

// Valid reports whether a gateway could have written e.
func (e *openedEntry) Valid() bool { return !e.Opened.IsZero() && len(e.Ranges) > 0 }

const (
	// openFor is much longer than versions are open, and shorter than a caller
	// waits.
	openFor = 15 * time.Second
	// closeTime is how long closing may outlive the call.
	closeTime = 20 * time.Second
)

// ReadsHidden implements backends.HiddenReader.
func (*Store) ReadsHidden(why secret.Missing) bool { return why == secret.Deleted }

// ExportHidden implements backends.HiddenReader. All versions are open at once,
// as far as one mark can name them.
func (s *Store) ExportHidden(ctx context.Context, name secret.Name, why secret.Missing) (out *secret.Secret, opened []secret.Ordinal, err error) {
	if why != secret.Deleted {
		out, err = s.Export(ctx, name)
		return out, nil, err
	}
	err = s.reading(name, func(connection.Location) error {
		return s.changing(ctx, name, func(st *state) error {
			if err := st.visible(); err != nil {
				return err
			}
			if st.Custom[openedKey] != "" { // changing has closed what is old
				return &secret.Error{Kind: secret.Unavailable, Detail: "another gateway is reading a deleted version of this secret"}
			}
			if out, err = s.secret(st); err != nil {
				return err
			}
			st.complete(out, s.Now())
			if err := s.values(ctx, st, out, nil); err != nil {
				return err
			}
			return s.readDeleted(ctx, st, out, &opened)
		})
	})
	if err != nil {
		return nil, opened, connection.Named(err, "export", name)
	}
	return out, opened, nil
}

// readDeleted opens what native tools deleted, as many versions at once as one
// mark has room for.
func (s *Store) readDeleted(ctx context.Context, st *state, out *secret.Secret, opened *[]secret.Ordinal) error {
	for rest := st.deletedBefore(s.Now()); len(rest) > 0; {
		e := openedEntry{Opened: sidecar.Time{Time: s.Now().UTC().Truncate(time.Second)}}
		for len(rest) > 0 {
			longer := e
			longer.Ranges = append(slices.Clone(e.Ranges), rest[0])
			if len(sidecar.ASCII(&longer)) > maxEntry {
				break
			}
			e, rest = longer, rest[1:]
		}
		if err := s.patchCustom(ctx, st.Path, map[string]any{openedKey: sidecar.ASCII(&e)}); err != nil {
			return err
		}
		for i, n := range st.numbers {
			if within(e.Ranges, n) {
				*opened = append(*opened, out.Versions[i].Ordinal)
			}
		}
		err := s.versionsCall(ctx, "undelete", st, func(n int64) bool { return within(e.Ranges, n) })
		if err == nil {
			err = s.readOpened(ctx, st, out, &e)
		}
		if closeErr := s.closeOpened(ctx, st, &e); closeErr != nil {
			return closeErr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readOpened reads the values of what is open into out.
func (s *Store) readOpened(ctx context.Context, st *state, out *secret.Secret, e *openedEntry) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(connection.InFlight)
	for i, n := range st.numbers {
		if v := &out.Versions[i]; within(e.Ranges, n) {
			g.Go(func() error {
				v.Missing = ""
				return s.value(ctx, st, n, v, nil)
			})
		}
	}
	return g.Wait()
}

// closeOpened deletes again what was opened, and takes the mark away. It outlives
// the call.
func (s *Store) closeOpened(ctx context.Context, st *state, e *openedEntry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err := s.versionsCall(ctx, "delete", st, func(n int64) bool { return within(e.Ranges, n) })
	if err == nil {
		err = s.patchCustom(ctx, st.Path, map[string]any{openedKey: nil})
	}
	if err != nil {
		return &secret.Error{
			Kind: secret.Unavailable, Err: secret.Cause(err),
			Detail: "a version that was undeleted to be read could not be deleted again: the next change of the secret does it, or the next backup that reads deleted versions",
		}
	}
	delete(st.Custom, openedKey)
	return nil
}

// closeOld closes what a gateway left open that went away. A younger mark is
// another gateway's that is at work.
func (s *Store) closeOld(ctx context.Context, st *state) error {
	e, err := st.opened()
	if e == nil || s.Now().Sub(e.Opened.Time).Abs() < openFor {
		return err
	}
	return s.closeOpened(ctx, st, e)
}

// opened returns the mark, or nil.
func (st *state) opened() (*openedEntry, error) {
	text, ok := st.Custom[openedKey]
	if !ok {
		return nil, nil
	}
	e := new(openedEntry)
	if sidecar.Decode(text, sidecar.ASCII, e) != nil {
		return nil, errForeign("custom_metadata " + openedKey)
	}
	return e, nil
}

// hideOpened makes what is open pass for deleted.
func (st *state) hideOpened() error {
	e, err := st.opened()
	if e == nil {
		return err
	}
	for k, fact := range st.Versions {
		if n, err := strconv.ParseInt(k, 10, 64); err == nil && within(e.Ranges, n) && !fact.Destroyed {
			fact.Deletion = e.Opened.UTC().Format(time.RFC3339Nano)
			st.Versions[k] = fact
		}
	}
	return nil
}
