package backendtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// stateBackend is a backend with the optional part that this file is about.
type stateBackend interface {
	backends.Backend
	backends.StateStore
}

// withState skips the test where the backend has no such part.
func withState(t *testing.T, b backends.Backend) stateBackend {
	t.Helper()
	s, ok := b.(stateBackend)
	if !ok {
		t.Skip("the store keeps no records of the gateway")
	}
	return s
}

func beginState(t *testing.T, h Harness) (context.Context, stateBackend) {
	t.Helper()
	ctx, b := begin(t, h)
	return ctx, withState(t, b)
}

func mustReadState(ctx context.Context, t *testing.T, b stateBackend, key, want string) (revision string) {
	t.Helper()
	got, revision, err := b.ReadState(ctx, key)
	if err != nil {
		t.Fatalf("ReadState %q: %v", key, checkErr(t, err))
	}
	if string(got) != want || revision == "" {
		t.Errorf("state record %q has %d bytes under revision %q, want %d others", key, len(got), revision, len(want))
	}
	return revision
}

func mustWriteState(ctx context.Context, t *testing.T, b stateBackend, key, text, revision string) {
	t.Helper()
	if err := b.WriteState(ctx, key, []byte(text), revision); err != nil {
		t.Fatalf("WriteState %q: %v", key, checkErr(t, err))
	}
}

// longState is as long as a state record may be, and needs escapes wherever it
// is put.
func longState() string {
	head := `{"a": "é\n\u0000<&>\"😀", "b":"`
	return head + strings.Repeat(`\`, (backends.MaxState-len(head)-2)/2*2) + `"}`
}

func testState(t *testing.T, h Harness) {
	ctx, b := beginState(t, h)
	_, _, err := b.ReadState(ctx, "events")
	wantErr(t, "ReadState of none", err, secret.NotFound)
	wantErr(t, "WriteState over none", b.WriteState(ctx, "events", []byte(`{}`), "1"), secret.Conflict)

	mustWriteState(ctx, t, b, "events", `{"n":1}`, "")
	first := mustReadState(ctx, t, b, "events", `{"n":1}`)
	wantErr(t, "a second WriteState of a new one", b.WriteState(ctx, "events", []byte(`{}`), ""), secret.Conflict)
	mustWriteState(ctx, t, b, "events", `{"n":2}`, first)
	second := mustReadState(ctx, t, b, "events", `{"n":2}`)
	if first == second {
		t.Error("two contents of a state record have one revision")
	}
	for _, stale := range []string{first, "", "x", second + "0"} {
		wantErr(t, "WriteState over another state", b.WriteState(ctx, "events", []byte(`{"n":3}`), stale), secret.Conflict)
	}
	if again := mustReadState(ctx, t, b, "events", `{"n":2}`); again != second {
		t.Error("a refused write changed the revision")
	}
	longest := strings.Repeat("a", 37) + "-z9"
	mustWriteState(ctx, t, b, longest, longState(), "")
	mustReadState(ctx, t, b, longest, longState())
	mustReadState(ctx, t, b, "events", `{"n":2}`)

	text := []byte(`{"mine":1}`)
	mustWriteState(ctx, t, b, "alias", string(text), "")
	got, _, err := b.ReadState(ctx, "alias")
	if err != nil {
		t.Fatalf("ReadState: %v", checkErr(t, err))
	}
	copy(got, bytes.Repeat([]byte("x"), len(got)))
	mustReadState(ctx, t, b, "alias", `{"mine":1}`)
}

func testStateRefused(t *testing.T, h Harness) {
	ctx, b := beginState(t, h)
	for _, key := range []string{"", "A", "a/b", "a.b", "a_b", "..", "é", "a b", "a\x00", strings.Repeat("a", 41)} {
		_, _, err := b.ReadState(ctx, key)
		wantErr(t, "ReadState of a bad key", err, secret.Invalid)
		wantErr(t, "WriteState of a bad key", b.WriteState(ctx, key, []byte(`{}`), ""), secret.Invalid)
	}
	wantErr(t, "WriteState of a long state record", b.WriteState(ctx, "a", []byte(longState()+"  "), ""), secret.TooLarge)
	for _, text := range []string{"", "{", "canary-", "\"\xff\""} {
		wantErr(t, "WriteState of no JSON", b.WriteState(ctx, "a", []byte(text), ""), secret.Invalid)
	}
	_, _, err := b.ReadState(ctx, "a")
	wantErr(t, "ReadState after refusals", err, secret.NotFound)
}

// reaching are names that might lead to the state records of some product.
func reaching(key string) []secret.Name {
	return []secret.Name{
		secret.Name(key), secret.Name("state/" + key), secret.Name("vaultferry-state-" + key), secret.Name("VaultFerry-State-" + key),
		secret.Name("vaultferry.meta/" + key), secret.Name("vaultferry.meta/vaultferry.meta/" + key),
	}
}

// testStateHidden: a state record is no secret, under any name, and a secret of
// any name is no state record.
func testStateHidden(t *testing.T, h Harness) {
	ctx, b := beginState(t, h)
	put(ctx, t, b, "s", text("canary-s"))
	mustWriteState(ctx, t, b, "ev", `{"n":1}`, "")
	if got := names(ctx, t, b, 0); !slices.Equal(got, []secret.Name{"s"}) {
		t.Errorf("List shows %q", got)
	}
	if got := namesBy(ctx, t, b.ListTrash, 0); len(got) > 0 {
		t.Errorf("ListTrash shows %q", got)
	}
	for _, name := range reaching("ev") {
		_, err := b.Get(ctx, name, secret.Current)
		_, err2 := b.Describe(ctx, name)
		_, err3 := b.Export(ctx, name)
		_, err4 := b.Delete(ctx, name, in90Days())
		for _, err := range []error{err, err2, err3, err4, b.Purge(ctx, name)} {
			wantErr(t, "reaching for a state record", err, secret.NotFound)
		}
	}
	want := []secret.Name{"s"}
	for _, name := range reaching("ev") {
		put(ctx, t, b, name, secret.Draft{Value: text("canary-" + string(name)).Value, Tags: map[string]string{"long": strings.Repeat("t", 200)}})
		want = append(want, name)
	}
	slices.Sort(want)
	if got := names(ctx, t, b, 0); !slices.Equal(got, want) {
		t.Errorf("List shows %q, want %q", got, want)
	}
	mustReadState(ctx, t, b, "ev", `{"n":1}`)
	for _, name := range want {
		remove(ctx, t, b, b, name)
		if err := b.Purge(ctx, name); err != nil {
			t.Fatalf("Purge %q: %v", name, checkErr(t, err))
		}
	}
	mustReadState(ctx, t, b, "ev", `{"n":1}`)
}

func testStateCancelled(t *testing.T, h Harness) {
	ctx, b := beginState(t, h)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, _, err := b.ReadState(gone, "a")
	wantErr(t, "ReadState of who has gone", err, secret.Unavailable)
	wantErr(t, "WriteState of who has gone", b.WriteState(gone, "a", []byte(`{}`), ""), secret.Unavailable)
	_, _, err = b.ReadState(ctx, "a")
	wantErr(t, "ReadState afterwards", err, secret.NotFound)
}

// testStateWriters: each adds itself to one list, again after a Conflict.
func testStateWriters(t *testing.T, h Harness) {
	ctx, b := beginState(t, h)
	writers := min(h.Writers, 8) // each meets all others
	together(writers, func(i int) {
		for {
			err := addToState(ctx, b, i)
			if err == nil {
				return
			}
			if !errors.Is(err, secret.Conflict) && !errors.Is(err, secret.Throttled) {
				t.Errorf("writer %d: %v", i, checkErr(t, err))
				return
			}
		}
	})
	var all []int
	text, _, err := b.ReadState(ctx, "list")
	if err != nil || json.Unmarshal(text, &all) != nil {
		t.Fatalf("ReadState: %v", err)
	}
	slices.Sort(all)
	if len(all) != writers || len(slices.Compact(all)) != writers {
		t.Errorf("%d writers left %d entries", writers, len(all))
	}
}

func addToState(ctx context.Context, b stateBackend, i int) error {
	var all []int
	text, revision, err := b.ReadState(ctx, "list")
	switch {
	case errors.Is(err, secret.NotFound):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(text, &all); err != nil {
			return err
		}
	}
	text, err = json.Marshal(append(all, i))
	if err != nil {
		return err
	}
	return b.WriteState(ctx, "list", text, revision)
}

func testStateReopen(t *testing.T, h Harness) {
	if h.Reopen == nil {
		t.Skip("the store is not embedded, or not durable")
	}
	ctx, b := beginState(t, h)
	mustWriteState(ctx, t, b, "kept", `{"n":1}`, "")
	before := mustReadState(ctx, t, b, "kept", `{"n":1}`)
	b = withState(t, h.Reopen(t, b))
	if after := mustReadState(ctx, t, b, "kept", `{"n":1}`); after != before {
		t.Error("the revision changed")
	}
	mustWriteState(ctx, t, b, "kept", `{"n":2}`, before)
	mustReadState(ctx, t, b, "kept", `{"n":2}`)
}
