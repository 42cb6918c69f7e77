package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// repeats remembers writes whose outcome is unknown. Vendors' clients answer
// "unavailable" by sending the write again; within the window such a repeat
// must not make a second version of what did land.
type repeats struct {
	now func() time.Time

	mu     sync.Mutex
	writes map[[sha256.Size]byte]time.Time
}

const (
	repeatWindow = time.Minute
	repeatsMax   = 10_000
)

func repeatKey(j *job) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range []string{j.call.Caller.ID, j.Name, string(j.ref.Name), j.ref.Event, j.call.Op} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	h.Write(j.call.Digest[:])
	return [sha256.Size]byte(h.Sum(nil))
}

// note remembers the write of j if nobody knows how it ended, and forgets it
// if it is known now. An attempt that surely changed nothing says nothing of
// the one before it.
func (r *repeats) note(j *job, err error) {
	if j.call.Digest == [sha256.Size]byte{} {
		return
	}
	key, now := repeatKey(j), r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch err = classify(j, err); {
	case repeatable(err):
		return
	case !errors.Is(err, secret.Unknown):
		delete(r.writes, key)
		return
	}
	if len(r.writes) >= repeatsMax {
		maps.DeleteFunc(r.writes, func(_ [sha256.Size]byte, t time.Time) bool { return now.Sub(t) > repeatWindow })
	}
	if r.writes == nil {
		r.writes = map[[sha256.Size]byte]time.Time{}
	}
	if len(r.writes) < repeatsMax {
		r.writes[key] = now
	}
}

// recent reports whether j repeats a write of unknown outcome.
func (r *repeats) recent(j *job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.writes[repeatKey(j)]
	return ok && r.now().Sub(t) <= repeatWindow
}

// landed returns the current version, or the newest if the draft takes no
// role, if j repeats a write of unknown outcome and that version is what it
// would write. Where it cannot find out, writing might be once too often, and
// it returns why.
func (r *repeats) landed(ctx context.Context, j *job, d secret.Draft) (*secret.Secret, error) {
	if !r.recent(j) {
		return nil, nil
	}
	sec, err := written(ctx, j, d)
	switch {
	case errors.Is(err, secret.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case sec.Newest() == nil || !holds(sec.Newest(), d):
		return nil, nil
	}
	return sec, nil
}

// written reads the version that d made if it landed and nothing came after.
func written(ctx context.Context, j *job, d secret.Draft) (*secret.Secret, error) {
	sel := secret.Current
	if d.KeepCurrent {
		sec, err := j.Backend.Describe(ctx, j.ref.Name)
		if err != nil {
			return nil, err
		}
		if v := sec.Newest(); v != nil {
			sel = secret.ByOrdinal(v.Ordinal)
		}
	}
	return j.Backend.Get(ctx, j.ref.Name, sel)
}

// landedImport is landed for an import that finds the name taken: by its own
// work, if every version that was to stand does so under its UID.
func landedImport(ctx context.Context, j *job, sec *secret.Secret, taken error) (*backends.Imported, error) {
	have, err := j.Backend.Describe(ctx, sec.Name)
	switch {
	case repeatable(err):
		return nil, err
	case err != nil:
		return nil, taken
	}
	for i := range sec.Versions {
		want := &sec.Versions[i]
		v := have.Find(secret.ByOrdinal(want.Ordinal))
		if v == nil || !want.UID.IsZero() && v.UID != want.UID { // zero: foretold to be another
			return nil, taken
		}
	}
	return &backends.Imported{Secret: have}, nil
}

func holds(v *secret.Version, d secret.Draft) bool {
	stages := slices.Sorted(slices.Values(d.Stages))
	return v.Value.Equal(d.Value) && v.ContentType == d.ContentType && maps.Equal(v.Tags, d.Tags) &&
		v.Disabled == d.Disabled && v.NotBefore.Equal(d.NotBefore) && v.Expires.Equal(d.Expires) &&
		slices.Equal(v.Stages, stages) && slices.EqualFunc(slices.Sorted(maps.Keys(v.Extra)), slices.Sorted(maps.Keys(d.Extra)),
		func(a, b string) bool { return a == b && bytes.Equal(v.Extra[a], d.Extra[b]) })
}
