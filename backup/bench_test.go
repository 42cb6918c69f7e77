package backup

import (
	"runtime"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// manyVersions returns a document of n versions of size bytes each.
func manyVersions(n, size int) *Document {
	d := smallDocument()
	d.Secret.Current, d.Secret.Versions = 1, nil
	line := "a line of PEM or of JSON with \"quotes\" in it, as secrets are\n"
	text := strings.Repeat(line, size/len(line)+1)[:size]
	for i := range n {
		d.Secret.Versions = append(d.Secret.Versions, secret.Version{
			Ordinal: secret.Ordinal(i + 1), UID: secret.NewUID(), Value: secret.TextValue(text),
			Created: d.SealedAt, Updated: d.SealedAt, Tags: map[string]string{"env": "prod"},
		})
	}
	return d
}

func benchmarkSeal(b *testing.B, n, size int) {
	k, d := NewKeyring(), manyVersions(n, size)
	b.SetBytes(d.Secret.Size())
	b.ReportAllocs()
	for b.Loop() {
		mustSeal(b, k, d)
	}
}

func benchmarkOpen(b *testing.B, n, size int) {
	k, d := NewKeyring(), manyVersions(n, size)
	blob := mustSeal(b, k, d)
	b.SetBytes(d.Secret.Size())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(blob); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal100x1KiB(b *testing.B) { benchmarkSeal(b, 100, 1<<10) }
func BenchmarkSeal500x25KB(b *testing.B) { benchmarkSeal(b, 500, 25_000) }
func BenchmarkOpen100x1KiB(b *testing.B) { benchmarkOpen(b, 100, 1<<10) }
func BenchmarkOpen500x25KB(b *testing.B) { benchmarkOpen(b, 500, 25_000) }

func BenchmarkEncode100x1KiB(b *testing.B) {
	d := manyVersions(100, 1<<10)
	b.SetBytes(d.Secret.Size())
	b.ReportAllocs()
	for b.Loop() {
		mustEncode(b, d)
	}
}

func BenchmarkSealByKey(b *testing.B) {
	for _, alg := range []string{AlgA256KW, AlgECDH, AlgRSA} {
		b.Run(alg, func(b *testing.B) {
			k, err := NewKeyringOf(alg)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				mustSeal(b, k, smallDocument())
			}
		})
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMemoryOfAFullSecret counts all that is allocated, garbage included: what
// is held at any one time is less.
func TestMemoryOfAFullSecret(t *testing.T) { // not in parallel: it counts for the whole process
	k, d := NewKeyring(), manyVersions(500, 25_000)
	var blob []byte
	checkBudget(t, "seal", d, allocated(func() { blob = mustSeal(t, k, d) }), 7)
	checkBudget(t, "open", d, allocated(func() {
		if _, err := k.Open(blob); err != nil {
			t.Error(err)
		}
	}), 4)
}

func checkBudget(t *testing.T, what string, d *Document, got uint64, times float64) {
	t.Helper()
	ratio := float64(got) / float64(d.Secret.Size())
	t.Logf("%s allocates %.1f times the secret's size", what, ratio)
	if ratio > times {
		t.Errorf("%s allocates %.1f times the secret's size, more than %.0f", what, ratio, times)
	}
}
