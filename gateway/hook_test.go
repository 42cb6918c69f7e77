package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// watcher writes down what an observer sees: "put n 1".
type watcher struct {
	t       *testing.T
	seen    []string
	intents []hook.Intent
	refuse  error
}

func (w *watcher) Before(_ context.Context, _ hook.Job, i hook.Intent) error {
	w.intents = append(w.intents, i)
	return w.refuse
}

func (w *watcher) Restoring(_ context.Context, _ hook.Job, s *secret.Secret) ([]secret.Loss, error) {
	if !s.Versions[0].Value.IsNone() {
		w.t.Error("an observer sees a value")
	}
	return nil, nil
}

func (w *watcher) After(_ context.Context, j hook.Job, op hook.Op, s *secret.Secret) {
	words := []string{string(op), j.Store(), string(s.Name)}
	for i := range s.Versions {
		words = append(words, fmt.Sprint(s.Versions[i].Ordinal))
		if !s.Versions[i].Value.IsNone() {
			w.t.Error("an observer sees a value")
		}
	}
	w.seen = append(w.seen, strings.Join(words, " "))
}

func (w *watcher) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(w.seen, want) {
		t.Errorf("observed\n%s\nwant\n%s", strings.Join(w.seen, "\n"), strings.Join(want, "\n"))
	}
	w.seen = nil
}

// watched is a world whose writes are observed.
func watched(t *testing.T) (*world, *watcher, *clock) {
	t.Helper()
	seen := &watcher{t: t}
	w, c := timed(t, func(o *gateway.Options) { o.Writes = seen })
	return w, seen, c
}

// TestEachWriteIsObserved once, and no read.
func TestEachWriteIsObserved(t *testing.T) {
	t.Parallel()
	w, seen, c := watched(t)
	must := func(_ *secret.Secret, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, w, refA, "hush 1", "hush 2")
	must(w.Append(t.Context(), call, refA, draft("hush 3"), nil))
	seen.want(t, "put a n 1", "put a n 2", "put a n 3")
	must(w.Update(t.Context(), call, refA, secret.ByOrdinal(2), secret.Patch{Disabled: ptr(true)}))
	must(w.Edit(t.Context(), call, refA, func(*secret.Secret) (*gateway.Change, error) {
		return &gateway.Change{Of: secret.Current, Patch: secret.Patch{Description: ptr("d")}}, nil
	}))
	must(w.Edit(t.Context(), call, refA, func(*secret.Secret) (*gateway.Change, error) { return nil, nil }))
	seen.want(t, "update a n 2", "update a n 3")
	must(w.Get(t.Context(), call, refA, secret.Current))
	must(w.Describe(t.Context(), call, refA))
	blob := backupOf(t, w, refA)
	must(w.Delete(t.Context(), call, refA))
	must(w.Recover(t.Context(), call, refA))
	must(w.Delete(t.Context(), call, refA))
	seen.want(t, "delete a n 1 2 3", "recover a n 1 2 3", "delete a n 1 2 3")
	must(nil, w.Purge(t.Context(), call, refA))
	restore := func(o gateway.RestoreOptions) {
		t.Helper()
		if _, err := w.Restore(t.Context(), call, "a", blob, o); err != nil {
			t.Fatal(err)
		}
	}
	restore(gateway.RestoreOptions{DryRun: true})
	seen.want(t, "purge a n 1 2 3")
	restore(gateway.RestoreOptions{})
	must(nil, w.Destroy(t.Context(), call, refA))
	seen.want(t, "restore a n 1 2 3", "delete a n 1 2 3", "purge a n 1 2 3")
	put(t, w, refA, "hush 3")
	restore(gateway.RestoreOptions{OnConflict: gateway.ConflictAppend})
	seen.want(t, "put a n 1", "append a n 2 3")
	remove(t, w, refA)
	c.advance(100 * 24 * time.Hour)
	put(t, w, refA, "hush")
	seen.want(t, "delete a n 1 2 3", "purge a n 1 2 3", "put a n 1")
	remove(t, w, refA)
	c.advance(100 * 24 * time.Hour)
	if _, err := w.Sweep(t.Context(), call, "a", false); err != nil {
		t.Fatal(err)
	}
	seen.want(t, "delete a n 1", "purge a n 1")
}

// TestObserverRefuses: its error stops the write before the product hears of
// it, and is the audit's result.
func TestObserverRefuses(t *testing.T) {
	t.Parallel()
	w, seen, _ := watched(t)
	put(t, w, refA, "hush")
	seen.want(t, "put a n 1")
	seen.refuse = secret.Errorf(secret.Invalid, "no")
	seen.intents = nil
	_, err := w.Put(t.Context(), call, refA, draft("hush 2"))
	wantKind(t, err, secret.Invalid)
	if e := w.last(t); e.Result != "invalid" || e.BackendOps != 0 {
		t.Errorf("audited as %+v", e)
	}
	_, err = w.Update(t.Context(), call, refA, secret.Current, secret.Patch{Disabled: ptr(true)})
	wantKind(t, err, secret.Invalid)
	_, err = w.Edit(t.Context(), call, refA, func(*secret.Secret) (*gateway.Change, error) {
		return &gateway.Change{Of: secret.Current, Patch: secret.Patch{Disabled: ptr(true)}}, nil
	})
	wantKind(t, err, secret.Invalid)
	seen.want(t)
	if len(seen.intents) != 3 || seen.intents[0].Patch != nil || seen.intents[1].Patch == nil || seen.intents[2].Secret == nil {
		t.Errorf("asked with %+v", seen.intents)
	}
	sec, err := w.Describe(t.Context(), call, refA)
	if err != nil || len(sec.Versions) != 1 || sec.Versions[0].Disabled {
		t.Errorf("a refused write was made: %v", err)
	}
}

// TestDoIsAuthorised: what runs beside the core passes the policy and the
// audit, and a read-only store takes no state from it.
func TestDoIsAuthorised(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *gateway.Options) { o.Stores[1].ReadOnly = true },
		access.Rule{Callers: []string{"c"}, Allow: []string{"list"}, Stores: []string{"*"}, Names: []string{"n"}})
	ran := func(context.Context, hook.Job) (struct{}, error) {
		t.Error("it runs")
		return struct{}{}, nil
	}
	_, err := gateway.Do(t.Context(), w.Service, call, access.Update, gateway.Ref{Store: "a"}, ran)
	wantKind(t, err, secret.Denied)
	if e := w.last(t); e.Result != "denied" || e.Action != "update" {
		t.Errorf("audited as %+v", e)
	}
	_, err = gateway.Do(t.Context(), w.Service, call, access.List, gateway.Ref{Store: "none"}, ran)
	wantKind(t, err, secret.NotFound)
	_, err = gateway.Do(t.Context(), w.Service, call, access.List, gateway.Ref{Store: "b"}, func(ctx context.Context, j hook.Job) (struct{}, error) {
		if !j.Allowed("n") || j.Allowed("m") || !j.ReadOnly() {
			t.Error("the job takes its caller for another")
		}
		return struct{}{}, j.WriteState(ctx, "k", []byte(`{}`), "")
	})
	wantKind(t, err, secret.Denied)
}
