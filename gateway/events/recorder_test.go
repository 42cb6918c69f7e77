package events_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/secret"
)

// records are the store's in few words, newest first: "deleted s", "version-created s 2".
func records(t *testing.T, w *world) []string {
	t.Helper()
	all, err := w.events.Records(t.Context(), call, "a")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range all {
		s := fmt.Sprint(r.Type, " ", r.Secret)
		if r.Version != 0 {
			s += fmt.Sprint(" ", r.Version)
		}
		out = append(out, s)
	}
	return out
}

func wantRecords(t *testing.T, w *world, want ...string) {
	t.Helper()
	if got := records(t, w); !slices.Equal(got, want) {
		t.Errorf("records are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func putDraft(t *testing.T, w *world, r gateway.Ref, d secret.Draft) {
	t.Helper()
	if _, err := w.Put(t.Context(), call, r, d); err != nil {
		t.Fatal(err)
	}
}

// TestRecords: each happening of a secret that subscribes is recorded once.
func TestRecords(t *testing.T) {
	t.Parallel()
	w, c := newClocked(t)
	e := makeEvent(t, w, event("e"))
	putDraft(t, w, refA, subscribing("e"))
	c.advance(time.Second)
	if _, err := w.Append(t.Context(), call, refA, secret.Draft{Value: secret.TextValue("hush 2")}, nil); err != nil {
		t.Fatal(err)
	}
	put(t, w, gateway.Ref{Store: "a", Name: "other"}, "hush")
	wantRecords(t, w, "version-created n 2", "version-created n 1")
	all, err := w.events.Records(t.Context(), call, "a")
	if err != nil || all[0].Event != "e" || all[0].Target != e.Target || !all[0].Time.Equal(c.Now().Truncate(time.Millisecond)) {
		t.Errorf("%+v, %v", all, err)
	}
	c.advance(time.Second)
	if _, err := w.Delete(t.Context(), call, refA); err != nil {
		t.Fatal(err)
	}
	if err := w.Purge(t.Context(), call, refA); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, w, "deleted n", "version-created n 2", "version-created n 1")
	c.advance(time.Second)
	putDraft(t, w, refA, subscribing("e"))
	c.advance(time.Second)
	if err := w.Destroy(t.Context(), call, refA); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, w, "deleted n", "version-created n 1", "deleted n", "version-created n 2", "version-created n 1")
}

// TestRecordsOfAppend: a restore that adds versions makes them.
func TestRecordsOfAppend(t *testing.T) {
	t.Parallel()
	w, _ := newClocked(t)
	put(t, w, refB, "hush 1", "hush 2", "hush 3")
	blob := backupOf(t, w, refB)
	makeEvent(t, w, event("e", events.VersionCreated))
	putDraft(t, w, refA, subscribing("e"))
	if _, err := w.Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{OnConflict: gateway.ConflictAppend}); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, w, "version-created n 4", "version-created n 3", "version-created n 2", "version-created n 1")
}

// TestRecordsAreWhatTheEventWants: of its types, while it is enabled.
func TestRecordsAreWhatTheEventWants(t *testing.T) {
	t.Parallel()
	w, c := newClocked(t)
	makeEvent(t, w, event("e", events.SecretDeleted))
	putDraft(t, w, refA, subscribing("e"))
	wantRecords(t, w)
	set := func(on bool, types ...events.Type) {
		if _, err := w.events.Update(t.Context(), call, "a", "e", events.Patch{Enabled: &on, Types: types}); err != nil {
			t.Fatal(err)
		}
	}
	set(false, events.VersionCreated)
	put(t, w, refA, "hush")
	wantRecords(t, w)
	set(true)
	c.advance(time.Second)
	put(t, w, refA, "hush")
	wantRecords(t, w, "version-created n 3")
	if err := subscribe(t, w, refA); err != nil {
		t.Fatal(err)
	}
	put(t, w, refA, "hush")
	wantRecords(t, w, "version-created n 3")
}

// TestExpiries are found when the list is asked for, once, and before they are
// hidden by an edit or a deletion.
func TestExpiries(t *testing.T) {
	t.Parallel()
	w, c := newClocked(t)
	expiring := func(in time.Duration, names ...string) secret.Draft {
		d := subscribing(names...)
		d.Expires = c.Now().Add(in)
		return d
	}
	put(t, w, gateway.Ref{Store: "a", Name: "early"}, "hush")
	d := expiring(time.Minute)
	putDraft(t, w, gateway.Ref{Store: "a", Name: "early"}, d)
	c.advance(time.Hour)
	makeEvent(t, w, event("e", events.VersionExpired))
	if err := subscribe(t, w, gateway.Ref{Store: "a", Name: "early"}, "e"); err != nil {
		t.Fatal(err)
	}
	putDraft(t, w, refA, expiring(time.Minute, "e"))
	putDraft(t, w, refA, expiring(2*time.Minute, "e"))
	wantRecords(t, w)
	c.advance(90 * time.Second)
	wantRecords(t, w, "version-expired n 1")
	c.advance(time.Minute)
	wantRecords(t, w, "version-expired n 2", "version-expired n 1")

	later := c.Now().Add(time.Minute)
	if _, err := w.Update(t.Context(), call, refA, secret.ByOrdinal(2), secret.Patch{Expires: &later}); err != nil {
		t.Fatal(err)
	}
	c.advance(2 * time.Minute)
	never := time.Time{}
	if _, err := w.Edit(t.Context(), call, refA, func(*secret.Secret) (*gateway.Change, error) {
		return &gateway.Change{Of: secret.ByOrdinal(2), Patch: secret.Patch{Expires: &never}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, w, "version-expired n 2", "version-expired n 2", "version-expired n 1")

	putDraft(t, w, gateway.Ref{Store: "a", Name: "m"}, expiring(time.Second, "e"))
	c.advance(time.Minute)
	if _, err := w.Delete(t.Context(), call, gateway.Ref{Store: "a", Name: "m"}); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, w, "version-expired m 1", "version-expired n 2", "version-expired n 2", "version-expired n 1")
	c.advance(100 * 24 * time.Hour)
	wantRecords(t, w)
}

// TestExpiriesOfAReadOnlyStore are shown and not kept.
func TestExpiriesOfAReadOnlyStore(t *testing.T) {
	t.Parallel()
	w, c := newClocked(t)
	makeEvent(t, w, event("e", events.VersionExpired))
	d := subscribing("e")
	d.Expires = c.Now().Add(time.Second)
	putDraft(t, w, refA, d)
	c.advance(time.Minute)
	reader := newWorld(t, func(o *gateway.Options) {
		o.Now, o.Stores[0].ReadOnly, o.Stores[0].Backend = c.Now, true, w.a
	})
	w.a.Before = func(_ context.Context, method string) error {
		if method == "WriteState" {
			t.Error("a read-only store is written")
		}
		return nil
	}
	wantRecords(t, reader, "version-expired n 1")
}

// TestRecordsCostNothing where a secret subscribes to nothing.
func TestRecordsCostNothing(t *testing.T) {
	t.Parallel()
	w, _ := newClocked(t)
	makeEvent(t, w, event("e"))
	w.a.Before = func(_ context.Context, method string) error {
		if strings.Contains(method, "State") {
			t.Errorf("%s", method)
		}
		return nil
	}
	put(t, w, refA, "hush", "hush 2")
	if e := w.last(t); e.BackendOps != 1 {
		t.Errorf("a write takes %d calls", e.BackendOps)
	}
	if err := subscribe(t, w, refA); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Delete(t.Context(), call, refA); err != nil {
		t.Fatal(err)
	}
	if e := w.last(t); e.BackendOps != 1 {
		t.Errorf("a deletion takes %d calls", e.BackendOps)
	}
}

// TestRecordsCannotFail: what has been written has been written, whatever
// becomes of its record, and the client does not wait for ever.
func TestRecordsCannotFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, c := newClocked(t)
		makeEvent(t, w, event("e"))
		putDraft(t, w, refA, subscribing("e"))
		for _, kind := range []secret.Kind{secret.Unavailable, secret.Unknown, secret.Upstream, secret.Conflict} {
			for _, failing := range []string{"ReadState", "WriteState"} {
				w.a.Before = func(_ context.Context, method string) error {
					if method == failing {
						return &secret.Error{Kind: kind}
					}
					return nil
				}
				c.advance(time.Second)
				sec, err := w.Append(t.Context(), call, refA, secret.Draft{Value: secret.TextValue("hush")}, nil)
				if err != nil || sec.Newest() == nil {
					t.Errorf("%s fails with %q: %v", failing, kind, err)
				}
				if e := w.last(t); e.Result != "ok" || len(e.Versions) != 1 {
					t.Errorf("audited as %+v", e)
				}
			}
		}
		w.a.Before = func(ctx context.Context, method string) error {
			if method == "WriteState" { // a product that hangs
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		if _, err := w.Delete(t.Context(), call, refA); err != nil {
			t.Errorf("a record that hangs fails a deletion: %v", err)
		}
		w.a.Before = nil
		wantRecords(t, w, "version-created n 1")
	})
}

// TestRecordsOfWhoLeft: a client that goes once its write is done does not take
// the record with it.
func TestRecordsOfWhoLeft(t *testing.T) {
	t.Parallel()
	w, _ := newClocked(t)
	makeEvent(t, w, event("e"))
	ctx, leave := context.WithCancel(t.Context())
	w.a.After = func(_ context.Context, method string) error {
		if method == "Put" {
			leave()
		}
		return nil
	}
	if _, err := w.Put(ctx, call, refA, subscribing("e")); err != nil {
		t.Fatal(err)
	}
	w.a.After = nil
	wantRecords(t, w, "version-created n 1")
}

// TestRecordsOfRepeats: a write whose answer was lost is recorded when it is
// sent again, and once.
func TestRecordsOfRepeats(t *testing.T) {
	t.Parallel()
	w, _ := newClocked(t)
	makeEvent(t, w, event("e"))
	w.a.After = func(_ context.Context, method string) error {
		if method == "Put" {
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	_, err := w.Put(t.Context(), call, refA, subscribing("e"))
	wantKind(t, err, secret.Unknown)
	w.a.After = nil
	for range 2 {
		putDraft(t, w, refA, subscribing("e"))
	}
	wantRecords(t, w, "version-created n 1")
}

// TestRecordsAreSecretive: nobody reads of a name that he may not list.
func TestRecordsAreSecretive(t *testing.T) {
	t.Parallel()
	w, _ := newClocked(t, everything, access.Rule{Callers: []string{"few"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"open-*"}})
	makeEvent(t, w, event("e"))
	for _, name := range []secret.Name{"open-1", "closed", "open-2"} {
		putDraft(t, w, gateway.Ref{Store: "a", Name: name}, subscribing("e"))
	}
	few := call
	few.Caller.ID = "few"
	all, err := w.events.Records(t.Context(), few, "a")
	if err != nil || len(all) != 2 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for _, r := range all {
		if r.Secret == "closed" {
			t.Error("a record of a name that may not be listed")
		}
	}
}

// TestRecordsAreBounded: the newest stay, as many as a state record holds.
func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, c := newClocked(t)
		makeEvent(t, w, event("e"))
		name := secret.Name(strings.Repeat("n", 64))
		r := gateway.Ref{Store: "a", Name: name}
		putDraft(t, w, r, subscribing("e"))
		const writes = 300
		for range writes {
			c.advance(time.Second)
			put(t, w, r, "hush")
		}
		got := records(t, w)
		if len(got) < 80 || len(got) > writes {
			t.Errorf("%d records are kept", len(got))
		}
		for i, s := range got {
			if want := fmt.Sprintf("version-created %s %d", name, writes+1-i); s != want {
				t.Fatalf("record %d is %s, want %s", i, s, want)
			}
		}
	})
}
