package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// shared is a store that says gateways may know each other by it. Closing it is
// nothing to the gateways that go on.
type shared struct{ *memory.Store }

func (s shared) Capabilities() backends.Capabilities {
	c := s.Store.Capabilities()
	c.Fleet = true
	return c
}

func (shared) Close() error { return nil }

var fleetBegan = time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)

// member is a gateway over the stores, whose clock is wrong by off.
func member(t *testing.T, name string, off time.Duration, stores ...gateway.Store) (*world, *clock) {
	t.Helper()
	c := &clock{now: fleetBegan.Add(off)}
	return newWorld(t, func(o *gateway.Options) {
		o.Now, o.Stores = c.Now, stores
		o.Self = gateway.Member{ID: "log-of-" + name, Name: name, Version: "v0.1.0", Began: c.Now()}
	}), c
}

func meet(t *testing.T, w *world, store string) {
	t.Helper()
	if err := w.Meet(t.Context(), store); err != nil {
		t.Error(err)
	}
}

// wantFleet compares names, with a mark of those that are silent.
func wantFleet(t *testing.T, w *world, want string) {
	t.Helper()
	var have []string
	for i, m := range w.Fleet() {
		name := m.Name + " " + strings.Join(m.Stores, "+")
		if m.Silent {
			name += " silent"
		}
		if m.This != (i == 0) {
			t.Errorf("%s: this is %v", name, m.This)
		}
		have = append(have, name)
	}
	if got := strings.Join(have, ", "); got != want {
		t.Errorf("the fleet is %q, want %q", got, want)
	}
}

// TestFleetKnowsItself: gateways over one store hear of each other. One that stops
// without a word is silent after a minute, and forgotten after a day; one that is
// closed leaves. It does not matter how wrong their clocks are.
func TestFleetKnowsItself(t *testing.T) {
	t.Parallel()
	both := shared{memory.New(memory.Options{})}
	other := shared{memory.New(memory.Options{})}
	a, aClock := member(t, "a", 0, gateway.Store{Name: "pay", Kind: "memory", Backend: both}, gateway.Store{Name: "own", Kind: "memory", Backend: memory.New(memory.Options{})})
	b, bClock := member(t, "b", 3*time.Hour, gateway.Store{Name: "pay", Kind: "memory", Backend: both}, gateway.Store{Name: "too", Kind: "memory", Backend: other})
	c, cClock := member(t, "c", -3*time.Hour, gateway.Store{Name: "pay", Kind: "memory", Backend: both}, gateway.Store{Name: "too", Kind: "memory", Backend: other})
	pass := func(d time.Duration) {
		for _, each := range []*clock{aClock, bClock, cClock} {
			each.advance(d)
		}
	}
	wantFleet(t, a, "a ")
	for range 2 { // whoever comes first hears of the others the next time
		for _, w := range []*world{a, b, c} {
			meet(t, w, "pay")
		}
		pass(15 * time.Second)
	}
	meet(t, b, "too")
	meet(t, c, "too")
	meet(t, b, "too")
	meet(t, b, "pay") // of c, whose clock is late, it knows now that it tells anew
	meet(t, a, "pay")
	wantFleet(t, a, "a pay, b pay, c pay")
	wantFleet(t, b, "b pay+too, a pay, c pay+too")
	for range 5 { // c is killed
		pass(15 * time.Second)
		meet(t, a, "pay")
		meet(t, b, "pay")
		meet(t, a, "pay")
	}
	wantFleet(t, a, "a pay, b pay, c pay silent")
	if seen := a.Fleet()[2].Seen; !seen.Equal(fleetBegan.Add(30 * time.Second)) {
		t.Errorf("c was last heard at %s", seen)
	}
	pass(time.Second)
	meet(t, c, "pay") // and comes back
	meet(t, a, "pay")
	wantFleet(t, a, "a pay, b pay, c pay")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	meet(t, a, "pay")
	wantFleet(t, a, "a pay, c pay")
	pass(25 * time.Hour)
	meet(t, a, "pay")
	wantFleet(t, a, "a pay")
	if err := a.Meet(t.Context(), "nowhere"); !errors.Is(err, secret.Unsupported) {
		t.Error(err)
	}
}

// TestFleetNames: a gateway that was killed and comes back with another audit takes its
// old place. Two of one name that ran at one time are two, also when one is killed.
func TestFleetNames(t *testing.T) {
	t.Parallel()
	store := gateway.Store{Name: "pay", Kind: "memory", Backend: shared{memory.New(memory.Options{})}}
	var clocks []*clock
	pass := func(d time.Duration) {
		for _, c := range clocks {
			c.advance(d)
		}
	}
	began := fleetBegan
	start := func(id, name string) *world {
		pass(time.Second)
		began = began.Add(time.Second)
		c := &clock{now: began}
		clocks = append(clocks, c)
		return newWorld(t, func(o *gateway.Options) {
			o.Now, o.Stores = c.Now, []gateway.Store{store}
			o.Self = gateway.Member{ID: id, Name: name, Began: began}
		})
	}
	live := func(d time.Duration, all ...*world) {
		for range d / (15 * time.Second) {
			pass(15 * time.Second)
			began = began.Add(15 * time.Second)
			for _, w := range all {
				meet(t, w, "pay")
			}
		}
	}
	a := start("1", "a")
	first := start("2", "b")
	unnamed := start("3", "")
	live(time.Minute, a, first, unnamed)
	wantFleet(t, a, "a pay,  pay, b pay")
	second := start("4", "b") // the first was killed
	alsoUnnamed := start("5", "")
	live(time.Minute, a, second, alsoUnnamed)
	wantFleet(t, a, "a pay,  pay,  pay, b pay, b pay") // it may live, and be cut off
	live(time.Minute, a, second, alsoUnnamed)
	wantFleet(t, a, "a pay,  pay silent,  pay, b pay")
	wantFleet(t, second, "b pay,  pay silent,  pay, a pay")
	live(15*time.Second, first, a, second) // it did
	wantFleet(t, a, "a pay,  pay silent,  pay, b pay, b pay")
	live(2*time.Minute, a, second)
	wantFleet(t, a, "a pay,  pay silent,  pay silent, b pay silent, b pay")
	live(2*time.Minute, a)
	wantFleet(t, a, "a pay,  pay silent,  pay silent, b pay silent, b pay silent")
	third := start("6", "b")
	live(2*time.Minute, a, third)
	wantFleet(t, a, "a pay,  pay silent,  pay silent, b pay")
}

// TestFleetRecord: what stands in the record of other releases stays, a record of
// another form is left alone, and a gateway whose store is read-only writes nothing.
func TestFleetRecord(t *testing.T) {
	t.Parallel()
	const key = "gateways"
	store := shared{memory.New(memory.Options{})}
	later := `{"id":"z","name":"later","version":"v9","began":"2027-01-31T12:00:00Z","seen":"2027-01-31T12:00:00Z","mood":"good"}`
	write := func(text string) {
		t.Helper()
		_, revision, _ := store.ReadState(t.Context(), key)
		if err := store.WriteState(t.Context(), key, []byte(text), revision); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		t.Helper()
		text, _, err := store.ReadState(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write(`{"version":1,"gateways":[` + later + `,{"id":"","seen":"2027-01-31T12:00:00Z"},7]}`)
	reader, _ := member(t, "reader", 0, gateway.Store{Name: "pay", Kind: "memory", Backend: store, ReadOnly: true})
	meet(t, reader, "pay")
	wantFleet(t, reader, "reader pay, later pay")
	a, _ := member(t, "a", 0, gateway.Store{Name: "pay", Kind: "memory", Backend: store})
	meet(t, a, "pay")
	if text := read(); !strings.Contains(text, `"mood":"good"`) || !strings.Contains(text, `"name":"a"`) || strings.Contains(text, "reader") {
		t.Errorf("the record is %s", text)
	}
	for _, another := range []string{`{"version":2,"gateways":[]}`, `{"version":2,"gateways":"elsewhere"}`, `{"version":1,"gateways":"elsewhere"}`} {
		write(another)
		if err := a.Meet(t.Context(), "pay"); !errors.Is(err, secret.Internal) || read() != another {
			t.Errorf("a record of another form: %v, %s", err, read())
		}
	}
	many := make([]json.RawMessage, 200)
	for i := range many { // of gateways whose audits begin anew each time
		many[i] = fmt.Appendf(nil, `{"id":"%d","name":"%s","seen":"2027-01-31T12:00:00Z"}`, i, strings.Repeat("x", 30))
	}
	text, err := json.Marshal(map[string]any{"version": 1, "gateways": many})
	if err != nil || len(text) > backends.MaxState {
		t.Fatal(err, len(text))
	}
	write(string(text))
	meet(t, a, "pay")
	if text := read(); len(text) > backends.MaxState {
		t.Error(len(text))
	}
	var r struct{ Gateways []gateway.Member }
	if err := json.Unmarshal([]byte(read()), &r); err != nil || len(r.Gateways) != 64 || r.Gateways[63].Name != "a" {
		t.Errorf("%d stand in it, %v", len(r.Gateways), err)
	}
}

// TestFleetRecordHasRoom: a record that others have filled has room for one more.
func TestFleetRecordHasRoom(t *testing.T) {
	t.Parallel()
	store := shared{memory.New(memory.Options{})}
	all := make([]json.RawMessage, 40)
	for i := range all {
		all[i] = fmt.Appendf(nil, `{"id":"%02d","seen":"2027-01-31T12:00:00Z","name":"%s"}`, i, strings.Repeat("x", 458))
	}
	text, err := json.Marshal(map[string]any{"version": 1, "gateways": all})
	if free := backends.MaxState - len(text); err != nil || free < 0 || free > 100 {
		t.Fatal(err, free)
	}
	if err := store.WriteState(t.Context(), "gateways", text, ""); err != nil {
		t.Fatal(err)
	}
	a, _ := member(t, "a", 0, gateway.Store{Name: "pay", Kind: "memory", Backend: store})
	meet(t, a, "pay")
	if text, _, err = store.ReadState(t.Context(), "gateways"); err != nil || len(text) > backends.MaxState || !strings.Contains(string(text), `"name":"a"`) {
		t.Errorf("the record has %d bytes, %v", len(text), err)
	}
}

// TestFleetDoesNotTrustClocks: of a gateway whose clock is ahead this one knows no later
// word than its own first look.
func TestFleetDoesNotTrustClocks(t *testing.T) {
	t.Parallel()
	store := shared{memory.New(memory.Options{})}
	ahead, _ := member(t, "ahead", 48*time.Hour, gateway.Store{Name: "pay", Kind: "memory", Backend: store})
	meet(t, ahead, "pay") // and is killed
	a, c := member(t, "a", 0, gateway.Store{Name: "pay", Kind: "memory", Backend: store})
	meet(t, a, "pay")
	wantFleet(t, a, "a pay, ahead pay")
	c.advance(61 * time.Second)
	meet(t, a, "pay")
	wantFleet(t, a, "a pay, ahead pay silent")
}

// contended lets others write between the read and the write of a meeting.
type contended struct {
	shared
	between func()
}

func (s contended) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	s.between()
	return s.shared.WriteState(ctx, key, text, revision)
}

// TestFleetMeetsAtOnce: gateways that write at the same moment all stand.
func TestFleetMeetsAtOnce(t *testing.T) {
	t.Parallel()
	store := shared{memory.New(memory.Options{})}
	b, _ := member(t, "b", 0, gateway.Store{Name: "pay", Kind: "memory", Backend: store})
	times := 0
	between := func() {
		if times++; times <= 3 {
			meet(t, b, "pay")
		}
	}
	a, _ := member(t, "a", 0, gateway.Store{Name: "pay", Kind: "memory", Backend: contended{store, between}})
	meet(t, a, "pay")
	meet(t, b, "pay")
	wantFleet(t, a, "a pay, b pay")
	wantFleet(t, b, "b pay, a pay")
	times = -100
	if err := a.Meet(t.Context(), "pay"); !errors.Is(err, secret.Conflict) {
		t.Errorf("others write all the time: %v", err)
	}
	times = 100 // they rest when the gateways leave
}

// TestMeetGateways: gateways tell each other at their pace, without anybody asking.
func TestMeetGateways(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := shared{memory.New(memory.Options{})}
		var all []*world
		for _, name := range []string{"a", "b"} {
			all = append(all, newWorld(t, func(o *gateway.Options) {
				o.Stores = []gateway.Store{{Name: "pay", Kind: "memory", Backend: store}}
				o.Self = gateway.Member{ID: name, Name: name}
			}))
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		died, die := context.WithCancel(ctx)
		defer die()
		for i, during := range []context.Context{ctx, died} {
			go gateway.MeetGateways(during, func() *gateway.Service { return all[i].Service }, slog.New(slog.DiscardHandler))
			synctest.Wait()
		}
		wantFleet(t, all[1], "b pay, a pay")
		<-time.After(16 * time.Second)
		synctest.Wait()
		wantFleet(t, all[0], "a pay, b pay")
		die()
		<-time.After(80 * time.Second)
		synctest.Wait()
		wantFleet(t, all[0], "a pay, b pay silent")
		stop()
		synctest.Wait()
	})
}
