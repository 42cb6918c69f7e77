package bolt

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// BenchmarkManyDisk is what the disk itself takes for a Put by one writer: the
// pages that it writes, wherever they are in the file, and the two fsyncs of a
// commit.
func BenchmarkManyDisk(b *testing.B) {
	const pages = 7
	for _, n := range sizes {
		data, err := os.ReadFile(manyStore(b, n))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("secrets=%d", n), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "file"))
			if err != nil {
				b.Fatal(err)
			}
			_, err = f.Write(data)
			if err := errors.Join(err, f.Sync()); err != nil {
				b.Fatal(err)
			}
			page := make([]byte, os.Getpagesize())
			all := len(data) / len(page)
			for b.Loop() {
				for i := range pages {
					at := 0 // last, the page that tells of the write
					if i < pages-1 {
						at = rand.IntN(all)
					}
					_, err := f.WriteAt(page, int64(at)*int64(len(page)))
					if i >= pages-2 {
						err = errors.Join(err, syscall.Fdatasync(int(f.Fd())))
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
