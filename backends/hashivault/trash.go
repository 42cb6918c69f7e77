package hashivault

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// trash is the entry that puts a secret into the trash. Every version that
// still had its value then is deleted natively as well, so that native tools
// see the secret gone; those that native tools had deleted before are kept
// here, for they stay so when the secret comes back.
type trash struct {
	At    moment     `json:"a"`
	Purge moment     `json:"p"`
	Last  int64      `json:"n"`           // the newest version then
	Kept  [][2]int64 `json:"k,omitempty"` // first and last number of those deleted before
	More  bool       `json:"z,omitempty"` // the companion holds the whole entry
}

// trashKey is the entry of the trash. Its presence in custom_metadata decides.
const trashKey = "vaultferry.trash"

func (t *trash) kept(number int64) bool {
	for _, k := range t.Kept {
		if k[0] <= number && number <= k[1] {
			return true
		}
	}
	return false
}

// trashed returns the trash entry, or nil. An entry that other tools spoilt
// is no reason to show what was deleted.
func (st *state) trashed() (*trash, error) {
	s, ok := st.Custom[trashKey]
	if !ok {
		return nil, nil
	}
	t := new(trash)
	bad := json.Unmarshal([]byte(s), t) != nil
	if t.More {
		t = new(trash)
		bad = json.Unmarshal([]byte(st.more.entries[trashKey]), t) != nil
	}
	if bad || t.At.IsZero() {
		return nil, errForeign("custom_metadata " + trashKey)
	}
	return t, nil
}

// inTrash returns the entry of a secret that is in the trash, or NotFound.
func (st *state) inTrash() (*trash, error) {
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
		t = &trash{At: moment{s.now().UTC()}, Purge: moment{purge.UTC()}, Last: st.Current, Kept: st.deletedBefore(s.now())}
		if err := s.putTrash(ctx, st, t); err != nil {
			return err
		}
		if err := s.deleteVersions(ctx, st, t); err != nil {
			return &secret.Error{Kind: secret.Unknown, Detail: "the secret is deleted, but Vault's own tools may still read it", Err: secret.Cause(err)}
		}
		out, err = s.fromTrash(st, name, t)
		return err
	})
	return out, as(err, "delete", name)
}

// deletedBefore lists what native tools deleted and could bring back, as
// ranges.
func (st *state) deletedBefore(now time.Time) [][2]int64 {
	var out [][2]int64
	for _, n := range st.numbers {
		if fact := st.fact(n); fact.missing(now) != secret.Deleted {
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

// putTrash writes the entry. A long one goes into the companion, and what
// stays in custom_metadata is the part that is always needed.
func (s *Store) putTrash(ctx context.Context, st *state, t *trash) error {
	text := ascii(t)
	if len(text) <= maxEntry {
		return s.patchCustom(ctx, st.path, map[string]any{trashKey: text})
	}
	short := *t
	short.Kept, short.More = nil, true
	if err := s.writeCompanion(ctx, st, map[string]string{trashKey: text}); err != nil {
		return err
	}
	l := layout{custom: map[string]any{trashKey: ascii(short)}, companion: map[string]string{trashKey: text}}
	st.layOutHead(nil, &l)
	return s.patchCustom(ctx, st.path, l.custom)
}

// deleteVersions deletes natively what is not deleted yet.
func (s *Store) deleteVersions(ctx context.Context, st *state, t *trash) error {
	return s.versionsCall(ctx, "delete", st, func(n int64) bool {
		return n <= t.Last && st.fact(n).missing(s.now()) == ""
	})
}

func (s *Store) versionsCall(ctx context.Context, verb string, st *state, want func(int64) bool) error {
	numbers := slices.DeleteFunc(slices.Clone(st.numbers), func(n int64) bool { return !want(n) })
	if len(numbers) == 0 {
		return nil
	}
	return s.client.write(ctx, s.mount+"/"+verb+"/"+st.path, marshal(map[string]any{"versions": numbers}), nil)
}

// fromTrash is the secret as it was: what its deletion took away natively
// shows no reason for a missing value.
func (s *Store) fromTrash(st *state, name secret.Name, t *trash) (*secret.Secret, error) {
	out, err := s.secret(st, name)
	if out == nil {
		return nil, err
	}
	for i, n := range st.numbers {
		r, _, _ := st.record(n) // if it is foreign, the secret says so already
		if v := &out.Versions[i]; v.Missing == secret.Deleted && !t.kept(n) {
			v.Missing = secret.Missing(r.Missing)
		}
	}
	out.Deleted = &secret.Deletion{At: t.At.Time, Purge: t.Purge.Time}
	return out, nil
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.reading(ctx, name, func(at place) (err error) {
		out, err = s.describeTrash(ctx, at, name)
		return err
	})
	return out, as(err, "describe deleted", name)
}

func (s *Store) describeTrash(ctx context.Context, at place, name secret.Name) (*secret.Secret, error) {
	st, err := s.load(ctx, at)
	if err != nil {
		return nil, err
	}
	t, err := st.inTrash()
	if err != nil {
		return nil, err
	}
	return s.fromTrash(st, name, t)
}

// anywhere describes what is live, or else what is in the trash.
func (s *Store) anywhere(ctx context.Context, at place, name secret.Name) (*secret.Secret, error) {
	out, err := s.described(ctx, at, name)
	if err != nil && secret.KindOf(err) == secret.NotFound {
		return s.describeTrash(ctx, at, name)
	}
	return out, err
}

// ListTrash implements backends.Backend. It costs a request for each secret
// that it passes, deleted or not: the product keeps no list of its trash.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	p, err := s.list(ctx, q, s.describeTrash)
	return p, as(err, "list deleted", "")
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
		ours := func(n int64) bool {
			return n <= t.Last && !t.kept(n) && st.fact(n).missing(s.now()) == secret.Deleted
		}
		if err := s.versionsCall(ctx, "undelete", st, ours); err != nil {
			return err
		}
		if err := s.patchCustom(ctx, st.path, map[string]any{trashKey: nil}); err != nil {
			return err
		}
		out, err = s.fromTrash(st, name, t) // as it is now: no read that could fail
		if out != nil {
			out.Deleted = nil
		}
		return err
	})
	return out, as(err, "recover", name)
}

// Purge implements backends.Backend. The key goes before its companion, which
// says nothing to anybody without it.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	err := s.changing(ctx, name, func(st *state) error {
		if _, err := st.inTrash(); err != nil && secret.KindOf(err) == secret.NotFound {
			return err
		}
		if err := s.client.remove(ctx, s.mount+"/metadata/"+st.path); err != nil {
			return err
		}
		if !st.head.More && st.more.entries == nil {
			return nil
		}
		if err := s.client.remove(ctx, s.mount+"/metadata/"+st.companion); err != nil && s.log != nil {
			s.log.WarnContext(ctx, "the companion of a purged secret is left behind", "store", s.store, "name", name, "error", err)
		}
		return nil
	})
	return as(err, "purge", name)
}

// changing runs change as the only writer of the name in this process, while
// no reader looks.
func (s *Store) changing(ctx context.Context, name secret.Name, change func(*state) error) error {
	if err := begin(ctx); err != nil {
		return err
	}
	at, err := s.place(name)
	if err != nil {
		return err
	}
	unlock, err := s.locks.write(ctx, at.path)
	if err != nil {
		return err
	}
	defer unlock()
	show, err := s.locks.hide(ctx, at.path)
	if err != nil {
		return err
	}
	defer show()
	st, err := s.load(ctx, at)
	if err != nil {
		return err
	}
	return change(st)
}
