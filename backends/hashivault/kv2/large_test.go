package kv2

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestManyVersions: far more versions than custom_metadata has keys, all with
// attributes, and the product's own limits for it are kept.
func TestManyVersions(t *testing.T) {
	f := newFixture(t)
	s := kvtest.Many("s", 500, "x")
	if l := f.Forecast(s); secret.Worst(l) > secret.Trace {
		t.Fatalf("losses are foretold: %v", l)
	}
	if _, err := f.Import(t.Context(), s, "token"); err != nil {
		t.Fatal(err)
	}
	v := f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("more"), Tags: map[string]string{"own": "tag"}})
	if v.Ordinal != 501 {
		t.Errorf("the next version is %d", v.Ordinal)
	}
	got := f.mustExport(t, "s")
	if last := got.Newest(); last.Tags["own"] != "tag" {
		t.Error("the next version lost its tags")
	}
	got.Versions = got.Versions[:500]
	got.Current, got.Previous, got.Updated = 500, 499, s.Updated
	backendtest.Compare(t, s, got, nil)
	m, err := f.kv.GetMetadata(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.CustomMetadata) > maxKeys || m.MaxVersions < 501 {
		t.Errorf("%d keys in custom_metadata, max_versions %d", len(m.CustomMetadata), m.MaxVersions)
	}
}

// TestExportWhileWritten: the attributes of many versions take two reads, and a
// version that comes in between is there whole, or not at all.
func TestExportWhileWritten(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Import(t.Context(), kvtest.Many("s", 2*maxKeys, "x"), "token"); err != nil {
		t.Fatal(err)
	}
	wire := kvtest.NewWire(t)
	var once sync.Once
	between := kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := wire.RoundTrip(r)
		if strings.Contains(r.URL.Path, connection.CompanionFolder) {
			once.Do(func() {
				f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("more"), Tags: map[string]string{"own": "tag"}})
			})
		}
		return resp, err
	})
	got, err := f.open(t, between).Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if last := got.Newest(); len(got.Versions) != 2*maxKeys+1 || last.Tags["own"] != "tag" || got.Current != last.Ordinal {
		t.Errorf("%d versions, the newest without what was written with it", len(got.Versions))
	}
	if err := f.kv.Delete(t.Context(), "s"); err != nil { // of the newest, whose read tells whether all is as it was
		t.Fatal(err)
	}
	got = f.mustExport(t, "s")
	if last := got.Newest(); last.Missing != secret.Deleted || !last.Value.IsNone() || got.Versions[0].Tags["n"] != "0" {
		t.Error("with its newest version deleted the secret does not read as it should")
	}
}

// TestManyPuts: keys run out one by one.
func TestManyPuts(t *testing.T) {
	f := newFixture(t)
	const n = 2 * maxKeys
	for i := range n {
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue(fmt.Sprint(i)), Tags: map[string]string{"n": fmt.Sprint(i)}, Stages: []string{"last"}})
	}
	got := f.mustExport(t, "s")
	if len(got.Versions) != n {
		t.Fatalf("%d versions are kept of %d", len(got.Versions), n)
	}
	for i := range got.Versions {
		v := &got.Versions[i]
		if v.Tags["n"] != fmt.Sprint(i) || string(v.Value.Reveal()) != fmt.Sprint(i) || (len(v.Stages) == 1) != (i == n-1) {
			t.Errorf("version %d has lost something", v.Ordinal)
		}
	}
}

// TestNoRoom: attributes beyond what even the companion holds are foretold
// for an import, and refused for a Put before anything is written.
func TestNoRoom(t *testing.T) {
	f := newFixture(t)
	s := kvtest.Many("s", 40, strings.Repeat("t", 60_000))
	s.Description = strings.Repeat("d", 1000)
	losses := f.Forecast(s)
	if secret.Worst(losses) != secret.Meaning {
		t.Fatalf("the worst loss is %v", secret.Worst(losses))
	}
	if _, err := f.Import(t.Context(), s, "token"); err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, s, f.mustExport(t, "s"), losses)
	_, err := f.Put(t.Context(), "t", secret.Draft{Value: secret.TextValue("x"), Tags: map[string]string{"a": strings.Repeat("t", connection.MaxCompanion)}})
	if !errors.Is(err, secret.TooLarge) {
		t.Errorf("Put: %v", err)
	}
	if _, err := f.Get(t.Context(), "t", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get of what was refused: %v", err)
	}
	head := kvtest.Many("h", 2, "x")
	head.Tags = map[string]string{"a": strings.Repeat("t", connection.MaxCompanion)}
	if losses = f.Forecast(head); secret.Worst(losses) != secret.Meaning {
		t.Fatalf("the worst loss is %v", secret.Worst(losses))
	}
	if _, err := f.Import(t.Context(), head, "token"); err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, head, f.mustExport(t, "h"), losses)
}

// TestNoRoomForTheSecret: what belongs to the secret as a whole can be too
// large by itself; what is given up is foretold, and nothing else.
func TestNoRoomForTheSecret(t *testing.T) {
	for what, edit := range map[string]func(*secret.Secret){
		"description":  func(s *secret.Secret) { s.Description = strings.Repeat("d", connection.MaxCompanion) },
		"HTML":         func(s *secret.Secret) { s.Description = strings.Repeat("<", connection.MaxCompanion/4) },
		"beyond ASCII": func(s *secret.Secret) { s.Description = strings.Repeat("\u65e5", connection.MaxCompanion/6) },
		"tags": func(s *secret.Secret) {
			s.Tags = map[string]string{"a": strings.Repeat("\n", connection.MaxCompanion/2)}
		},
		"extra": func(s *secret.Secret) {
			s.Extra = secret.Extra{}.WithText("a", strings.Repeat("e", connection.MaxCompanion))
		},
		"stages":      func(s *secret.Secret) { s.Versions[0].Stages = []string{strings.Repeat("s", connection.MaxCompanion)} },
		"many stages": manyStages,
		"HTML in tags": func(s *secret.Secret) {
			s.Versions[1].Tags = map[string]string{"a": strings.Repeat("&", connection.MaxCompanion/4)}
		},
		"a little over": func(s *secret.Secret) {
			s.Description, s.Tags = strings.Repeat("d", connection.MaxCompanion/9), map[string]string{"a": strings.Repeat("t", connection.MaxCompanion/2)}
		},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			s := kvtest.Many("s", 3, "x")
			edit(s)
			losses := f.Forecast(s)
			if secret.Worst(losses) != secret.Meaning {
				t.Fatalf("the worst loss is %v", secret.Worst(losses))
			}
			for _, l := range losses {
				held := l.What != loss.Tags || l.Version != 0 || s.Tags != nil
				if l.Grade == secret.Meaning && (!held || l.What == loss.Extra && s.Extra == nil) {
					t.Errorf("what is not there is foretold to be lost: %v", l)
				}
			}
			if _, err := f.Import(t.Context(), s, "token"); err != nil {
				t.Fatal(err)
			}
			backendtest.Compare(t, s, f.mustExport(t, "s"), losses)
			f.mustPut(t, "s", kvtest.Text("life goes on"))
		})
	}
}

func manyStages(s *secret.Secret) {
	for i := range 40_000 {
		v := &s.Versions[i%3]
		v.Stages = append(v.Stages, fmt.Sprintf("stage-%06d", i))
	}
	for i := range s.Versions {
		slices.Sort(s.Versions[i].Stages)
	}
}

// TestWideGaps: ordinals that lie far apart cost no writes.
func TestWideGaps(t *testing.T) {
	f := newFixture(t)
	s := kvtest.Many("s", 4, "x")
	for i, o := range []secret.Ordinal{5, 7, 1_000_000, 1_000_002} {
		s.Versions[i].Ordinal = o
	}
	s.Current, s.Previous = 1_000_002, 5
	ctx, count := backends.WithCallCount(t.Context())
	if _, err := f.Import(ctx, s, "token"); err != nil {
		t.Fatal(err)
	}
	if count() > 20 {
		t.Errorf("the import took %d requests", count())
	}
	backendtest.Compare(t, s, f.mustExport(t, "s"), nil)
	if v := f.mustPut(t, "s", kvtest.Text("next")); v.Ordinal != 1_000_003 {
		t.Errorf("the next version is %d", v.Ordinal)
	}
	if !f.mustGet(t, "s", secret.ByOrdinal(7)).Versions[0].Value.Equal(s.Versions[1].Value) {
		t.Error("version 7 holds another value")
	}
}

// TestTooLarge: what the server would refuse with a 500, which its client
// repeats, never reaches it (trap 2.7).
func TestTooLarge(t *testing.T) {
	f := newFixture(t)
	for what, v := range map[string]secret.Value{
		"text":    secret.TextValue(strings.Repeat("x", connection.MaxValue)),
		"binary":  secret.BinaryValue([]byte(strings.Repeat("\xff", connection.MaxValue))),
		"fields":  secret.FieldsValue(connection.Marshal(map[string]string{"a": strings.Repeat("x", connection.MaxValue-20)})),
		"escapes": secret.TextValue(strings.Repeat("\n", connection.MaxValue/2)),
	} {
		name := secret.Name("fits-" + what)
		f.mustPut(t, name, secret.Draft{Value: v})
		if got := f.mustGet(t, name, secret.Current).Versions[0].Value; !got.Equal(v) {
			t.Errorf("%s: %d bytes came back as %d", what, v.Len(), got.Len())
		}
	}
	// What the product would answer with a 500 is refused before.
	ctx, count := backends.WithCallCount(t.Context())
	for what, v := range map[string]secret.Value{
		"escapes": secret.TextValue(strings.Repeat("\x01", connection.MaxValue/2)), "HTML": secret.TextValue(strings.Repeat("<", connection.MaxValue)),
	} {
		if _, err := f.Put(ctx, "s", secret.Draft{Value: v}); !errors.Is(err, secret.TooLarge) || count() != 0 {
			t.Errorf("%s: %v after %d requests", what, err, count())
		}
	}
	members := map[string]int{}
	for i := range 2 * connection.MaxMembers {
		members[fmt.Sprint(i)] = i
	}
	deep := json.RawMessage(strings.Repeat(`{"a":`, 400) + "1" + strings.Repeat("}", 400))
	for what, b := range map[string][]byte{"members": connection.Marshal(members), "depth": deep} {
		v := secret.FieldsValue(b)
		f.mustPut(t, secret.Name(what), secret.Draft{Value: v})
		if got := f.mustGet(t, secret.Name(what), secret.Current).Versions[0].Value; !got.Equal(v) {
			t.Errorf("%s: the fields came back otherwise", what)
		}
	}
}
