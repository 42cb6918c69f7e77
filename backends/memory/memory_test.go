package memory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/secret"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, backendtest.Harness{
		Open: func(*testing.T) backends.Backend { return memory.New(memory.Options{}) },
	})
}

// TestConformanceWithoutState: a backend without the optional part that keeps
// the gateway's records is a backend. The suite skips what is about them.
func TestConformanceWithoutState(t *testing.T) {
	t.Parallel()
	type stateless struct{ backends.Backend }
	backendtest.Run(t, backendtest.Harness{
		Open: func(*testing.T) backends.Backend { return stateless{memory.New(memory.Options{})} },
	})
}

// TestFixed: with a clock and ids that are given, two runs agree to the byte.
func TestFixed(t *testing.T) {
	t.Parallel()
	run := func() *secret.Secret {
		var n byte
		s := memory.New(memory.Options{
			Now:    func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678912345, time.UTC) },
			NewUID: func() secret.UID { n++; return secret.UID{n} },
		})
		for range 3 {
			if _, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Export(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	s := run()
	backendtest.Compare(t, s, run(), nil)
	for i, v := range s.Versions {
		want := time.Date(2026, 1, 2, 3, 4, 5, (678+i)*1e6, time.UTC)
		if !v.Created.Equal(want) || v.UID != (secret.UID{byte(i + 1)}) {
			t.Errorf("version %d: %v created %v, want %v", v.Ordinal, v.UID, v.Created, want)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if err := (&memory.Config{}).Validate(); err != nil {
		t.Error(err)
	}
	for _, as := range memory.Products() {
		if err := (&memory.Config{As: as}).Validate(); err != nil {
			t.Error(err)
		}
	}
	if err := (&memory.Config{As: "paper"}).Validate(); err == nil || !strings.Contains(err.Error(), "csms") {
		t.Errorf("as: %v", err)
	}
}

func BenchmarkGet(b *testing.B) {
	s := filled(b)
	for b.Loop() {
		if _, err := s.Get(b.Context(), "s", secret.Current); err != nil {
			b.Fatal(err)
		}
	}
}

// filled holds one secret with 100 versions of 1 KiB.
func filled(b *testing.B) *memory.Store {
	b.Helper()
	s := memory.New(memory.Options{})
	for range 100 {
		if _, err := s.Put(b.Context(), "s", secret.Draft{Value: secret.TextValue(strings.Repeat("x", 1024))}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}
