package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// telling is a call of an API that shows what is in the trash.
var telling = func() gateway.Call { c := call; c.TellTrash = true; return c }()

// TestTellTrash: what is in the trash answers Trashed where the call asks to be
// told, until its time is over.
func TestTellTrash(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush")
	_, err := w.Recover(t.Context(), telling, refA)
	wantKind(t, err, secret.AlreadyExists)
	_, err = w.Get(t.Context(), telling, refA, secret.ByOrdinal(9))
	wantKind(t, err, secret.NotFound)
	remove(t, w, refA)
	ask := func(c gateway.Call) map[string]error {
		errs := map[string]error{}
		_, errs["get"] = w.Get(t.Context(), c, refA, secret.Current)
		_, errs["append"] = w.Append(t.Context(), c, refA, draft("hush2"), nil)
		_, errs["update"] = w.Update(t.Context(), c, refA, secret.Current, secret.Patch{})
		_, errs["delete"] = w.Delete(t.Context(), c, refA)
		_, errs["backup"] = w.Backup(t.Context(), c, refA)
		_, errs["edit"] = w.Edit(t.Context(), c, refA, func(*secret.Secret) (*gateway.Change, error) { return nil, nil })
		return errs
	}
	for what, kind := range map[*gateway.Call]secret.Kind{&call: secret.NotFound, &telling: secret.Trashed} {
		for op, err := range ask(*what) {
			if secret.KindOf(err) != kind {
				t.Errorf("%s: %v, want %s", op, err, kind)
			}
		}
	}
	sec, err := w.DescribeWithTrash(t.Context(), telling, refA, nil)
	if err != nil || sec.Deleted == nil || len(sec.Versions) != 1 {
		t.Errorf("look: %v", err)
	}
	stop := errors.New("seen")
	if _, err := w.DescribeWithTrash(t.Context(), telling, refA, func(*secret.Secret) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the check of a look does not count: %v", err)
	}
	c.advance(week)
	for op, err := range ask(telling) {
		if secret.KindOf(err) != secret.NotFound {
			t.Errorf("%s of what is over: %v", op, err)
		}
	}
	_, err = w.DescribeWithTrash(t.Context(), telling, refA, nil)
	wantKind(t, err, secret.NotFound)
	_, err = w.Recover(t.Context(), telling, refA)
	wantKind(t, err, secret.NotFound)
}

// TestListWithTrash: pages of any size together are what is live and what is in the
// trash, once each, in order, less what the caller may not list.
func TestListWithTrash(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, nil, access.Rule{Callers: []string{"c"}, Allow: []string{"*"}, Stores: []string{"a"}, Names: []string{"a*", "c*"}})
		want := map[secret.Name]bool{}
		for _, n := range rapid.SliceOfNDistinct(rapid.StringMatching(`[abc]{1,3}`), 0, 12, rapid.ID[string]).Draw(rt, "names") {
			name := secret.Name(n)
			if _, err := w.a.Backend.Put(t.Context(), name, draft("hush")); err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "deleted") {
				if _, err := w.a.Backend.Delete(t.Context(), name, time.Time{}); err != nil {
					rt.Fatal(err)
				}
			}
			want[name] = n[0] != 'b'
		}
		var got []secret.Name
		for q := (secret.Query{WithTrash: true, Limit: rapid.IntRange(1, 5).Draw(rt, "limit")}); ; {
			page, err := w.List(t.Context(), call, "a", q)
			if err != nil || len(page.Secrets) > q.Limit {
				rt.Fatalf("%d of at most %d, %v", len(page.Secrets), q.Limit, err)
			}
			for _, s := range page.Secrets {
				got = append(got, s.Name)
			}
			if q.After = page.Next; page.Next == "" {
				break
			}
		}
		var all []secret.Name
		for n, listed := range want {
			if listed {
				all = append(all, n)
			}
		}
		if slices.Sort(all); !slices.Equal(got, all) {
			rt.Fatalf("listed %v, want %v", got, all)
		}
	})
}

// TestSchedule: the caller's days count, but where the store protects.
func TestSchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		protect    bool
		days, want int
	}{{false, 30, 30}, {false, 8, 8}, {false, 0, 20}, {true, 8, 20}, {true, 30, 30}} {
		w, now := timed(t, func(o *gateway.Options) { o.Stores[0].RetentionDays, o.Stores[0].PurgeProtection = 20, c.protect })
		put(t, w, refA, "hush")
		sec, err := w.Schedule(t.Context(), call, refA, c.days)
		if err != nil || !sec.Deleted.Purge.Equal(now.Now().AddDate(0, 0, c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestDestroy(t *testing.T) {
	t.Parallel()
	w, _ := timed(t, nil)
	put(t, w, refA, "hush")
	before := len(w.lines(t))
	if err := w.Destroy(t.Context(), call, refA); err != nil {
		t.Fatal(err)
	}
	if got := actions(w.lines(t)[before:]); fmt.Sprint(got) != "[purge ok delete ok]" {
		t.Errorf("audit: %v", got)
	}
	wantKind(t, w.Destroy(t.Context(), call, refA), secret.NotFound)
	put(t, w, refA, "hush") // the name is free
	remove(t, w, refA)
	if err := w.Destroy(t.Context(), call, refA); err != nil {
		t.Errorf("of what is deleted already: %v", err)
	}
	_, err := w.DescribeTrash(t.Context(), call, refA)
	wantKind(t, err, secret.NotFound)
}

// TestDestroyNeedsBoth rights, and a store that does not protect; else nothing
// is deleted at all.
func TestDestroyNeedsBoth(t *testing.T) {
	t.Parallel()
	for _, allow := range [][]string{{"delete"}, {"purge"}, {"delete", "purge"}} {
		w, _ := timed(t, nil, access.Rule{Callers: []string{"c"}, Allow: allow, Stores: []string{"a"}, Names: []string{"*"}})
		if _, err := w.a.Backend.Put(t.Context(), "n", draft("hush")); err != nil {
			t.Fatal(err)
		}
		err := w.Destroy(t.Context(), call, refA)
		_, left := w.a.Backend.Describe(t.Context(), "n")
		if both := len(allow) == 2; both != (err == nil) || both != errors.Is(left, secret.NotFound) {
			t.Errorf("with %v: %v, and it is there: %v", allow, err, left == nil)
		}
	}
	w, _ := timed(t, func(o *gateway.Options) { o.Stores[0].PurgeProtection = true })
	put(t, w, refA, "hush")
	wantKind(t, w.Destroy(t.Context(), call, refA), secret.Denied)
	if _, err := w.Get(t.Context(), call, refA, secret.Current); err != nil {
		t.Errorf("a refused destruction deletes: %v", err)
	}
}

// TestDestroyHalfDone: the answer says what stands, and the same call again
// completes it.
func TestDestroyHalfDone(t *testing.T) {
	t.Parallel()
	w, _ := timed(t, nil)
	put(t, w, refA, "hush")
	w.a.Before = func(_ context.Context, method string) error {
		if method == "Purge" {
			return &secret.Error{Kind: secret.Unavailable}
		}
		return nil
	}
	err := w.Destroy(t.Context(), call, refA)
	wantKind(t, err, secret.Partial)
	if errors.Is(err, secret.Unavailable) {
		t.Error("half a destruction passes for none")
	}
	if _, err := w.DescribeTrash(t.Context(), call, refA); err != nil {
		t.Errorf("what stands: %v", err)
	}
	w.a.Before = nil
	if err := w.Destroy(t.Context(), call, refA); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestEditsTakeTurns: of many that each add a tag to what they read, none is
// lost.
func TestEditsTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush")
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			_, err := w.Edit(t.Context(), call, refA, func(have *secret.Secret) (*gateway.Change, error) {
				tags := map[string]string{fmt.Sprint(i): ""}
				for k, v := range have.Tags {
					tags[k] = v
				}
				return &gateway.Change{Patch: secret.Patch{SecretTags: &tags}}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sec, err := w.Describe(t.Context(), call, refA)
	if err != nil || len(sec.Tags) != 32 {
		t.Errorf("%d tags, %v", len(sec.Tags), err)
	}
	stop := secret.Errorf(secret.Invalid, "no")
	before := sec.Updated
	if _, err := w.Edit(t.Context(), call, refA, func(*secret.Secret) (*gateway.Change, error) { return nil, stop }); !errors.Is(err, stop) {
		t.Errorf("a plan's error: %v", err)
	}
	sec, err = w.Edit(t.Context(), call, refA, func(*secret.Secret) (*gateway.Change, error) { return nil, nil })
	if err != nil || !sec.Updated.Equal(before) {
		t.Errorf("a plan of nothing: %v", err)
	}
}

// TestWalkNames sees what is live and what is not, whoever may.
func TestWalkNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything, access.Rule{Callers: []string{"few"}, Allow: []string{"update"}, Stores: []string{"a"}, Names: []string{"n0"}})
	for i := range 3 {
		put(t, w, gateway.Ref{Store: "a", Name: secret.Name(fmt.Sprint("n", i))}, "hush")
	}
	remove(t, w, gateway.Ref{Store: "a", Name: "n1"})
	var all []secret.Name
	if err := w.WalkNames(t.Context(), call, "a", func(n secret.Name) { all = append(all, n) }); err != nil || !slices.Equal(all, []secret.Name{"n0", "n1", "n2"}) {
		t.Errorf("%v, %v", all, err)
	}
	wantKind(t, w.WalkNames(t.Context(), call, "none", func(secret.Name) {}), secret.NotFound)
	for name, want := range map[secret.Name]bool{"n0": true, "n1": false} {
		if w.MayName(access.Caller{ID: "few"}, access.Update, gateway.Ref{Store: "a", Name: name}) != want {
			t.Errorf("%s: allowed is not %v", name, want)
		}
	}
	if w.MayName(access.Caller{ID: "few"}, access.Get, gateway.Ref{Store: "a", Name: "n0"}) || w.MayName(call.Caller, access.Get, gateway.Ref{Store: "none", Name: "n0"}) {
		t.Error("another action or store is allowed")
	}
}

// TestAppendPrepares: what prepare makes of the draft is written, and of no
// other.
func TestAppendPrepares(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush")
	d := draft("hush2")
	made, err := w.Append(t.Context(), call, refA, d, func(have *secret.Secret, d *secret.Draft) error {
		d.Stages = []string{fmt.Sprint("after-", have.Newest().Ordinal)}
		return nil
	})
	if err != nil || !slices.Equal(made.Newest().Stages, []string{"after-1"}) || d.Stages != nil {
		t.Errorf("%v, or the stages differ", err)
	}
}
