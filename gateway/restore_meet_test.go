package gateway_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// meeting is a store in which others do something between the look of a restore at what
// stands, and its write.
type meeting struct {
	*memory.Store
	others func()
	added  func() // others, between the write of an append and the look at what it made
}

func (m *meeting) meet() {
	if m.others != nil {
		m.others()
	}
}

func (m *meeting) Import(ctx context.Context, in *secret.Secret, token string) (*backends.Imported, error) {
	m.meet()
	return m.Store.Import(ctx, in, token)
}

func (m *meeting) Append(ctx context.Context, name secret.Name, only secret.Mark, ds []secret.Draft) (*secret.Secret, error) {
	m.meet()
	return m.Store.Append(ctx, name, only, ds)
}

func (m *meeting) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	if m.added != nil {
		m.added()
	}
	return m.Store.Describe(ctx, name)
}

// met is two gateways that share a store, and backups of a secret of three versions: of
// the first version, and of all.
type met struct {
	one, other *world
	store      *meeting
	first, all []byte
}

func newMet(t *testing.T) *met {
	t.Helper()
	m := &met{store: &meeting{Store: memory.New(memory.Options{})}}
	over := func(b backends.Backend) func(*gateway.Options) {
		return func(o *gateway.Options) {
			o.Stores[1].Backend = b
			if m.one != nil {
				o.Keyring = m.one.ring
			}
		}
	}
	m.one = newWorld(t, over(m.store))
	m.other = newWorld(t, over(m.store.Store))
	put(t, m.one, refA, "hush-1")
	m.first = backupOf(t, m.one, refA)
	put(t, m.one, refA, "hush-2", "hush-3")
	m.all = backupOf(t, m.one, refA)
	return m
}

func (m *met) restore(t *testing.T, w *world, blob []byte, how gateway.OnConflict) {
	t.Helper()
	if _, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{OnConflict: how}); err != nil {
		t.Error(err)
	}
}

// TestRestoresMeet: what a restore decides by what stands holds, although another
// gateway comes between its look and its write. What both add is there once.
func TestRestoresMeet(t *testing.T) {
	t.Parallel()
	const app, back, skip = gateway.ConflictAppend, gateway.ConflictRollback, gateway.ConflictSkip
	for what, c := range map[string]struct {
		prepare, others func(*met, *testing.T)
		how             gateway.OnConflict
		versions, added int
		skipped         bool
		want            secret.Kind
	}{
		"both append":             {(*met).begin, func(m *met, t *testing.T) { m.restore(t, m.other, m.all, app) }, app, 3, 0, false, 0},
		"both append to nothing":  {nil, func(m *met, t *testing.T) { m.restore(t, m.other, m.all, app) }, app, 3, 0, false, 0},
		"another restores a part": {nil, (*met).begin, app, 3, 2, false, 0},
		"another writes":          {(*met).begin, func(m *met, t *testing.T) { put(t, m.other, refB, "hush-x") }, app, 4, 2, false, 0},
		"both skip":               {nil, func(m *met, t *testing.T) { m.restore(t, m.other, m.all, skip) }, skip, 3, 0, true, 0},
		"both roll back":          {(*met).begin, func(m *met, t *testing.T) { m.restore(t, m.other, m.all, back) }, back, 2, 0, true, 0},
		"another deletes":         {(*met).begin, (*met).remove, app, 0, 0, false, secret.Trashed},
		"another purges": {(*met).begin, func(m *met, t *testing.T) {
			m.remove(t)
			if err := m.other.Purge(t.Context(), call, refB); err != nil {
				t.Error(err)
			}
		}, app, 3, 0, false, 0},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := newMet(t)
			if c.prepare != nil {
				c.prepare(m, t)
			}
			m.store.others = func() {
				m.store.others = nil
				c.others(m, t)
			}
			out, err := m.one.Restore(t.Context(), call, "b", m.all, gateway.RestoreOptions{OnConflict: c.how})
			if c.want != 0 {
				wantKind(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sec, err := m.one.Describe(t.Context(), call, refB)
			if err != nil {
				t.Fatal(err)
			}
			if len(sec.Versions) != c.versions || len(out.Secret.Versions) != c.versions || out.Added != c.added || out.Skipped != c.skipped {
				t.Errorf("%d versions stand, want %d; %d added, want %d; skipped %v", len(sec.Versions), c.versions, out.Added, c.added, out.Skipped)
			}
			if e := m.one.lines(t); len(e[len(e)-2].Versions) != c.added && c.added > 0 {
				t.Errorf("the audit names the versions %v", e[len(e)-2].Versions)
			}
		})
	}
}

// begin restores the first version at the other gateway.
func (m *met) begin(t *testing.T) { m.restore(t, m.other, m.first, "") }

func (m *met) remove(t *testing.T) {
	if _, err := m.other.Delete(t.Context(), call, refB); err != nil {
		t.Error(err)
	}
}

// TestAppendIsNotMadeTwice: what an append has added counts as written, also where others
// take the secret away before it is looked at. It makes no secret of that name anew.
func TestAppendIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	for what, purge := range map[string]bool{"deleted": false, "purged": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := newMet(t)
			m.begin(t)
			m.store.added = func() {
				m.store.added = nil
				m.remove(t)
				if !purge {
					return
				}
				if err := m.other.Purge(t.Context(), call, refB); err != nil {
					t.Error(err)
				}
			}
			_, err := m.one.Restore(t.Context(), call, "b", m.all, gateway.RestoreOptions{OnConflict: gateway.ConflictAppend})
			wantKind(t, err, secret.Partial)
			if e := m.one.last(t); e.Action != "restore" || e.Result != secret.Partial.Error() || len(e.Versions) != 2 {
				t.Errorf("audit: %+v", e)
			}
			if m.store.added != nil {
				t.Fatal("nobody looked at what was added")
			}
			if _, err := m.one.Describe(t.Context(), call, refB); !errors.Is(err, secret.NotFound) {
				t.Errorf("the secret that others took away is there again: %v", err)
			}
		})
	}
}

// TestRestoresMeetTooOften: an append that meets others each time is told to come
// again, and has added nothing.
func TestRestoresMeetTooOften(t *testing.T) {
	t.Parallel()
	m := newMet(t)
	m.begin(t)
	others := 0
	m.store.others = func() {
		others++
		if _, err := m.other.Update(t.Context(), call, refB, secret.Current, secret.Patch{ContentType: new("its")}); err != nil {
			t.Error(err)
		}
	}
	_, err := m.one.Restore(t.Context(), call, "b", m.all, gateway.RestoreOptions{OnConflict: gateway.ConflictAppend})
	wantKind(t, err, secret.Unavailable)
	m.store.others = nil
	if sec, err := m.one.Describe(t.Context(), call, refB); err != nil || len(sec.Versions) != 1 || others < 2 {
		t.Errorf("after %d others there is %v, %v", others, sec, err)
	}
}

// markless is a product that binds no write to a state.
type markless struct {
	backends.Backend
	putting func()
}

func (m *markless) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if m.putting != nil {
		m.putting()
	}
	return m.Backend.Put(ctx, name, d)
}

// TestAppendsQueue: over a product that binds no write to a state, an append waits until
// another one at its gateway is done, and then adds nothing twice.
func TestAppendsQueue(t *testing.T) {
	t.Parallel()
	store := &markless{Backend: memory.New(memory.Options{})}
	w := newWorld(t, func(o *gateway.Options) { o.Stores[1].Backend, o.MaxBlobs = store, 16 })
	put(t, w, refA, "hush-1")
	if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, w, refA, "hush-2", "hush-3")
	blob := backupOf(t, w, refA)
	hasty := call
	hasty.Timeout = 50 * time.Millisecond
	again := gateway.RestoreOptions{OnConflict: gateway.ConflictAppend}
	store.putting = func() {
		store.putting = nil
		_, err := w.Restore(t.Context(), hasty, "b", blob, again)
		wantKind(t, err, secret.Unavailable)
	}
	for _, added := range []int{2, 0} {
		if out, err := w.Restore(t.Context(), call, "b", blob, again); err != nil || out.Added != added || len(out.Secret.Versions) != 3 {
			t.Fatal(out, err)
		}
	}
}
