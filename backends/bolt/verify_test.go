package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/bboltcheck"
	"github.com/vaultferry/vaultferry/secret"
)

// small fills a store with some of everything.
func small(t testing.TB, s *Store) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		name := secret.Name(fmt.Sprintf("secret-%02d", i))
		for v := range 1 + i%3 {
			_, err := s.Put(ctx, name, secret.Draft{Value: secret.TextValue(strings.Repeat("v", 40*v+i)), Stages: []string{"blue"}})
			must(err)
		}
	}
	_, err := s.Put(ctx, "large", secret.Draft{Value: secret.TextValue(strings.Repeat("v", 3*os.Getpagesize()))})
	must(err)
	_, err = s.Import(ctx, backendtest.Sample("sample"), "")
	must(err)
	for _, name := range []secret.Name{"secret-03", "secret-05"} {
		_, err = s.Delete(ctx, name, time.Now())
		must(err)
	}
	must(s.Purge(ctx, "secret-05"))
	must(s.WriteState(ctx, "events", []byte(`{"a":1}`), ""))
}

// smallFile is the path of such a store, closed.
func smallFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	s := storeAt(t, path)
	small(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func verified(t testing.TB, path string) *backends.Findings {
	t.Helper()
	found, err := VerifyFile(t.Context(), path, plainKeys{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantSound(t testing.TB, found *backends.Findings) {
	t.Helper()
	for _, d := range found.Damage {
		t.Errorf("%q: %s", d.Name, d.What)
	}
}

// boltAgrees asks bbolt's own check, which can be asked of a sound file alone.
func boltAgrees(t testing.TB, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestVerify: a sound store is found sound, open and closed, and counted.
func TestVerify(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	s := storeAt(t, path)
	small(t, s)
	open, err := s.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	boltAgrees(t, path)
	closed := verified(t, path)
	sample := len(backendtest.Sample("sample").Versions)
	for what, found := range map[string]*backends.Findings{"open": open, "closed": closed} {
		wantSound(t, found)
		got := fmt.Sprint(found.Format, found.MadeAs, found.Key, found.Secrets, found.Deleted, found.Versions, found.Records)
		want := fmt.Sprint(format, "s", "plain", 12, 1, 24-3+1+sample, 1)
		if got != want || found.Bytes == 0 || found.FreePages == 0 || found.FreeBytes != int64(found.FreePages*os.Getpagesize()) {
			t.Errorf("%s: %s, want %s; %d bytes, %d pages free", what, got, want, found.Bytes, found.FreePages)
		}
	}
}

// TestVerifyWhileWriting: writers do not disturb it, nor it them.
func TestVerifyWhileWriting(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	small(t, s)
	done := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			name := secret.Name(fmt.Sprintf("secret-%02d", 6+i%6))
			if _, err := s.Put(t.Context(), name, secret.Draft{Value: secret.TextValue(strings.Repeat("w", i%6000))}); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 20 {
		found, err := s.Verify(t.Context())
		if err != nil {
			t.Error(err)
			break
		}
		wantSound(t, found)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// dump is all that can be read of a file, key by key.
func dump(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	ignore := func(bboltcheck.Problem) {}
	state, err := bboltcheck.ReadState(f, info.Size(), ignore)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	c := bboltcheck.New(t.Context(), f, state, ignore)
	all := c.Buckets()
	for _, name := range buckets() {
		for k, v := range c.Records(all[string(name)]) {
			fmt.Fprintf(&b, "%s %x %x\n", name, k, v)
		}
	}
	return b.String()
}

func stateOf(t testing.TB, file []byte) bboltcheck.State {
	t.Helper()
	s, err := bboltcheck.ReadState(bytes.NewReader(file), int64(len(file)), func(p bboltcheck.Problem) { t.Errorf("%+v", p) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFlippedBytes turns a bit of byte after byte of a file. Either that is
// found, or it is a byte that means nothing: all records stand as they were.
// Never does looking at the file end the program.
func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	path := smallFile(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := dump(t, path)
	state := stateOf(t, data)
	used := int(state.Pages) * state.PageSize
	rounds := 600
	if testing.Short() {
		rounds = 200
	}
	file := filepath.Join(t.TempDir(), "f.db")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flip := func(at, bit int) (found bool) {
		t.Helper()
		if _, err := f.WriteAt([]byte{data[at] ^ 1<<bit}, int64(at)); err != nil {
			t.Fatal(err)
		}
		got, err := VerifyFile(t.Context(), file, plainKeys{})
		found = err != nil || !got.Sound()
		if !found && dump(t, file) != want {
			t.Errorf("bit %d of byte %d, in page %d: a record is another, and nothing is said", bit, at, at/state.PageSize)
		}
		if _, err := f.WriteAt(data[at:at+1], int64(at)); err != nil {
			t.Fatal(err)
		}
		return found
	}
	told := 0
	for _, member := range []string{"format", "store", "key"} { // a letter in the other case
		said, word := false, []byte(`"`+member+`":`)
		for at := 0; bytes.Contains(data[at:], word); at++ { // pages in no use may have it, too
			at += bytes.Index(data[at:], word)
			said = flip(at+1, 5) || said
		}
		if !said {
			t.Errorf("%q of the record in clear was changed, and nothing is said", member)
		}
	}
	for range rounds { // anywhere
		if flip(rand.IntN(used), rand.IntN(8)) {
			told++
		}
	}
	for id := range int(state.Pages) { // and where bbolt's own numbers lie
		for range 3 {
			flip(id*state.PageSize+rand.IntN(128), rand.IntN(8))
		}
	}
	t.Logf("%d of %d in %d bytes were found; the others mean nothing", told, rounds, used)
	if told < rounds/20 {
		t.Error("hardly any was found: this test looks in the wrong place")
	}
}

// TestCutShort: a file that lost its end is found damaged wherever it ends.
func TestCutShort(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(smallFile(t))
	if err != nil {
		t.Fatal(err)
	}
	state := stateOf(t, data)
	file := filepath.Join(t.TempDir(), "f.db")
	for id := range int(state.Pages) {
		if err := os.WriteFile(file, data[:id*state.PageSize+state.PageSize/2], 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := VerifyFile(t.Context(), file, plainKeys{}); err == nil && found.Sound() {
			t.Errorf("cut in page %d of %d: it is found sound", id, state.Pages)
		}
	}
}

// TestZeroed: a page that was lost takes its own records with it and no
// others, and which secrets it concerns is told.
func TestZeroed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	s := storeAt(t, path)
	fillSecrets(t, s, 200)
	const entry = 3 // of some ten
	from, at := branchEntry(t, s, entry)
	to, _ := branchEntry(t, s, entry+1)
	number := make([]byte, 8)
	if _, err := s.file.ReadAt(number, at); err != nil {
		t.Fatal(err)
	}
	page := binary.NativeEndian.Uint64(number)
	if _, err := s.file.WriteAt(make([]byte, os.Getpagesize()), int64(page)*int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	found, err := s.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := pageDamage(bboltcheck.Problem{Where: "secrets", Page: page, Keys: bboltcheck.KeyRange{From: from, To: to}})
	for _, d := range found.Damage {
		if d.Name == "" && !strings.HasPrefix(d.What, told) {
			t.Errorf("%s; want %s", d.What, told)
		}
	}
	lost := 0
	for i := range 200 {
		name := manyName(i)
		_, err := s.Get(t.Context(), name, secret.Current)
		switch concerned := bytes.Compare(append([]byte(name), 1), from) >= 0 && bytes.Compare(prefix(name), to) < 0; {
		case err == nil:
		case !concerned || secret.KindOf(err) != secret.Internal:
			t.Errorf("Get of %q: %v", name, err)
		default:
			lost++
		}
	}
	if lost == 0 || lost > 100 || found.Secrets < 200-lost {
		t.Errorf("%d secrets are told of, %d do not open", found.Secrets, lost)
	}
}
