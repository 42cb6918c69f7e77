package backendtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// patiently repeats what promises that nothing was changed.
func patiently(call func() error) error {
	for {
		err := call()
		if !errors.Is(err, secret.Conflict) && !errors.Is(err, secret.Throttled) {
			return err
		}
	}
}

// winners runs call n times at once and counts the successes. All others must
// find nothing any more.
func winners(t *testing.T, what string, n int, call func(i int) error) int {
	t.Helper()
	won := make([]bool, n)
	together(n, func(i int) {
		err := patiently(func() error { return call(i) })
		if won[i] = err == nil; !won[i] {
			wantErr(t, what+", with others", err, secret.NotFound)
		}
	})
	count := 0
	for _, w := range won {
		if w {
			count++
		}
	}
	return count
}

// testTrashRaces: of those who delete, recover or purge one name at once, one
// succeeds, and the secret is whole or gone.
func testTrashRaces(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	src := bare("s", 1, 2, 3)
	mustImport(ctx, t, b, src, "")
	before := export(ctx, t, b, "s")
	del := func(int) error { _, err := tr.Delete(ctx, "s", in90Days()); return err }
	rec := func(int) error { _, err := tr.Recover(ctx, "s"); return err }
	pur := func(int) error { return tr.Purge(ctx, "s") }
	for range 4 {
		if n := winners(t, "Delete", h.Writers, del); n != 1 {
			t.Fatalf("%d of %d deletions succeeded", n, h.Writers)
		}
		if n := winners(t, "Recover", h.Writers, rec); n != 1 {
			t.Fatalf("%d of %d recoveries succeeded", n, h.Writers)
		}
		compareAs(t, "after deletions and recoveries at once", before, export(ctx, t, b, "s"))
	}
	for range 4 {
		remove(ctx, t, b, tr, "s")
		n := winners(t, "Recover and Purge", h.Writers, func(i int) error {
			if i%2 == 0 {
				return rec(i)
			}
			return pur(i)
		})
		if n != 1 {
			t.Fatalf("%d recoveries and purges of one deletion succeeded", n)
		}
		checkNotTrashed(ctx, t, tr, "s")
		if _, err := b.Describe(ctx, "s"); errors.Is(err, secret.NotFound) {
			checkGone(ctx, t, b, "s")
			mustImport(ctx, t, b, src, "again")
		}
		compareAs(t, "after recoveries and purges at once", before, export(ctx, t, b, "s"))
	}
}

// testTrashTurmoil: while some delete and recover a secret, others write and
// update it. What was acknowledged is there in the end.
func testTrashTurmoil(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	put(ctx, t, b, "s", text(canary+"first"))
	var mu sync.Mutex
	written := map[secret.Ordinal]secret.Value{}
	together(h.Writers, func(i int) {
		for round := range 4 {
			o, v, err := disturb(ctx, b, tr, i, round)
			switch {
			case err != nil:
				_ = checkErr(t, err, secret.NotFound, secret.Trashed, secret.Conflict, secret.Throttled)
			case o != 0:
				mu.Lock()
				written[o] = v
				mu.Unlock()
			}
		}
	})
	if _, err := b.Describe(ctx, "s"); errors.Is(err, secret.NotFound) {
		recoverTrash(ctx, t, tr, "s")
	}
	checkNotTrashed(ctx, t, tr, "s")
	s := export(ctx, t, b, "s")
	if n := len(s.Versions); n != kept(b, len(written)+1) {
		t.Errorf("%d versions were acknowledged, %d are there", len(written)+1, n)
	}
	for o, want := range written {
		if !room(b, len(written)+1) && o < s.Versions[0].Ordinal { // it made room
			continue
		}
		if v := s.Find(secret.ByOrdinal(o)); v == nil || !v.Value.Equal(want) {
			t.Errorf("version %d was acknowledged and is not there as written", o)
		}
	}
}

// disturb does one of the things that a store lets many do at once. It returns
// the version that it wrote, if any.
func disturb(ctx context.Context, b backends.Backend, tr backends.Backend, i, round int) (secret.Ordinal, secret.Value, error) {
	var err error
	switch (i + round) % 4 {
	case 0:
		_, err = tr.Delete(ctx, "s", in90Days())
	case 1:
		_, err = tr.Recover(ctx, "s")
	case 2:
		_, err = b.Update(ctx, "s", secret.ByOrdinal(1), secret.Patch{ContentType: ptr(fmt.Sprint("a/", i))})
	default:
		d := text(fmt.Sprint(canary, i, "-", round))
		s, err := b.Put(ctx, "s", d)
		if err != nil {
			return 0, secret.Value{}, err
		}
		return s.Versions[0].Ordinal, d.Value, nil
	}
	return 0, secret.Value{}, err
}
