package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/pki"
)

// TestPairFiles: a pair is read once, and another one as soon as it is there.
func TestPairFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &pairFiles{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	if _, err := p.read(nil); err == nil {
		t.Fatal("files that are not there are read")
	}
	ca, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	put := func(at time.Time) {
		pair, err := ca.Issue([]string{"gateway.example"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{p.cert: pair.Cert, p.key: pair.Key} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(name, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now().Truncate(time.Second)
	put(began)
	first, err := p.read(nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.read(nil); err != nil || again != first {
		t.Errorf("a pair that is as it was is read again: %v", err)
	}
	put(began.Add(time.Second))
	if next, err := p.read(nil); err != nil || bytes.Equal(next.Certificate[0], first.Certificate[0]) {
		t.Errorf("another pair is not read: %v", err)
	}
	if err := os.WriteFile(p.key, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.read(nil); err == nil {
		t.Error("half a pair is served")
	}
}
