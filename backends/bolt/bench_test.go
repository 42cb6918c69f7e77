package bolt

import (
	"bytes"
	"fmt"
	"testing"

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

func BenchmarkExport100(b *testing.B) {
	s := newStore(b)
	for range 100 {
		if _, err := s.Put(b.Context(), "s", secret.Draft{Value: secret.TextValue(string(bytes.Repeat([]byte("x"), 1024)))}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.Export(b.Context(), "s"); err != nil {
			b.Fatal(err)
		}
	}
}
