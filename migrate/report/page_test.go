package report_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/golden"
	"github.com/vaultferry/vaultferry/internal/pages"
	"github.com/vaultferry/vaultferry/migrate/report"
)

const pagePath = "../../docs/report.md"

const vectorHead = "## A vector\n\n"

// TestVector writes the page's vector, whose bytes are put together here once more
// from what the page says.
func TestVector(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	prose, _, ok := strings.Cut(string(text), vectorHead)
	if !ok {
		t.Fatal("the page has no vector")
	}
	file := signed(t, keyring(t, edRing))
	payload := payloadOf(t, file)
	pae := "DSSEv1 28 application/vnd.in-toto+json " + fmt.Sprint(len(payload)) + " " + payload
	sum := sha256.Sum256([]byte(pae))
	golden.Compare(t, pagePath, prose+vectorHead+
		"The key is the Ed25519 key whose seed is the bytes 00 to 1f, with the id `the-source`:\n\n```\n"+string(publicJWK(t))+"```\n\n"+
		"The payload has "+fmt.Sprint(len(payload))+" bytes:\n\n```\n"+payload+"\n```\n\n"+
		"What is signed has "+fmt.Sprint(len(pae))+" bytes and the SHA-256 `"+hex.EncodeToString(sum[:])+"`. The file, which ends in a line feed:\n\n"+
		"```\n"+string(file)+"```\n")
}

// publicJWK is what an auditor is given.
func publicJWK(t *testing.T) []byte {
	t.Helper()
	k, err := keyring(t, edRing).PublicSigning()
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPageNamesAll: each member of the statement stands on the page.
func TestPageNamesAll(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		switch {
		case of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice:
			walk(of.Elem())
		case of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]():
			for f := range of.Fields() {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				names = append(names, name)
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[report.Statement]())
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) < 40 {
		t.Fatalf("only %d members: %v", len(names), names)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") && name != "sha256" {
			t.Errorf("the page does not tell of %q", name)
		}
	}
}

// TestByHand: the page's lines verify a report, and no changed one.
func TestByHand(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "sed", "base64", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	text, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	script, ok := pages.First(string(text), "sh")
	if !ok {
		t.Fatal("no block of a shell was found")
	}
	m := facts()
	m.Run = "8f1b0c52"
	other, err := report.Sign(statement(t, m), keyring(t, edRing))
	if err != nil {
		t.Fatal(err)
	}
	file := string(signed(t, keyring(t, edRing), keyring(t, ecRing)))
	_, signatures, _ := strings.Cut(file, `,"signatures"`)
	changed, _, _ := strings.Cut(string(encode(t, other)), `,"signatures"`)
	for name, c := range map[string]struct {
		file string
		good bool
	}{"signed": {file, true}, "changed": {changed + `,"signatures"` + signatures, false}} {
		dir := t.TempDir()
		for name, b := range map[string]string{
			"move.report": c.file, "keys.json": string(publicJWK(t)), "the-target.pem": string(pemOf(t, public(t, keyring(t, ecRing))[0])),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for kind, lines := range map[string]string{"EdDSA": script, "ES256": ofES256(t, string(text), script)} {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", lines)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if verified := strings.Contains(string(out), "Verified Successfully") || strings.Contains(string(out), "Verified OK"); (err == nil) != c.good || verified != c.good {
				t.Errorf("%s, %s: %v\n%s", name, kind, err, out)
			}
		}
	}
}

// ofES256 is the script for the other signature, with the last line that the page
// names for it.
func ofES256(t *testing.T, page, script string) string {
	t.Helper()
	_, after, _ := strings.Cut(page, "in PEM the last line is `")
	last, _, ok := strings.Cut(after, "`")
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(script, `"keyid":"the-source"`, `"keyid":"the-target"`)), "\n")
	if !ok || len(lines) < 4 {
		t.Fatal("the page has no such line")
	}
	return strings.Join(lines[:3], "\n") + "\n" + last
}
