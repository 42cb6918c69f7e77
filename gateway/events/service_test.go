package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/secret"
)

func event(name string, types ...events.Type) events.Event {
	if len(types) == 0 {
		types = events.Types()
	}
	return events.Event{Name: name, Types: types, Enabled: true, Target: events.Target{Type: "SMN", ID: "urn:" + name, Name: "topic"}}
}

func makeEvent(t *testing.T, w *world, e events.Event) *events.Event {
	t.Helper()
	made, err := w.events.Create(t.Context(), call, "a", e)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// subscribing is a draft of a new secret that subscribes.
func subscribing(names ...string) secret.Draft {
	raw, err := json.Marshal(names)
	if err != nil {
		panic(err)
	}
	return secret.Draft{Value: secret.TextValue("hush"), OfSecret: &secret.Attributes{Extra: secret.Extra{events.ExtraSubscriptions: raw}}}
}

func eventNames(t *testing.T, w *world) (names []string) {
	t.Helper()
	all, err := w.events.List(t.Context(), call, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name)
	}
	return names
}

func TestEventLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	made := makeEvent(t, w, event("b", events.VersionCreated))
	if len(made.ID) != 36 || made.Created.IsZero() || !made.Updated.Equal(made.Created) {
		t.Errorf("made %+v", made)
	}
	makeEvent(t, w, event("a"))
	if got := eventNames(t, w); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("events are %q", got)
	}
	_, err := w.events.Create(t.Context(), call, "a", event("b"))
	wantKind(t, err, secret.AlreadyExists)
	off, types := false, []events.Type{events.SecretDeleted, events.VersionExpired}
	if _, err := w.events.Update(t.Context(), call, "a", "b", events.Patch{Types: types, Enabled: &off}); err != nil {
		t.Fatal(err)
	}
	got, err := w.events.Get(t.Context(), call, "a", "b")
	if err != nil || got.Enabled || !slices.Equal(got.Types, types) || got.Target != made.Target || got.ID != made.ID || !got.Created.Equal(made.Created) {
		t.Errorf("updated to %+v, %v", got, err)
	}
	if err := w.events.Delete(t.Context(), call, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if e := w.last(t); e.Event != "b" || e.Action != "update" || e.Name != "" || e.BackendOps == 0 {
		t.Errorf("audited as %+v", e)
	}
	_, err = w.events.Get(t.Context(), call, "a", "b")
	wantKind(t, err, secret.NotFound)
	_, err = w.events.Update(t.Context(), call, "a", "b", events.Patch{})
	wantKind(t, err, secret.NotFound)
	wantKind(t, w.events.Delete(t.Context(), call, "a", "b"), secret.NotFound)
	if got, err := w.events.List(t.Context(), call, "b"); err != nil || len(got) != 0 {
		t.Errorf("another store has %d events, %v", len(got), err)
	}
}

func TestEventRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, spoil := range map[string]func(*events.Event){
		"no name":        func(e *events.Event) { e.Name = "" },
		"a long name":    func(e *events.Event) { e.Name = strings.Repeat("n", 513) },
		"no types":       func(e *events.Event) { e.Types = nil },
		"a type twice":   func(e *events.Event) { e.Types = []events.Type{events.SecretDeleted, events.SecretDeleted} },
		"a strange type": func(e *events.Event) { e.Types = []events.Type{"made"} },
		"no target":      func(e *events.Event) { e.Target.ID = "" },
		"no UTF-8":       func(e *events.Event) { e.Target.Name = "\xff" },
	} {
		e := event("e")
		spoil(&e)
		if _, err := w.events.Create(t.Context(), call, "a", e); !errors.Is(err, secret.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := eventNames(t, w); len(got) > 0 {
		t.Errorf("refused events are there: %q", got)
	}
}

// TestEventQuota: no more than the vendor allows, and no more than a state record holds.
func TestEventQuota(t *testing.T) {
	t.Parallel()
	for _, length := range []int{4, 512} {
		w := newWorld(t, nil)
		n, err := 0, error(nil)
		for ; err == nil && n < 100; n++ {
			e := event(fmt.Sprint("e", n))
			e.Target.ID, e.Target.Name = strings.Repeat("i", length), strings.Repeat(`"`, length)
			_, err = w.events.Create(t.Context(), call, "a", e)
		}
		wantKind(t, err, secret.TooLarge)
		if n--; length == 4 && n != events.MaxEvents || n < 5 || len(eventNames(t, w)) != n {
			t.Errorf("%d events of length %d", n, length)
		}
		if err := w.events.Delete(t.Context(), call, "a", "e0"); err != nil {
			t.Errorf("a full store cannot lose an event: %v", err)
		}
	}
}

// TestEventPolicy: reading takes list, changing update, both of the event's name;
// a read-only store takes no change.
func TestEventPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *gateway.Options) { o.Stores[1].ReadOnly = true },
		access.Rule{Callers: []string{"c"}, Allow: []string{"update", "list"}, Stores: []string{"*"}, Names: []string{"x", "e", "f"}},
		access.Rule{Callers: []string{"reader"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"x", "e"}},
		access.Rule{Callers: []string{"writer"}, Allow: []string{"set", "update"}, Stores: []string{"a"}, Names: []string{"x", "e"}})
	makeEvent(t, w, event("e"))
	reader, writer := call, call
	reader.Caller.ID, writer.Caller.ID = "reader", "writer"
	if _, err := w.events.Get(t.Context(), reader, "a", "e"); err != nil {
		t.Error(err)
	}
	_, err := w.events.Create(t.Context(), reader, "a", event("f"))
	wantKind(t, err, secret.Denied)
	_, err = w.events.Update(t.Context(), reader, "a", "e", events.Patch{})
	wantKind(t, err, secret.Denied)
	wantKind(t, w.events.Delete(t.Context(), reader, "a", "e"), secret.Denied)
	_, err = w.events.List(t.Context(), writer, "a")
	wantKind(t, err, secret.Denied)
	_, err = w.events.Get(t.Context(), writer, "a", "e")
	wantKind(t, err, secret.Denied)
	_, err = w.events.Records(t.Context(), writer, "a")
	wantKind(t, err, secret.Denied)
	_, err = w.events.Create(t.Context(), call, "b", event("f"))
	wantKind(t, err, secret.Denied)
	// Whoever may set may subscribe, without a right to list.
	if _, err := w.Put(t.Context(), writer, gateway.Ref{Store: "a", Name: "x"}, subscribing("e")); err != nil {
		t.Error(err)
	}
}

// TestEventsOfOthers: who may change some secrets of a store neither sees nor
// changes an event whose name is not theirs, nor learns whether there is one.
func TestEventsOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything,
		access.Rule{Callers: []string{"app"}, Allow: []string{"*"}, Stores: []string{"a"}, Names: []string{"app-*"}})
	makeEvent(t, w, event("ops-alerts"))
	app := call
	app.Caller.ID = "app"
	if _, err := w.events.Create(t.Context(), app, "a", event("app-alerts")); err != nil {
		t.Fatal(err)
	}
	off := false
	for _, name := range []string{"ops-alerts", "absent"} {
		_, err := w.events.Update(t.Context(), app, "a", name, events.Patch{Enabled: &off})
		wantKind(t, err, secret.Denied)
		_, err = w.events.Get(t.Context(), app, "a", name)
		wantKind(t, err, secret.Denied)
		wantKind(t, w.events.Delete(t.Context(), app, "a", name), secret.Denied)
		_, err = w.events.Create(t.Context(), app, "a", event(name))
		wantKind(t, err, secret.Denied)
		if e := w.last(t); e.Event != name || e.Result != "denied" || e.BackendOps != 0 {
			t.Errorf("audited as %+v", e)
		}
	}
	if got, err := w.events.List(t.Context(), app, "a"); err != nil || len(got) != 1 || got[0].Name != "app-alerts" {
		t.Errorf("app lists %d events, %v", len(got), err)
	}
	if got, err := w.events.Get(t.Context(), call, "a", "ops-alerts"); err != nil || !got.Enabled {
		t.Errorf("the event of others is off, or gone: %v", err)
	}
	if _, err := w.events.Update(t.Context(), app, "a", "app-alerts", events.Patch{Enabled: &off}); err != nil {
		t.Error(err)
	}
}

// TestEventSubscribed: an event that does not exist cannot be subscribed to,
// and one that is subscribed to cannot be deleted, even from the trash.
func TestEventSubscribed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for what, err := range map[string]func() error{
		"Put":    func() error { _, err := w.Put(t.Context(), call, refA, subscribing("e")); return err },
		"Update": func() error { return subscribe(t, w, refA, "e") },
		"Edit": func() error {
			_, err := w.Edit(t.Context(), call, refA, func(*secret.Secret) (*gateway.Change, error) {
				return &gateway.Change{Patch: secret.Patch{Extra: subscribing("e").OfSecret.Extra}}, nil
			})
			return err
		},
	} {
		if what != "Put" {
			put(t, w, refA, "hush")
		}
		if err := err(); !errors.Is(err, secret.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	makeEvent(t, w, event("e"))
	if err := subscribe(t, w, refA, "e"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, w.events.Delete(t.Context(), call, "a", "e"), secret.Conflict)
	if _, err := w.Delete(t.Context(), call, refA); err != nil {
		t.Fatal(err)
	}
	wantKind(t, w.events.Delete(t.Context(), call, "a", "e"), secret.Conflict)
	if got := eventNames(t, w); len(got) != 1 {
		t.Errorf("events are %q", got)
	}
	if err := w.Purge(t.Context(), call, refA); err != nil {
		t.Fatal(err)
	}
	if err := w.events.Delete(t.Context(), call, "a", "e"); err != nil {
		t.Error(err)
	}
}

func subscribe(t *testing.T, w *world, r gateway.Ref, names ...string) error {
	t.Helper()
	_, err := w.Update(t.Context(), call, r, secret.Current, secret.Patch{Extra: subscribing(names...).OfSecret.Extra})
	return err
}

// TestEventsTogether: gateways over one product lose none of each other's.
func TestEventsTogether(t *testing.T) {
	t.Parallel()
	shared := memory.New(memory.Options{})
	var worlds []*world
	for range 3 {
		worlds = append(worlds, newWorld(t, func(o *gateway.Options) { o.Stores[0].Backend = shared }))
	}
	var wg sync.WaitGroup
	for i := range events.MaxEvents {
		wg.Go(func() {
			for {
				_, err := worlds[i%3].events.Create(t.Context(), call, "a", event(fmt.Sprint("e", i)))
				if errors.Is(err, secret.Conflict) { // others came first eight times
					continue
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	for _, w := range worlds {
		if got := eventNames(t, w); len(got) != events.MaxEvents {
			t.Errorf("%d events", len(got))
		}
	}
}

// TestEventRepeated: a client that was not told how its call ended sends it
// again and gets what it asked for.
func TestEventRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	lose := func(_ context.Context, method string) error {
		if method == "WriteState" {
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	w.a.After = lose
	_, err := w.events.Create(t.Context(), call, "a", event("e"))
	wantKind(t, err, secret.Unknown)
	w.a.After = nil
	makeEvent(t, w, event("e"))
	_, err = w.events.Create(t.Context(), call, "a", event("e")) // that was the repeat
	wantKind(t, err, secret.AlreadyExists)
	w.a.After = lose
	wantKind(t, w.events.Delete(t.Context(), call, "a", "e"), secret.Unknown)
	w.a.After = nil
	if err := w.events.Delete(t.Context(), call, "a", "e"); err != nil {
		t.Error(err)
	}
	wantKind(t, w.events.Delete(t.Context(), call, "a", "e"), secret.NotFound)
}

// TestForeignState: what this release did not write is not taken for events.
func TestForeignState(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`[]`, `{}`, `{"v":2,"events":[]}`, `{"v":1,"events":{}}`} {
		w := newWorld(t, nil)
		if err := w.a.WriteState(t.Context(), "events", []byte(text), ""); err != nil {
			t.Fatal(err)
		}
		_, err := w.events.List(t.Context(), call, "a")
		wantKind(t, err, secret.Internal)
		_, err = w.events.Create(t.Context(), call, "a", event("e"))
		wantKind(t, err, secret.Internal)
		if got, _, err := w.a.ReadState(t.Context(), "events"); err != nil || string(got) != text {
			t.Errorf("the state record has changed: %v", err)
		}
	}
}
