package inventory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

var begun = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// written is an inventory of the secrets, signed by the keyring.
func written(t testing.TB, keys *backup.Keyring, k inventory.Key, all ...*secret.Secret) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := inventory.NewWriter(&b, inventory.Header{Gateway: "g", Store: "s", Product: "bolt", Begun: begun, RunKeyID: k.ID()})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		e := k.EntryOf(s, "", begun)
		if err := w.Write(&e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(begun, []inventory.LeftOut{{Why: secret.LeftOutFolder, Name: "hidden/"}}, func(p []byte) (string, error) { return keys.Sign(inventory.Type, p) }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verifier(keys *backup.Keyring) inventory.Verifier {
	return func(jws string) ([]byte, error) { return backup.Prove(keys.SigningKeys(), inventory.Type, jws) }
}

// read returns all entries, or the error that ended it.
func read(b []byte, verify inventory.Verifier) ([]*inventory.Entry, error) {
	r, err := inventory.NewReader(bytes.NewReader(b), verify)
	if err != nil {
		return nil, err
	}
	var all []*inventory.Entry
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
}

func signing(t testing.TB) *backup.Keyring {
	t.Helper()
	keys, err := backup.NewKeyringOf(backup.AlgA256KW, backup.AlgEdDSA)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func named(name secret.Name) *secret.Secret {
	s := backendtest.Sample(name)
	s.Tags = map[string]string{"canary-key": "canary-tag"}
	s.Description = "canary-description"
	return s
}

// TestEachBitCounts: no change of one bit, and no cut, is read as an inventory.
func TestEachBitCounts(t *testing.T) {
	t.Parallel()
	keys, k := signing(t), inventory.NewKey()
	small := &secret.Secret{Name: "a", Current: 1, Versions: []secret.Version{{Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue("v"), Created: begun}}}
	whole := written(t, keys, k, small)
	if _, err := read(whole, verifier(keys)); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for bit := range 8 {
			changed := bytes.Clone(whole)
			changed[i] ^= 1 << bit
			if _, err := read(changed, verifier(keys)); err == nil {
				t.Errorf("bit %d of byte %d may change: %.60q", bit, i, changed[max(0, i-30):])
			}
		}
		if _, err := read(whole[:i], verifier(keys)); err == nil {
			t.Errorf("it may be cut at byte %d", i)
		}
	}
	if _, err := read(append(bytes.Clone(whole), '\n'), verifier(keys)); err == nil {
		t.Error("something may follow")
	}
	if _, err := read(whole, verifier(signing(t))); secret.KindOf(err) != secret.Corrupt {
		t.Errorf("signed by a stranger: %v", err)
	}
}

// TestLinesBelongTogether: lines of a signed inventory cannot be removed,
// doubled, or put into another order.
func TestLinesBelongTogether(t *testing.T) {
	t.Parallel()
	keys, k := signing(t), inventory.NewKey()
	whole := written(t, keys, k, named("a"), named("b"), named("c"))
	lines := bytes.SplitAfter(whole, []byte("\n"))
	lines = lines[:len(lines)-1]
	for i := range lines {
		for what, changed := range map[string][][]byte{
			"removed": slices.Delete(slices.Clone(lines), i, i+1),
			"doubled": slices.Insert(slices.Clone(lines), i, lines[i]),
			"swapped": swapped(lines, i),
		} {
			if _, err := read(bytes.Join(changed, nil), verifier(keys)); err == nil {
				t.Errorf("line %d may be %s", i+1, what)
			}
		}
	}
}

func swapped(lines [][]byte, i int) [][]byte {
	out := slices.Clone(lines)
	j := (i + 1) % len(out)
	out[i], out[j] = out[j], out[i]
	return out
}

// TestNothingIsTold: no value, tag, description or extra stands in an inventory.
func TestNothingIsTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := backendtest.Document(rt)
		keys, k := signing(t), inventory.NewKey()
		b := written(t, keys, k, s)
		if bytes.Contains(b, k.Reveal()) {
			rt.Fatal("the run key")
		}
		for i := range s.Versions {
			if v := s.Versions[i].Value.Reveal(); len(v) > 12 && bytes.Contains(b, v) {
				rt.Fatal("a value")
			}
		}
	})
	b := written(t, signing(t), inventory.NewKey(), named("a"))
	if bytes.Contains(b, []byte("canary")) {
		t.Error("an attribute stands in it")
	}
}

// TestOneKeyTellsEqual: equal secrets are equal under one key, and nothing shows
// under another key or another name.
func TestOneKeyTellsEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := backendtest.Document(rt)
		k := inventory.NewKey()
		a, b := k.EntryOf(s, "", begun), k.EntryOf(s.Clone(), "", begun)
		if d := inventory.Compare(&a, &b); d.Sign != inventory.Same {
			rt.Fatalf("a secret differs from itself: %+v", d)
		}
		moved := s.Clone()
		moved.Name += "x"
		c := k.EntryOf(moved, s.Name, begun)
		if d := inventory.Compare(&a, &c); d.Sign != inventory.Same || d.In != moved.Name {
			rt.Fatalf("a secret under another name differs: %+v", d)
		}
		other := k.EntryOf(moved, "", begun)
		for i := range a.Versions {
			if v := a.Versions[i].Value; v != "" && v == other.Versions[i].Value {
				rt.Fatal("equal values show under two names")
			}
		}
	})
}

// TestCompareNamesEachDifference changes one thing at a time.
func TestCompareNamesEachDifference(t *testing.T) {
	t.Parallel()
	version := func(f func(*secret.Version)) func(*secret.Secret) {
		return func(s *secret.Secret) { f(&s.Versions[0]) }
	}
	for _, c := range []struct {
		sign   inventory.Sign
		part   string
		change func(*secret.Secret)
	}{
		{'=', "[]", func(*secret.Secret) {}},
		{'*', "[{1 value}]", version(func(v *secret.Version) { v.Value = secret.TextValue("another") })},
		{'*', "[{1 state}]", version(func(v *secret.Version) { v.Disabled = !v.Disabled })},
		{'*', "[{0 current} {2 missing}]", func(s *secret.Secret) { s.Versions = s.Versions[:1] }},
		{'*', "[{3 added}]", func(s *secret.Secret) {
			s.Versions = append(s.Versions, secret.Version{Ordinal: 3, UID: secret.UID{3}, Value: secret.TextValue("third"), Created: begun})
		}},
		{'*', "[{0 current} {0 previous}]", func(s *secret.Secret) { s.Current, s.Previous = s.Previous, s.Current }},
		{'~', "[{1 number}]", func(s *secret.Secret) { s.Versions[0].Ordinal, s.Previous = 7, 7 }},
		{'~', "[{1 uid}]", version(func(v *secret.Version) { v.UID = secret.UID{9} })},
		{'~', "[{1 content_type}]", version(func(v *secret.Version) { v.ContentType = "text/html" })},
		{'~', "[{1 tags}]", version(func(v *secret.Version) { v.Tags = map[string]string{} })},
		{'~', "[{1 stages}]", version(func(v *secret.Version) { v.Stages = []string{"blue"} })},
		{'~', "[{1 expires}]", version(func(v *secret.Version) { v.Expires = begun })},
		{'~', "[{1 not_before}]", version(func(v *secret.Version) { v.NotBefore = begun })},
		{'~', "[{1 created}]", version(func(v *secret.Version) { v.Created = begun.Add(time.Second) })},
		{'=', "[]", version(func(v *secret.Version) { v.Created = begun.Add(time.Millisecond) })},
		{'~', "[{1 extra}]", version(func(v *secret.Version) { v.Extra = secret.Extra{"x": json.RawMessage("1")} })},
		{'~', "[{0 description}]", func(s *secret.Secret) { s.Description = "d" }},
		{'~', "[{0 tags}]", func(s *secret.Secret) { s.Tags = map[string]string{"a": "b"} }},
		{'~', "[{0 extra}]", func(s *secret.Secret) { s.Extra = secret.Extra{"x": json.RawMessage("1")} }},
		{'*', "[{0 deleted}]", func(s *secret.Secret) { s.Deleted = &secret.Deletion{At: begun} }},
		{'=', "[]", func(s *secret.Secret) { s.Extra, s.Tags = secret.Extra{}, nil }},
	} {
		s := &secret.Secret{Name: "n", Current: 2, Previous: 1, Versions: []secret.Version{
			{Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue("first"), Created: begun},
			{Ordinal: 2, UID: secret.UID{2}, Value: secret.TextValue("second"), Created: begun},
		}}
		k := inventory.NewKey()
		a := k.EntryOf(s, "", begun)
		c.change(s)
		b := k.EntryOf(s, "", begun)
		d := inventory.Compare(&a, &b)
		got := fmt.Sprint(d.Parts)
		if d.Sign != c.sign || got != c.part {
			t.Errorf("%c %s, want %c %s", d.Sign, got, c.sign, c.part)
		}
	}
}

// TestUnseen: what a product does not show of a disabled version is said, on either
// side, and is neither the same nor a difference of values.
func TestUnseen(t *testing.T) {
	t.Parallel()
	entry := func(uid secret.UID, disabled, shown bool) *inventory.Entry {
		v := secret.Version{Ordinal: 1, UID: uid, Value: secret.TextValue("first"), Disabled: disabled}
		if !shown {
			v.Value, v.Missing = secret.Value{}, secret.Unreadable
		}
		e := key.EntryOf(&secret.Secret{Name: "n", Current: 1, Versions: []secret.Version{v}}, "", begun)
		return &e
	}
	one, other := secret.UID{1}, secret.UID{2}
	for _, c := range []struct {
		a, b *inventory.Entry
		want string
	}{
		{entry(one, true, true), entry(one, true, false), "~ [{1 unseen}]"},
		{entry(one, true, false), entry(one, true, true), "~ [{1 unseen}]"},
		{entry(one, true, false), entry(one, true, false), "= []"},
		{entry(one, false, true), entry(one, true, false), "* [{1 value} {1 state}]"},
		{entry(one, true, true), entry(other, true, false), "* [{0 current} {1 missing} {1 added}]"},
	} {
		d := inventory.Compare(c.a, c.b)
		if got := fmt.Sprintf("%c %v", d.Sign, d.Parts); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

var key = inventory.NewKey()

// TestValuesThatAreOneJSON: products keep fields as text and text as fields.
func TestValuesThatAreOneJSON(t *testing.T) {
	t.Parallel()
	k := inventory.NewKey()
	digest := func(v secret.Value, contentType string) inventory.Digest {
		e := k.EntryOf(&secret.Secret{Name: "n", Versions: []secret.Version{{Ordinal: 1, Value: v, ContentType: contentType}}}, "", begun)
		return e.Versions[0].Value
	}
	fields := func(s string) inventory.Digest { return digest(secret.FieldsValue([]byte(s)), "") }
	want := fields(`{"a":1.5,"b":"x\u0001é/","c":[{"z":null,"y":true}]}`)
	for _, same := range []inventory.Digest{
		fields(`{ "b":"x\u0001\u00e9\/", "c":[ {"y":true,"z":null} ], "a":15e-1 }`), fields(`{"a":1.500,"b":"x\u0001é/","c":[{"z":null,"y":true}]}`),
		digest(secret.TextValue(`{"a":0.15E+1,"c":[{"z":null,"y":true}],"b":"x\u0001é/"}`), "application/json; charset=utf-8"),
		digest(secret.TextValue(`{"a":1.5,"b":"x\u0001é/","c":[{"z":null,"y":true}]}`), "application/vnd.x+json"),
	} {
		if same != want {
			t.Error("the same JSON differs")
		}
	}
	for _, other := range []inventory.Digest{
		fields(`{"a":1.5,"b":"x\u0001é/","c":[{"z":null,"y":false}]}`), fields(`{"a":"1.5","b":"x\u0001é/","c":[{"z":null,"y":true}]}`),
		digest(secret.TextValue(`{"a":1.5,"b":"x\u0001é/","c":[{"z":null,"y":true}]}`), "text/plain"),
		fields(`{"a":1.5,"a":1.5}`), fields(`{"a":1.50,"a":1.5}`), fields(`{"n":9007199254740993}`), fields(`{"n":9007199254740992}`),
	} {
		if other == want {
			t.Error("another value is the same")
		}
	}
	if fields(`{"n":9007199254740993}`) == fields(`{"n":9007199254740992}`) {
		t.Error("large numbers are cut")
	}
	if fields(`{"n":100}`) != fields(`{"n":1e2}`) || fields(`{"n":-0.0}`) != fields(`{"n":0}`) {
		t.Error("numbers have more than one form")
	}
}

// TestTakeInOrder: however the reads end, entries come in the order of names,
// what is unreadable is one, and what is gone is none.
func TestTakeInOrder(t *testing.T) {
	t.Parallel()
	var names []secret.Name
	for i := range 300 {
		names = append(names, secret.Name(fmt.Sprintf("n-%03d", i)))
	}
	k := inventory.NewKey()
	trash := []secret.Name{"a", "z"}
	all := append(slices.Clone(names), trash...)
	slices.Sort(all)
	list := func(_ context.Context, q secret.Query) (secret.Page, error) {
		var p secret.Page
		for _, n := range all {
			if n > q.After && len(p.Secrets) < 7 {
				s := &secret.Secret{Name: n, Versions: make([]secret.Version, 1)}
				if slices.Contains(trash, n) {
					s.Deleted = &secret.Deletion{At: begun}
				}
				p.Secrets, p.Next = append(p.Secrets, s), n
			}
		}
		if len(p.Secrets) < 7 {
			p.Next = ""
		}
		if q.After == "" {
			p.LeftOut = []secret.LeftOut{{Why: secret.LeftOutFolder, Name: "hidden/"}, {Why: secret.LeftOutEmpty, Name: "empty"}}
		}
		return p, nil
	}
	var leftOut []inventory.LeftOut
	src := inventory.Source{
		List: list, Readers: 8,
		Takes:   func(s *secret.Secret) bool { return s.Name != "n-200" },
		LeftOut: func(l secret.LeftOut) { leftOut = append(leftOut, inventory.LeftOutOf(l)) },
		Digest: func(_ context.Context, n secret.Name) (*inventory.Entry, error) {
			switch n {
			case "n-007":
				return nil, secret.Errorf(secret.Denied, "no")
			case "n-008":
				return nil, secret.Errorf(secret.NotFound, "no")
			}
			e := k.EntryOf(&secret.Secret{Name: n}, "", begun)
			return &e, nil
		},
	}
	var got []string
	err := src.Take(t.Context(), func(e *inventory.Entry) error {
		if e.Unread != "" {
			got = append(got, string(e.Name)+": "+e.Unread)
		} else if e.Deleted != nil {
			got = append(got, string(e.Name)+" in the trash")
		} else {
			got = append(got, string(e.Name))
		}
		return nil
	}, func(error) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if len(leftOut) != 1 || leftOut[0] != (inventory.LeftOut{Why: secret.LeftOutFolder, Name: "hidden/"}) {
		t.Errorf("left out: %v", leftOut)
	}
	want := []string{"a in the trash"}
	for _, n := range names {
		switch n {
		case "n-008", "n-200":
		case "n-007":
			want = append(want, "n-007: denied")
		default:
			want = append(want, string(n))
		}
	}
	if want = append(want, "z in the trash"); !slices.Equal(got, want) {
		t.Errorf("got %s", strings.Join(got, " "))
	}
	dead := func(err error) bool { return errors.Is(err, secret.Denied) }
	if err := src.Take(t.Context(), func(*inventory.Entry) error { return nil }, dead); secret.KindOf(err) != secret.Denied {
		t.Errorf("a dead credential does not end it: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	keys, k := signing(f), inventory.NewKey()
	f.Add(written(f, keys, k, named("a"), named("b")))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := read(b, nil)
		if err != nil {
			return
		}
		var again bytes.Buffer
		r, _ := inventory.NewReader(bytes.NewReader(b), nil)
		w, _ := inventory.NewWriter(&again, r.Header)
		for _, e := range all {
			if err := w.Write(e); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(b, again.Bytes()) {
			t.Error("what is read is not what would be written")
		}
	})
}
