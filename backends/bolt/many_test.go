package bolt

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

func manyName(i int) secret.Name { return secret.Name(fmt.Sprintf("team-%03d/secret-%07d", i%100, i)) }

func manyValue(i int) secret.Value { return secret.TextValue(fmt.Sprintf("%0100d", i)) }

// fillSecrets makes n secrets as Put would, in few transactions.
func fillSecrets(t testing.TB, s *Store, n int) {
	t.Helper()
	const batch = 20000
	for from := 0; from < n; from += batch {
		err := s.db.Update(func(tx *bbolt.Tx) error {
			for i := from; i < min(from+batch, n); i++ {
				h := history.NewHead(manyName(i))
				d := secret.Draft{Value: manyValue(i)}
				v := h.Append(&d, secret.NewUID(), s.now())
				puts, err := s.newSecretPuts(h, v)
				if err != nil {
					return err
				}
				if err := apply(tx, puts); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestMany: what counts with few secrets counts with many: pages of lists, and
// trees of bbolt's that are three pages deep, as with twenty thousand.
func TestMany(t *testing.T) {
	t.Parallel()
	const n = 5000
	path := filepath.Join(t.TempDir(), "s.db")
	s := storeAt(t, path)
	fillSecrets(t, s, n)
	listed, last := 0, secret.Name("")
	for q := (secret.Query{Limit: 700}); ; {
		p, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, sec := range p.Secrets {
			if sec.Name <= last {
				t.Fatalf("%q comes after %q", sec.Name, last)
			}
			last = sec.Name
			listed++
		}
		if q.After = p.Next; p.Next == "" {
			break
		}
	}
	if listed != n {
		t.Errorf("%d secrets are listed", listed)
	}
	for range 50 {
		i := rand.IntN(n)
		got, err := s.Get(t.Context(), manyName(i), secret.Current)
		if err != nil || !got.Versions[0].Value.Equal(manyValue(i)) {
			t.Fatalf("%q: %v, or another value", manyName(i), err)
		}
	}
	var copied bytes.Buffer
	if err := s.Snapshot(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(file, copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	found := verified(t, file)
	wantSound(t, found)
	if found.Secrets != n || found.Versions != n {
		t.Errorf("the copy has %d secrets with %d versions", found.Secrets, found.Versions)
	}
}

// The benchmarks below run over a store of so many secrets, each made once.
var sizes = []int{1000, 1000000}

// manyFile is kept for all benchmarks of one run.
var manyFiles = map[int]string{}

func manyStore(b *testing.B, n int) string {
	b.Helper()
	if path := manyFiles[n]; path != "" {
		return path
	}
	dir, err := os.MkdirTemp("", "vaultferry-bolt-") // it outlives this benchmark
	if err != nil {
		b.Fatal(err)
	}
	atExit = append(atExit, func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s.db")
	s := storeAt(b, path)
	s.db.NoSync = true
	fillSecrets(b, s, n)
	if err := s.db.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	manyFiles[n] = path
	return path
}

// atExit is what is left to do when all tests and benchmarks have run.
var atExit []func()

// forSizes runs f over a store of each size that has served for some time:
// every page has been touched once, which costs more than all else that is
// measured here.
func forSizes(b *testing.B, f func(b *testing.B, s *Store, n int)) {
	for _, n := range sizes {
		path := manyStore(b, n)
		b.Run(fmt.Sprintf("secrets=%d", n), func(b *testing.B) {
			s := storeAt(b, path)
			warm(b, s)
			b.ResetTimer()
			f(b, s, n)
		})
	}
}

func warm(b *testing.B, s *Store) {
	b.Helper()
	touched := byte(0)
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			err := tx.Bucket(name).ForEach(func(_, v []byte) error {
				if len(v) > 0 {
					touched ^= v[len(v)-1]
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err, touched)
	}
}

// BenchmarkManyPut: durable writes per second do not depend on how many
// secrets there are, beyond what BenchmarkManyDisk says of the disk.
func BenchmarkManyPut(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			forSizes(b, func(b *testing.B, s *Store, n int) {
				pages := s.db.Stats().TxStats
				before := pages.GetPageAlloc()
				b.SetParallelism(writers)
				put := func(ctx context.Context) error {
					_, err := s.Put(ctx, manyName(rand.IntN(n)), secret.Draft{Value: manyValue(0)})
					return err
				}
				if writers == 1 {
					for b.Loop() {
						if err := put(b.Context()); err != nil {
							b.Fatal(err)
						}
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							if err := put(b.Context()); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
				pages = s.db.Stats().TxStats
				b.ReportMetric(float64(pages.GetPageAlloc()-before)/float64(b.N)/1024, "KiB/write")
			})
		})
	}
}

func BenchmarkManyGet(b *testing.B) {
	forSizes(b, func(b *testing.B, s *Store, n int) {
		for b.Loop() {
			if _, err := s.Get(b.Context(), manyName(rand.IntN(n)), secret.Current); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkManyList is a page of 25, somewhere.
func BenchmarkManyList(b *testing.B) {
	forSizes(b, func(b *testing.B, s *Store, n int) {
		for b.Loop() {
			q := secret.Query{After: manyName(rand.IntN(n)), Limit: 25, WithTrash: true}
			if _, err := s.List(b.Context(), q); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkManyTrash is a page of 25 where nearly all are deleted.
func BenchmarkManyTrash(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		s := newStore(b)
		s.db.NoSync = true
		fillSecrets(b, s, n)
		trashSecrets(b, s, n-10)
		for what, q := range map[string]secret.Query{"live": {Limit: 25}, "all": {Limit: 25, WithTrash: true}} {
			b.Run(fmt.Sprintf("secrets=%d/%s", n, what), func(b *testing.B) {
				for b.Loop() {
					if _, err := s.List(b.Context(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// trashSecrets deletes the first n that fillSecrets made, in one transaction.
func trashSecrets(b *testing.B, s *Store, n int) {
	b.Helper()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for i := range n {
			h, err := s.readHead(tx, liveHeads, manyName(i))
			if err != nil {
				return err
			}
			h.Secret.Deleted = &secret.Deletion{At: s.now()}
			puts, err := s.movePuts(h, liveHeads, trashHeads)
			if err != nil {
				return err
			}
			if err := apply(tx, puts); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkManyOpen is the start of a gateway: open, and one answer.
func BenchmarkManyOpen(b *testing.B) {
	for _, n := range sizes {
		path := manyStore(b, n)
		b.Run(fmt.Sprintf("secrets=%d", n), func(b *testing.B) {
			for b.Loop() {
				s := storeAt(b, path)
				if _, err := s.Get(b.Context(), manyName(n/2), secret.Current); err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkManyWhole is what is done to a whole store.
func BenchmarkManyWhole(b *testing.B) {
	forSizes(b, func(b *testing.B, s *Store, _ int) {
		b.Run("examine", func(b *testing.B) {
			for b.Loop() {
				found, err := s.Verify(b.Context())
				if err != nil || !found.Sound() {
					b.Fatal(err)
				}
				b.SetBytes(found.Bytes)
			}
		})
		b.Run("snapshot", func(b *testing.B) {
			file := filepath.Join(b.TempDir(), "copy.db")
			for b.Loop() {
				f, err := os.Create(file)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Snapshot(b.Context(), f); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				if info, err := f.Stat(); err == nil {
					b.SetBytes(info.Size())
				}
				if err := f.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func BenchmarkManyRenew(b *testing.B) {
	for _, n := range sizes {
		path := manyStore(b, n)
		b.Run(fmt.Sprintf("secrets=%d", n), func(b *testing.B) {
			b.Run("compact", func(b *testing.B) {
				for b.Loop() {
					if _, _, err := Compact(b.Context(), path, plainKeys{}); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("rekey", func(b *testing.B) {
				for b.Loop() {
					if _, _, err := Rekey(b.Context(), path, plainKeys{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
