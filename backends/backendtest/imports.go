package backendtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

var knownLosses = []string{
	loss.Version, loss.Value, loss.State, loss.Expires, loss.NotBefore,
	loss.ExpiresFraction, loss.NotBeforeFraction, loss.ContentType, loss.Tags,
	loss.Stages, loss.Extra, loss.Description, loss.UID, loss.Disabled,
	loss.Current, loss.Previous, loss.Created, loss.Updated, loss.Form, loss.Number,
}

// testForecast: the same each time, after Close as well (so it needs no
// product), about what is there, in words that Apply knows.
func testForecast(t *testing.T, h Harness) {
	_, b := begin(t, h)
	sources := append(peculiar(), Sample("s"))
	var before [][]secret.Loss
	for _, s := range sources {
		c := s.Clone()
		losses := b.Forecast(s)
		before = append(before, losses)
		Compare(t, c, s, nil)
		for _, l := range losses {
			checkLoss(t, s, l)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for i, s := range sources {
		if !slices.Equal(b.Forecast(s), before[i]) {
			t.Errorf("%q: two forecasts of one secret differ", s.Name)
		}
	}
}

func checkLoss(t *testing.T, s *secret.Secret, l secret.Loss) {
	t.Helper()
	if !slices.Contains(knownLosses, l.What) {
		t.Errorf("%v: no such word for a loss", l)
	}
	if l.Grade < secret.Trace || l.Grade > secret.Data || l.Why == "" {
		t.Errorf("%v: the grade or the reason is missing", l)
	}
	if l.Version != 0 && s.Find(secret.ByOrdinal(l.Version)) == nil {
		t.Errorf("%v: the secret has no such version", l)
	}
	if strings.Contains(l.Why, canary) {
		t.Errorf("the reason of a loss of version %d holds a value", l.Version)
	}
}

func testImport(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	checkImport(ctx, t, b, Sample("sample"))
	if got := names(ctx, t, b, 0); !slices.Equal(got, []secret.Name{"sample"}) {
		t.Errorf("List returns %q after an import", got)
	}
}

// checkImport proves that the store holds s less exactly what it foretold, by
// every way to read it.
func checkImport(ctx context.Context, t *testing.T, b backends.Backend, s *secret.Secret) {
	t.Helper()
	losses := b.Forecast(s)
	want := loss.Apply(s, losses)
	done := mustImport(ctx, t, b, s, "")
	if w := ordinals(want); !slices.Equal(done.Stands, w) {
		t.Errorf("%q: what stands is %d, want %d", s.Name, done.Stands, w)
	}
	if done.Secret == nil {
		t.Fatalf("%q: Import returns no secret", s.Name)
	}
	if done.Secret.Size() != 0 {
		t.Errorf("%q: Import returns values", s.Name)
	}
	got := export(ctx, t, b, s.Name)
	Compare(t, s, got, losses)
	Compare(t, got.WithoutValues(), done.Secret, nil)
	for i := range want.Versions {
		w := &want.Versions[i]
		for _, sel := range []secret.Selector{secret.ByOrdinal(w.Ordinal), secret.ByUID(w.UID)} {
			if sel.IsCurrent() { // the UID is lost, as foretold
				continue
			}
			one := getSecret(ctx, t, b, s.Name, sel)
			Compare(t, got.Only(w.Ordinal), one, nil)
		}
	}
	if want.Current != 0 {
		if v := get(ctx, t, b, s.Name, secret.Current); v.Ordinal != want.Current {
			t.Errorf("%q: Get of current returns version %d, want %d", s.Name, v.Ordinal, want.Current)
		}
	}
}

// bare returns a secret with plain versions of the given ordinals; the last is
// current, the one before it previous.
func bare(name secret.Name, of ...secret.Ordinal) *secret.Secret {
	s := &secret.Secret{Name: name, Created: sampleTime, Updated: sampleTime.Add(time.Hour)}
	for i, o := range of {
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: o, UID: secret.DeriveUID("bare", string(name), o.String(), sampleTime),
			Value:   secret.TextValue(fmt.Sprint(canary, name, "-", o)),
			Created: sampleTime.Add(time.Duration(i) * time.Minute), Updated: sampleTime.Add(time.Duration(i) * time.Minute),
		})
		s.Current, s.Previous = o, s.Current
	}
	return s
}

// peculiar returns secrets that each differ in one way from the plain.
func peculiar() []*secret.Secret {
	edit := func(s *secret.Secret, f func(*secret.Secret)) *secret.Secret { f(s); return s }
	return []*secret.Secret{
		bare("one", 1),
		bare("two", 1, 2),
		bare("leading-gap", 7, 8),
		bare("inner-gaps", 2, 3, 5, 9, 10),
		bare("far-gap", 1, 1<<52),
		edit(bare("same-instant", 1, 2, 3, 4), func(s *secret.Secret) {
			for i := range s.Versions {
				s.Versions[i].Created, s.Versions[i].Updated = sampleTime, sampleTime
			}
		}),
		edit(bare("backwards-clock", 1, 2, 3), func(s *secret.Secret) {
			s.Versions[1].Created = sampleTime.Add(-time.Hour)
			s.Versions[1].Updated = s.Versions[1].Created
		}),
		edit(bare("oldest-current", 1, 2, 3), func(s *secret.Secret) { s.Current, s.Previous = 1, 3 }),
		edit(bare("no-previous", 1, 2, 3), func(s *secret.Secret) { s.Previous = 0 }),
		edit(bare("all-disabled", 1, 2), func(s *secret.Secret) { s.Versions[0].Disabled, s.Versions[1].Disabled = true, true }),
		edit(bare("missing", 1, 2, 3, 4, 5), func(s *secret.Secret) {
			for i, m := range secret.Reasons {
				s.Versions[i].Value, s.Versions[i].Missing = secret.Value{}, m
			}
		}),
		edit(bare("future", 1, 2), func(s *secret.Secret) { s.Versions[1].Created = sampleTime.AddDate(60, 0, 0) }),
		edit(bare("fractions", 1), func(s *secret.Secret) {
			s.Versions[0].NotBefore, s.Versions[0].Expires = sampleTime, sampleTime.AddDate(50, 0, 0)
		}),
	}
}

func testImportEach(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	for _, s := range peculiar() {
		checkImport(ctx, t, b, s)
	}
	if t.Failed() {
		return
	}
	for _, s := range peculiar() { // none disturbed another
		Compare(t, s, export(ctx, t, b, s.Name), b.Forecast(s))
	}
}

// testImportThenPut: life goes on after an import.
func testImportThenPut(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	s := bare("s", 3, 5, 9)
	want := loss.Apply(s, b.Forecast(s))
	mustImport(ctx, t, b, s, "")
	v := put(ctx, t, b, "s", text(canary+"new"))
	if v.Ordinal <= 9 {
		t.Errorf("the version after 9 is number %d", v.Ordinal)
	}
	if v.Created.Before(s.Versions[2].Created) {
		t.Errorf("the new version was created at %v, before the newest imported one", v.Created)
	}
	got, previous := export(ctx, t, b, "s"), want.Current
	if n := len(want.Versions); !room(b, n+1) {
		want.Versions = want.Versions[1:]
		if n == 1 {
			previous = 0
		}
	}
	if got.Current != v.Ordinal || got.Previous != previous {
		t.Errorf("current %d, previous %d; want %d, %d", got.Current, got.Previous, v.Ordinal, previous)
	}
	for i := range want.Versions {
		w := &want.Versions[i]
		if g := get(ctx, t, b, "s", secret.ByOrdinal(w.Ordinal)); !g.Value.Equal(w.Value) || (!w.UID.IsZero() && g.UID != w.UID) {
			t.Errorf("version %d is another after a Put", w.Ordinal)
		}
	}
}

func testImportExisting(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	put(ctx, t, b, "s", text(canary+"mine"))
	before := export(ctx, t, b, "s")
	for _, token := range []string{"", "token"} {
		done, err := b.Import(ctx, Sample("s"), token)
		wantErr(t, "Import onto a taken name", err, secret.AlreadyExists)
		if done != nil && done.Secret != nil {
			t.Error("Import failed and returns a secret")
		}
		Compare(t, before, export(ctx, t, b, "s"), nil)
	}
}

// testImportRepeated: a finished import is a secret like any other, also for
// the token that made it.
func testImportRepeated(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	s := Sample("s")
	mustImport(ctx, t, b, s, "token")
	for range 2 {
		before := export(ctx, t, b, "s")
		for _, token := range []string{"token", "other", ""} {
			_, err := b.Import(ctx, s, token)
			wantErr(t, "Import repeated", err, secret.AlreadyExists)
		}
		Compare(t, before, export(ctx, t, b, "s"), nil)
		put(ctx, t, b, "s", text(canary+"since"))
	}
}

func testImportBad(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	for what, spoil := range map[string]func(*secret.Secret){
		"no version":         func(s *secret.Secret) { s.Versions, s.Current, s.Previous = nil, 0, 0 },
		"twice one UID":      func(s *secret.Secret) { s.Versions[1].UID = s.Versions[0].UID },
		"no UID":             func(s *secret.Secret) { s.Versions[1].UID = secret.UID{} },
		"twice one ordinal":  func(s *secret.Secret) { s.Versions[1].Ordinal = s.Versions[0].Ordinal },
		"ordinal zero":       func(s *secret.Secret) { s.Versions[0].Ordinal = 0 },
		"an ordinal too far": func(s *secret.Secret) { s.Versions[2].Ordinal, s.Current = 1<<52+1, 1<<52+1 },
		"the last ordinal":   func(s *secret.Secret) { s.Versions[2].Ordinal, s.Current = math.MaxInt64, math.MaxInt64 },
		"falling ordinals":   func(s *secret.Secret) { slices.Reverse(s.Versions) },
		"current nowhere":    func(s *secret.Secret) { s.Current = 99 },
		"previous nowhere":   func(s *secret.Secret) { s.Previous = 99 },
		"no value":           func(s *secret.Secret) { s.Versions[1].Value = secret.Value{} },
		"value and missing":  func(s *secret.Secret) { s.Versions[1].Missing = secret.Destroyed },
		"one stage on two":   func(s *secret.Secret) { s.Versions[0].Stages, s.Versions[1].Stages = []string{"a"}, []string{"a"} },
		"a stage, no name":   func(s *secret.Secret) { s.Versions[0].Stages = []string{""} },
		"bytes as type":      func(s *secret.Secret) { s.Versions[1].ContentType = "\xff" },
		"no JSON as extra":   func(s *secret.Secret) { s.Extra = secret.Extra{"test.extra": json.RawMessage("")} },
		"an extra too deep":  func(s *secret.Secret) { s.Versions[2].Extra = secret.Extra{"test.extra": nested(9_990)} },
		"bytes as tag":       func(s *secret.Secret) { s.Tags = map[string]string{"\xff": "v"} },
		"one stage twice on": func(s *secret.Secret) { s.Versions[0].Stages = []string{"a", "a"} },
	} {
		s := bare("bad", 1, 2, 3)
		spoil(s)
		_, err := b.Import(ctx, s, "")
		wantErr(t, "Import with "+what, err, secret.Invalid)
		_, err = b.Describe(ctx, "bad")
		wantErr(t, "Describe after Import with "+what, err, secret.NotFound)
	}
}

// nested is an array in an array, and so on.
func nested(depth int) json.RawMessage {
	return json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

// testImportVersionLimit: MaxVersions is true in both directions.
func testImportVersionLimit(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	limit := b.Capabilities().MaxVersions
	n := limit
	if limit == 0 {
		n = 60
	}
	var of []secret.Ordinal
	for o := range secret.Ordinal(n + 1) {
		of = append(of, o+1)
	}
	over := bare("over", of...)
	if lost := loss.Apply(over, b.Forecast(over)); (len(lost.Versions) < n+1) != (limit > 0) {
		t.Errorf("of %d versions %d are foretold to stand; MaxVersions is %d", n+1, len(lost.Versions), limit)
	}
	checkImport(ctx, t, b, over)
	checkImport(ctx, t, b, bare("full", of[:n]...))
}
