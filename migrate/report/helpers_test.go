package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/migrate/report"
)

// Keyrings of the page's vector: an Ed25519 key whose seed is the bytes 00 to 1f,
// and a P-256 key. Nobody uses them.
const (
	edRing = `{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"the-source","d":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","x":"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}`
	ecRing = `{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"the-target","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
)

var day = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func keyring(t testing.TB, text string) *backup.Keyring {
	t.Helper()
	k, err := backup.ParseKeyring([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// public is what an auditor is given.
func public(t testing.TB, k *backup.Keyring) []backup.SigningKey {
	t.Helper()
	p, err := k.PublicSigning()
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	return keyring(t, string(b)).SigningKeys()
}

// facts are of a small migration.
func facts() report.Migration {
	return report.Migration{
		Run: "7f1b0c52", Gateway: "379c4f2c3c3741a999c18359c3cf6936", Program: "vaultferry v1.0.0", Made: day.Add(time.Hour + 250*time.Millisecond), RunKeyID: "b855eb55ed7dece1",
		Plan: report.Plan{File: "/secret/folder/move.plan", Made: day, Secrets: 4, Classes: map[string]int{"loses": 1, "create": 2, "same": 1}, Act: 3},
		Source: report.Store{
			File: "source.inventory", Gateway: "379c4f2c3c3741a999c18359c3cf6936", Store: "old", Product: "hashivault", Begun: day, Ended: day.Add(time.Minute), Secrets: 4,
			Root: "3sduq9mBMWLShYAvCJwNoyG+8dWJDF0hLDSFzjs1cDo=",
		},
		Target: report.Store{
			File: "target.inventory", Gateway: "b01dface000000000000000000000000", Store: "new", Product: "azurekv", Begun: day.Add(30 * time.Minute), Ended: day.Add(31 * time.Minute), Secrets: 4,
			Root: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		},
		Moved:    report.Moved{Begun: day.Add(10 * time.Minute), Ended: day.Add(20 * time.Minute), Runs: 2, Done: 3, Versions: 7},
		Compared: report.Compared{Same: 3, Foretold: 1},
		Losses:   []report.Loss{{Grade: "trace", What: "uid", Foretold: 7}, {Grade: "data", What: "version", Foretold: 2, Found: 2}},
		Audit:    &report.Audit{First: report.Line{Number: 17, SHA256: digestOf("first")}, Last: report.Line{Number: 40, SHA256: digestOf("last")}},
	}
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func statement(t testing.TB, m report.Migration) *report.Statement {
	t.Helper()
	s, err := report.New(m, digestOf("plan"), digestOf("source"), digestOf("target"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed is the file of the small migration.
func signed(t testing.TB, keys ...*backup.Keyring) []byte {
	t.Helper()
	r, err := report.Sign(statement(t, facts()), keys[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys[1:] {
		if _, err := r.Cosign(k, facts().Target, digestOf("target")); err != nil {
			t.Fatal(err)
		}
	}
	return encode(t, r)
}

func encode(t testing.TB, r *report.Report) []byte {
	t.Helper()
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, b []byte) *report.Report {
	t.Helper()
	r, err := report.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encode(t, r), b) {
		t.Fatal("a report is not written as it is read")
	}
	return r
}

// payloadOf is what the signatures of a file sign, less its type.
func payloadOf(t testing.TB, file []byte) string {
	t.Helper()
	var e struct{ Payload []byte }
	if err := json.Unmarshal(file, &e); err != nil {
		t.Fatal(err)
	}
	return string(e.Payload)
}
