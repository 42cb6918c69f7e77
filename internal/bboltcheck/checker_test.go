package bboltcheck_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/internal/bboltcheck"
)

// makeFile returns a file with buckets of every shape, and pages that are free.
func makeFile(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	put := func(bucket string, n, size int) {
		t.Helper()
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte(bucket))
			for i := range n {
				err = errors.Join(err, b.Put(fmt.Appendf(nil, "%s-%06d", bucket, i), bytes.Repeat([]byte{byte(i)}, size)))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("empty", 0, 0)
	put("inline", 3, 9)
	put("leaf", 60, 40)
	put("deep", 4000, 100)
	put("overflow", 4, 20000)
	put("gone", 500, 100)
	err = db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("gone")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// result is what a check of a file says.
type result struct {
	problems    []string
	records     string // all of them, as text
	free        int
	unreachable []uint64
}

func (r *result) note(p bboltcheck.Problem) {
	keys := ""
	if p.Keys.From != nil || p.Keys.To != nil {
		keys = fmt.Sprintf(" [%s, %s)", p.Keys.From, p.Keys.To)
	}
	r.problems = append(r.problems, fmt.Sprintf("%s/%d%s: %s", p.Where, p.Page, keys, p.What))
}

func (r *result) has(words ...string) bool {
	for _, p := range r.problems {
		all := true
		for _, w := range words {
			all = all && strings.Contains(p, w)
		}
		if all {
			return true
		}
	}
	return false
}

func check(t testing.TB, file []byte) (r result, err error) {
	t.Helper()
	s, err := bboltcheck.ReadState(bytes.NewReader(file), int64(len(file)), r.note)
	if err != nil {
		return r, err
	}
	walk(t.Context(), bytes.NewReader(file), s, &r)
	return r, nil
}

func walk(ctx context.Context, f *bytes.Reader, s bboltcheck.State, r *result) {
	var text strings.Builder
	c := bboltcheck.New(ctx, f, s, r.note)
	all := c.Buckets()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for k, v := range c.Records(all[name]) {
			writeRecord(&text, name, k, v)
		}
	}
	r.records, r.free, r.unreachable = text.String(), c.FreePages(), c.Unreachable()
}

func writeRecord(to *strings.Builder, bucket string, k, v []byte) {
	for _, s := range []string{bucket, " ", string(k), " ", string(v), "\n"} {
		to.WriteString(s)
	}
}

func mustCheck(t testing.TB, file []byte) result {
	t.Helper()
	r, err := check(t, file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// openFile opens the file with bbolt.
func openFile(t testing.TB, file []byte) *bbolt.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestSound: of a sound file it says what bbolt says: the records, the free
// pages, and that nothing is wrong.
func TestSound(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	got := mustCheck(t, file)
	db := openFile(t, file)
	var want strings.Builder
	err := db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		for _, name := range []string{"deep", "empty", "inline", "leaf", "overflow"} {
			err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
				writeRecord(&want, name, k, v)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stats := db.Stats()
	if got.records != want.String() || got.free != stats.FreePageN || got.free == 0 {
		t.Errorf("%d bytes of records, %d pages free; bbolt says %d and %d", len(got.records), got.free, want.Len(), stats.FreePageN)
	}
	if len(got.problems) > 0 || len(got.unreachable) > 0 {
		t.Errorf("problems %q, unreachable %v", got.problems, got.unreachable)
	}
}

// TestSoundWhileChanging: after whatever transactions, bbolt's file is found sound.
func TestSoundWhileChanging(t *testing.T) {
	t.Parallel()
	db := openFile(t, makeFile(t))
	db.NoSync = true
	for range 60 {
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte([]string{"empty", "inline", "leaf", "deep", "overflow", "new"}[rand.IntN(6)]))
			if err != nil {
				return err
			}
			if rand.IntN(3) == 0 { // delete all, or the first few
				for left := rand.IntN(2) * rand.IntN(500); ; left-- {
					k, _ := b.Cursor().First()
					if k == nil || left == 1 {
						return nil
					}
					if err := b.Delete(k); err != nil {
						return err
					}
				}
			}
			for range rand.IntN(100) {
				err = errors.Join(err, b.Put(fmt.Appendf(nil, "%d", rand.IntN(10000)), make([]byte, rand.IntN(100*(1+rand.IntN(60))))))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(db.Path())
		if err != nil {
			t.Fatal(err)
		}
		if got := mustCheck(t, file); len(got.problems) > 0 || len(got.unreachable) > 0 {
			t.Fatalf("problems %q, unreachable %v", got.problems, got.unreachable)
		}
	}
}

// TestStateOf: the state of a transaction is read as it was, while writers go
// on.
func TestStateOf(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	want := mustCheck(t, file)
	db := openFile(t, file)
	err := db.View(func(tx *bbolt.Tx) error {
		s, err := bboltcheck.StateOf(tx)
		if err != nil {
			return err
		}
		for i := range 5 {
			err := db.Update(func(tx *bbolt.Tx) error {
				return errors.Join(tx.Bucket([]byte("deep")).Put([]byte{byte(i)}, make([]byte, 5000)), tx.Bucket([]byte("leaf")).Delete([]byte("leaf-000001")))
			})
			if err != nil {
				return err
			}
		}
		now, err := os.ReadFile(db.Path())
		if err != nil {
			return err
		}
		var got result
		walk(t.Context(), bytes.NewReader(now), s, &got)
		if got.records != want.records || len(got.problems) > 0 || len(got.unreachable) > 0 {
			t.Errorf("it has changed: problems %q, unreachable %v", got.problems, got.unreachable)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestInterrupted: a walk ends with its context.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	s, err := bboltcheck.ReadState(bytes.NewReader(file), int64(len(file)), func(bboltcheck.Problem) {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var r result
	walk(ctx, bytes.NewReader(file), s, &r)
	if r.records != "" {
		t.Error("it went on")
	}
}

// TestNoFile: what is no file of bbolt is no state.
func TestNoFile(t *testing.T) {
	t.Parallel()
	for what, file := range map[string][]byte{
		"empty": nil, "text": bytes.Repeat([]byte("no database\n"), 9000), "zeros": make([]byte, 1<<16), "no meta": append(make([]byte, 2*4096), makeFile(t)[2*4096:]...),
	} {
		if r, err := check(t, file); err == nil {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

// TestCutShort: a file that lost its end is found damaged wherever it ends.
func TestCutShort(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	s, err := bboltcheck.ReadState(bytes.NewReader(file), int64(len(file)), func(bboltcheck.Problem) {})
	if err != nil {
		t.Fatal(err)
	}
	for id := range int(s.Pages) {
		if r, err := check(t, file[:id*4096+2048]); err == nil && !r.has("the file is cut short") {
			t.Errorf("cut in page %d of %d: %q", id, s.Pages, r.problems)
		}
	}
}

// TestOtherPageSize: pages are as large as the meta page says; where page 0 is
// lost, page 1 is found all the same.
func TestOtherPageSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1024, 4096, 16384, 65536} {
		path := filepath.Join(t.TempDir(), "b.db")
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: size})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the later one is on page 1 at one time
			err = errors.Join(err, db.Update(func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists([]byte("leaf"))
				return errors.Join(err, b.Put([]byte("k"), []byte("v")))
			}))
		}
		file, readErr := os.ReadFile(path)
		if err := errors.Join(err, readErr, db.Close()); err != nil {
			t.Fatal(err)
		}
		if r := mustCheck(t, file); r.records != "leaf k v\n" || len(r.problems) > 0 {
			t.Errorf("%d: %q, %q", size, r.records, r.problems)
		}
		copy(file, make([]byte, 100))
		if r := mustCheck(t, file); r.records != "leaf k v\n" || !r.has("meta page 0") {
			t.Errorf("%d without page 0: %q, %q", size, r.records, r.problems)
		}
	}
}

// FuzzCheck: whatever stands in a file, a check of it ends.
func FuzzCheck(f *testing.F) {
	whole := makeFile(f)
	s, err := bboltcheck.ReadState(bytes.NewReader(whole), int64(len(whole)), func(bboltcheck.Problem) {})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{1})
	f.Add(uint32(2*4096+8), []byte{1, 0, 0xff, 0xff})
	f.Add(uint32(5*4096+16), binary.NativeEndian.AppendUint64(nil, 5))
	f.Fuzz(func(t *testing.T, at uint32, b []byte) {
		file := bytes.Clone(whole)
		copy(file[int(at)%len(file):], b)
		_, _ = check(t, file)
		var r result // the state as a transaction has it: the meta pages do not count
		walk(t.Context(), bytes.NewReader(file), s, &r)
	})
}
