package bolt

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/secret"
)

func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := newStore(b)
			d := secret.Draft{Value: secret.TextValue(string(bytes.Repeat([]byte("x"), 1024)))}
			b.SetParallelism(writers)
			if writers == 1 {
				for b.Loop() {
					if _, err := s.Put(b.Context(), "s", d); err != nil {
						b.Fatal(err)
					}
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := s.Put(b.Context(), "s", d); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s := newStore(b)
	for range 100 {
		if _, err := s.Put(b.Context(), "s", secret.Draft{Value: secret.TextValue(string(bytes.Repeat([]byte("x"), 1024)))}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.Get(b.Context(), "s", secret.Current); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFullSecret: a secret as large as they come goes in and out with little
// more memory than its size. Not parallel: it counts what is allocated.
func TestFullSecret(t *testing.T) {
	s := newStore(t)
	const n, size = 500, 25600
	full := &secret.Secret{Name: "s", Current: n}
	for o := range secret.Ordinal(n) {
		full.Versions = append(full.Versions, secret.Version{
			Ordinal: o + 1, UID: secret.NewUID(), Value: secret.TextBytes(bytes.Repeat([]byte("x"), size)),
		})
	}
	sizes := allocated(func() {
		if _, err := s.Import(t.Context(), full, ""); err != nil {
			t.Fatal(err)
		}
	}) / (n * size)
	if sizes > 10 {
		t.Errorf("Import allocates %.1f times the size of the secret", sizes)
	}
	var got *secret.Secret
	sizes = allocated(func() {
		var err error
		if got, err = s.Export(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
	}) / (n * size)
	if sizes > 3 {
		t.Errorf("Export allocates %.1f times the size of the secret", sizes)
	}
	backendtest.Compare(t, full, got, nil)
}

// allocated is how many bytes f allocates, freed or not.
func allocated(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}
