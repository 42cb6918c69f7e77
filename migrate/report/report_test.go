package report_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/migrate/report"
	"github.com/vaultferry/vaultferry/secret"
)

// TestVerify: whoever signed is told from who did not, for both kinds of keys.
func TestVerify(t *testing.T) {
	t.Parallel()
	ed, ec := keyring(t, edRing), keyring(t, ecRing)
	edKeys, ecKeys := public(t, ed), public(t, ec)
	bare := []backup.SigningKey{{Public: edKeys[0].Public}} // of PEM: without an id
	one, two := signed(t, ed), signed(t, ed, ec)
	for name, c := range map[string]struct {
		file    []byte
		parties [][]backup.SigningKey
		want    string // the parties of the signatures; "x": it fails
	}{
		"by its key":                       {one, [][]backup.SigningKey{edKeys}, "0"},
		"by another key":                   {one, [][]backup.SigningKey{ecKeys}, "x"},
		"by one of two keys":               {one, [][]backup.SigningKey{append(ecKeys[:1:1], edKeys...)}, "0"},
		"a key without an id":              {one, [][]backup.SigningKey{bare}, "0"},
		"by nobody":                        {one, nil, "x"},
		"a party that did not sign":        {one, [][]backup.SigningKey{edKeys, ecKeys}, "x"},
		"two parties":                      {two, [][]backup.SigningKey{ecKeys, edKeys}, "1 0"},
		"two, of whom one is known":        {two, [][]backup.SigningKey{ecKeys}, "? 0"},
		"two, of whom one has no id":       {two, [][]backup.SigningKey{bare}, "0 ?"},
		"a key that claims another's name": {one, [][]backup.SigningKey{{{ID: "the-source", Public: ecKeys[0].Public}}}, "x"},
	} {
		found, err := parse(t, c.file).Verify(c.parties...)
		var got []string
		for _, s := range found {
			got = append(got, map[int]string{-1: "?", 0: "0", 1: "1"}[s.Party])
		}
		if err != nil {
			got = []string{"x"}
			if !errors.Is(err, secret.Corrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.want, err)
		}
	}
}

// TestRetired: a key that is retired later still proves what it signed, and one
// that had been retired before does not.
func TestRetired(t *testing.T) {
	t.Parallel()
	ed := keyring(t, edRing)
	r := parse(t, signed(t, ed))
	made := r.Statement.Predicate.Made
	for after, good := range map[time.Duration]bool{-time.Second: false, 0: true, time.Hour: true} {
		retired, err := ed.Retire("the-source", made.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Verify(public(t, retired)); (err == nil) != good {
			t.Errorf("retired %v after the report was made: %v", after, err)
		}
		if _, err := report.Sign(r.Statement, retired); !errors.Is(err, secret.Unsupported) {
			t.Errorf("a retired key signs: %v", err)
		}
	}
}

// TestEveryBit: no bit of a report can be changed without a verifier with all of
// its keys telling so.
func TestEveryBit(t *testing.T) {
	t.Parallel()
	ed, ec := keyring(t, edRing), keyring(t, ecRing)
	parties := [][]backup.SigningKey{public(t, ed), public(t, ec)}
	file := signed(t, ed, ec)
	if _, err := parse(t, file).Verify(parties...); err != nil {
		t.Fatal(err)
	}
	for i := range file {
		bit := byte(1) << (i % 8)
		file[i] ^= bit
		if r, err := report.Parse(file); err == nil {
			if _, err := r.Verify(parties...); err == nil {
				t.Errorf("bit %#x of byte %d was changed, and nobody noticed", bit, i)
			}
		}
		file[i] ^= bit
	}
	for n := range file {
		if _, err := report.Parse(file[:n]); !errors.Is(err, secret.Corrupt) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

// TestParseRefuses what says the same in other bytes, or something else.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	ed := keyring(t, edRing)
	file := signed(t, ed)
	payload := func(change func(map[string]any)) []byte {
		var e map[string]any
		var s map[string]any
		if json.Unmarshal(file, &e) != nil {
			t.Fatal("no JSON")
		}
		b, err := base64.StdEncoding.DecodeString(e["payload"].(string))
		if err != nil || json.Unmarshal(b, &s) != nil {
			t.Fatal("no payload")
		}
		change(s)
		b, err = json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Replace(file, []byte(e["payload"].(string)), []byte(base64.StdEncoding.EncodeToString(b)), 1)
	}
	sig := file[bytes.Index(file, []byte(`{"keyid"`)):bytes.Index(file, []byte(`]`))]
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"another file":      []byte("{}\n"),
		"white space":       append([]byte(" "), file...),
		"a second line":     append(bytes.Clone(file), file...),
		"too large":         bytes.Repeat([]byte(" "), report.MaxSize+1),
		"another type":      bytes.Replace(file, []byte(report.PayloadType), []byte("application/json"), 1),
		"no signature":      bytes.Replace(file, sig, nil, 1),
		"a signature twice": bytes.Replace(file, sig, append(append(bytes.Clone(sig), ','), sig...), 1),
		"an odd key":        bytes.Replace(file, []byte(`"the-source"`), []byte(`" "`), 1),
		"another member":    bytes.Replace(file, []byte(`{"payload"`), []byte(`{"a":1,"payload"`), 1),
		"members reordered": payload(func(map[string]any) {}), // maps are written in the order of keys
		"another statement": payload(func(s map[string]any) { s["_type"] = "https://in-toto.io/Statement/v2" }),
	} {
		if _, err := report.Parse(b); !errors.Is(err, secret.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := bytes.Replace([]byte(payloadOf(t, file)), []byte("migration/v1"), []byte("migration/v2"), 1)
	later = bytes.Replace(file, []byte(base64.StdEncoding.EncodeToString([]byte(payloadOf(t, file)))), []byte(base64.StdEncoding.EncodeToString(later)), 1)
	if _, err := report.Parse(later); !errors.Is(err, secret.Unsupported) || !strings.Contains(err.Error(), "migration/v2") {
		t.Errorf("a report of a later release: %v", err)
	}
}

// TestNewRefuses facts that do not fit together.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*report.Migration){
		"no name":                           func(m *report.Migration) { m.Run = "" },
		"a time is missing":                 func(m *report.Migration) { m.Moved.Ended = time.Time{} },
		"two files are called move.plan":    func(m *report.Migration) { m.Target.File = "elsewhere/move.plan" },
		"the id of the run key":             func(m *report.Migration) { m.RunKeyID = "" },
		"the root of target.inventory":      func(m *report.Migration) { m.Target.Root = "abc" },
		"add up to 4 secrets, not 5":        func(m *report.Migration) { m.Plan.Secrets = 5 },
		"does not add up to the 3 secrets":  func(m *report.Migration) { m.Moved.Done = 2 },
		"a count is below 0":                func(m *report.Migration) { m.Compared.Unread = -1 },
		"a class without":                   func(m *report.Migration) { m.Plan.Classes = map[string]int{"A B": 4} },
		"a loss has no grade":               func(m *report.Migration) { m.Losses[0].Grade = "bad" },
		"the losses are not in their order": func(m *report.Migration) { m.Losses[0] = m.Losses[1] },
		"the lines of the audit":            func(m *report.Migration) { m.Audit.Last.Number = 1 },
		"is not the file":                   func(m *report.Migration) { m.Plan.File = "" },
	} {
		m := facts()
		change(&m)
		if _, err := report.New(m, digestOf("plan"), digestOf("source"), digestOf("target")); !errors.Is(err, secret.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := report.New(facts(), "abc", digestOf("source"), digestOf("target")); !errors.Is(err, secret.Invalid) {
		t.Errorf("a digest that is none: %v", err)
	}
}

// TestCosign: who looks for his own inventory in a report signs it only if it
// stands there, once, and the payload stays as it is.
func TestCosign(t *testing.T) {
	t.Parallel()
	ed, ec := keyring(t, edRing), keyring(t, ecRing)
	file := signed(t, ed)
	mine := facts().Target
	mine.File = "renamed"
	for want, change := range map[string]func(*report.Store, *string){
		"does not stand in the report":  func(s *report.Store, _ *string) { s.Root = "AAAAQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" },
		"secrets is 4 and not 5":        func(s *report.Store, _ *string) { s.Secrets = 5 },
		"gateway is b01d":               func(s *report.Store, _ *string) { s.Gateway = "another" },
		"ended is 2026-11-30 12:31:00":  func(s *report.Store, _ *string) { s.Ended = day },
		"the digest of another file":    func(_ *report.Store, sum *string) { *sum = digestOf("another") },
		"noValues is false and not tru": func(s *report.Store, _ *string) { s.NoValues = true },
	} {
		r, other, sum := parse(t, file), mine, digestOf("target")
		change(&other, &sum)
		if _, err := r.Cosign(ec, other, sum); !errors.Is(err, secret.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if !bytes.Equal(encode(t, r), file) {
			t.Errorf("%s: it was signed all the same", want)
		}
	}
	r := parse(t, file)
	if side, err := r.Cosign(ec, mine, digestOf("target")); side != report.Target || err != nil {
		t.Fatal(side, err)
	}
	if _, err := r.Cosign(ec, mine, digestOf("target")); !errors.Is(err, secret.AlreadyExists) {
		t.Errorf("signed twice: %v", err)
	}
	if side, err := r.Holds(facts().Source, digestOf("source")); side != report.Source || err != nil {
		t.Error(side, err)
	}
	var before, after struct{ Payload string }
	if json.Unmarshal(file, &before) != nil || json.Unmarshal(encode(t, r), &after) != nil || before.Payload != after.Payload || before.Payload == "" {
		t.Error("the payload is another one")
	}
	if _, err := parse(t, encode(t, r)).Verify(public(t, ed), public(t, ec)); err != nil {
		t.Error(err)
	}
}

// TestManySignatures: they are bounded.
func TestManySignatures(t *testing.T) {
	t.Parallel()
	r := parse(t, signed(t, keyring(t, edRing)))
	for range 15 {
		k, err := backup.NewKeyringOf(backup.AlgA256KW, backup.AlgEdDSA)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Cosign(k, facts().Source, digestOf("source")); err != nil {
			t.Fatal(err)
		}
	}
	parse(t, encode(t, r))
	if _, err := r.Cosign(keyring(t, ecRing), facts().Source, digestOf("source")); !errors.Is(err, secret.TooLarge) {
		t.Errorf("a signature too many: %v", err)
	}
}

// FuzzParse: whatever is taken is what would be written, and only what was signed
// verifies.
func FuzzParse(f *testing.F) {
	ed, ec := keyring(f, edRing), keyring(f, ecRing)
	file := signed(f, ed)
	keys := public(f, ed)
	f.Add(file)
	f.Add(signed(f, ed, ec))
	f.Add([]byte(`{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[]}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := report.Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(encode(t, r), b) {
			t.Fatal("not as it would be written")
		}
		if _, err := r.Verify(keys); err == nil && !reflect.DeepEqual(r.Statement, statement(t, facts())) {
			t.Fatal("something else verifies")
		}
	})
}
