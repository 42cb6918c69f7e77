package kv2

import (
	"context"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// trashed returns the trash entry, or nil. An entry that other tools spoilt
// is no reason to show what was deleted.
func (st *state) trashed() (*trashEntry, error) {
	s, ok := st.Custom[trashKey]
	if !ok {
		return nil, nil
	}
	t := new(trashEntry)
	err := sidecar.Decode(s, sidecar.ASCII, t)
	if err == nil && t.More {
		t = new(trashEntry)
		err = sidecar.Decode(st.more.entries[trashKey], sidecar.ASCII, t)
	}
	if err != nil {
		return nil, errForeign("custom_metadata " + trashKey)
	}
	return t, nil
}

// inTrash returns the entry of a secret that is in the trash, or NotFound.
func (st *state) inTrash() (*trashEntry, error) {
	if !st.exists || len(st.numbers) == 0 || st.unfinished() || st.Custom[trashKey] == "" {
		return nil, &secret.Error{Kind: secret.NotFound}
	}
	return st.trashed()
}

// Delete implements backends.Backend. The entry comes first: from then on no
// gateway shows the secret, whatever happens to the native deletion. Where that
// fails the kind is Unknown: a repeat finishes it, and finds the secret gone.
func (s *Store) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.changing(ctx, name, func(st *state) error {
		t, err := st.trashed()
		switch {
		case err != nil:
			return err
		case t != nil:
			if err := s.deleteVersions(ctx, st, t); err != nil {
				return err
			}
			return &secret.Error{Kind: secret.NotFound}
		case st.visible() != nil:
			return st.visible()
		case st.foreign != nil:
			return st.foreign
		}
		t = &trashEntry{Newest: st.Current, Kept: st.deletedBefore(s.Now()), Ending: st.ending(s.Now())}
		t.At.Time, t.Purge.Time = s.Now().UTC(), purge.UTC()
		if err := s.putTrash(ctx, st, t, nil); err != nil {
			return err
		}
		if err := s.deleteVersions(ctx, st, t); err != nil {
			return &secret.Error{Kind: secret.Unknown, Detail: "the secret is deleted, but Vault's own tools may still read it", Err: secret.Cause(err)}
		}
		out, err = s.fromTrash(st, t)
		return err
	})
	return out, connection.Named(err, "delete", name)
}

// deletedBefore lists what native tools deleted and could bring back, as
// ranges.
func (st *state) deletedBefore(now time.Time) [][2]int64 {
	return st.ranges(func(f *versionFact) bool { return f.missing(now) == secret.Deleted })
}

// ending lists what Vault is going to delete by itself, as ranges.
func (st *state) ending(now time.Time) [][2]int64 {
	return st.ranges(func(f *versionFact) bool { return !f.deletion().IsZero() && f.missing(now) == "" })
}

func (st *state) ranges(of func(*versionFact) bool) [][2]int64 {
	var out [][2]int64
	for _, n := range st.numbers {
		if !of(st.fact(n)) {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last][1] == n-1 {
			out[last][1] = n
		} else {
			out = append(out, [2]int64{n, n})
		}
	}
	return out
}

// putTrash writes the entry, and settings of the key with it. A long one goes
// into the companion, and what stays in custom_metadata is the part that is
// always needed.
func (s *Store) putTrash(ctx context.Context, st *state, t *trashEntry, settings map[string]any) error {
	text := sidecar.ASCII(t)
	if len(text) <= maxEntry {
		return s.patchMetadata(ctx, st.Path, map[string]any{trashKey: text}, settings)
	}
	short := *t
	short.Kept, short.Ending, short.More = nil, nil, true
	l := layout{custom: map[string]any{trashKey: sidecar.ASCII(short)}, companion: map[string]string{trashKey: text}, settings: settings}
	st.layOutHead(nil, &l)
	return s.write(ctx, st, l)
}

// deleteVersions deletes natively what is not deleted yet.
func (s *Store) deleteVersions(ctx context.Context, st *state, t *trashEntry) error {
	return s.versionsCall(ctx, "delete", st, func(n int64) bool {
		return n <= t.Newest && st.fact(n).missing(s.Now()) == ""
	})
}

func (s *Store) versionsCall(ctx context.Context, verb string, st *state, want func(int64) bool) error {
	numbers := slices.DeleteFunc(slices.Clone(st.numbers), func(n int64) bool { return !want(n) })
	if len(numbers) == 0 {
		return nil
	}
	return s.Write(ctx, "/"+verb+"/"+st.Path, connection.Marshal(map[string]any{"versions": numbers}), nil)
}

// fromTrash is the secret as it was: what its deletion took away natively
// shows no reason for a missing value.
func (s *Store) fromTrash(st *state, t *trashEntry) (*secret.Secret, error) {
	out, err := s.secret(st)
	if out == nil {
		return nil, err
	}
	for i, n := range st.numbers {
		e, _, _ := st.entryOf(n) // if it is foreign, the secret says so already
		if v := &out.Versions[i]; v.Missing == secret.Deleted && !within(t.Kept, n) {
			v.Missing = e.Missing
		}
	}
	out.Deleted = &secret.Deletion{At: t.At.Time, Purge: t.Purge.Time}
	return out, nil
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.One(ctx, "describe deleted", name, s.describeTrash)
}

func (s *Store) describeTrash(ctx context.Context, at connection.Location, name secret.Name) (*secret.Secret, error) {
	st, err := s.load(ctx, at, name)
	if err != nil {
		return nil, err
	}
	t, err := st.inTrash()
	if err != nil {
		return nil, err
	}
	return s.fromTrash(st, t)
}

// ListTrash implements backends.Backend. It costs a request for each secret
// that it passes, deleted or not: the product keeps no list of its trash.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.Page(ctx, "list deleted", q, connection.Shown(s.describeTrash))
}

// Recover implements backends.Backend. The entry goes last: until then no
// gateway shows a part.
func (s *Store) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.changing(ctx, name, func(st *state) error {
		t, err := st.inTrash()
		if err != nil {
			return err
		}
		if err := s.bringBack(ctx, st, t); err != nil {
			return err
		}
		if err := s.patchCustom(ctx, st.Path, map[string]any{trashKey: nil}); err != nil {
			return err
		}
		out, err = s.fromTrash(st, t) // as it is now: no read that could fail
		if out != nil {
			out.Deleted = nil
		}
		return err
	})
	return out, connection.Named(err, "recover", name)
}

// bringBack undeletes what the gateway deleted. Of each version that is undeleted
// Vault sets the time of its deletion anew, as the key says
// (delete_version_after). So what was to stay is undeleted while the key says
// nothing, and the entry keeps what it said.
func (s *Store) bringBack(ctx context.Context, st *state, t *trashEntry) error {
	ours := func(n int64) bool {
		return n <= t.Newest && !within(t.Kept, n) && st.fact(n).missing(s.Now()) == secret.Deleted
	}
	stays := func(n int64) bool { return ours(n) && !within(t.Ending, n) }
	if t.Lasting == "" {
		if d, err := time.ParseDuration(st.Lasting); err != nil || d <= 0 || !slices.ContainsFunc(st.numbers, stays) {
			return s.versionsCall(ctx, "undelete", st, ours)
		}
		t.Lasting = st.Lasting
	}
	if err := s.putTrash(ctx, st, t, map[string]any{lastingKey: "0s"}); err != nil {
		return err
	}
	if err := s.versionsCall(ctx, "undelete", st, stays); err != nil {
		return err
	}
	if err := s.patchMetadata(ctx, st.Path, nil, map[string]any{lastingKey: t.Lasting}); err != nil {
		return err
	}
	return s.versionsCall(ctx, "undelete", st, func(n int64) bool { return ours(n) && within(t.Ending, n) })
}

// Purge implements backends.Backend. The key goes before its companion, which
// says nothing to anybody without it.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	err := s.changing(ctx, name, func(st *state) error {
		if _, err := st.inTrash(); err != nil && secret.KindOf(err) == secret.NotFound {
			return err
		}
		if err := s.Remove(ctx, "/metadata/"+st.Path); err != nil {
			return err
		}
		if !st.head.More && st.more.entries == nil {
			return nil
		}
		if err := s.Remove(ctx, "/metadata/"+st.Companion); err != nil {
			s.Warn(ctx, "the companion of a purged secret is left behind", "name", name, "error", err)
		}
		return nil
	})
	return connection.Named(err, "purge", name)
}
