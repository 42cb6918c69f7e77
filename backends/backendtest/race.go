package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// putPatiently writes as the gateway's callers do: again after Conflict and
// Throttled, which promise that nothing was written.
func putPatiently(ctx context.Context, b backends.Backend, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	for {
		s, err := b.Put(ctx, name, d)
		if !errors.Is(err, secret.Conflict) && !errors.Is(err, secret.Throttled) {
			return s, err
		}
	}
}

func testWriters(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	written := make([]secret.Ordinal, h.Writers)
	together(h.Writers, func(i int) {
		s, err := putPatiently(ctx, b, "s", text(fmt.Sprint(canary, i)))
		if err != nil {
			t.Errorf("writer %d: %v", i, checkErr(t, err))
			return
		}
		written[i] = s.Versions[0].Ordinal
	})
	s := export(ctx, t, b, "s")
	stand := kept(b, h.Writers)
	if len(s.Versions) != stand {
		t.Fatalf("%d writers left %d versions", h.Writers, len(s.Versions))
	}
	uids := map[secret.UID]bool{}
	for i, o := range written {
		if o > 0 && o < s.Versions[0].Ordinal { // it made room
			continue
		}
		v := s.Find(secret.ByOrdinal(o))
		if o == 0 || v == nil || string(v.Value.Reveal()) != fmt.Sprint(canary, i) {
			t.Errorf("writer %d was told version %d, which holds something else", i, o)
			continue
		}
		uids[v.UID] = true
	}
	if len(uids) != stand {
		t.Errorf("%d versions have %d UIDs", stand, len(uids))
	}
	if last := s.Newest(); last != nil && s.Current != last.Ordinal {
		t.Errorf("current is %d, the newest version is %d", s.Current, last.Ordinal)
	}
}

// together runs f n times at once, all let go in the same moment.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func testCreators(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	var won atomic.Int32
	together(h.Writers, func(i int) {
		d := text(fmt.Sprint(canary, i))
		d.OnlyIfAbsent = true
		_, err := putPatiently(ctx, b, "s", d)
		if err == nil {
			won.Add(1)
		} else {
			_ = checkErr(t, err, secret.AlreadyExists)
		}
	})
	n := len(export(ctx, t, b, "s").Versions)
	if kept(b, int(won.Load())) != n {
		t.Errorf("%d creators were told of success, %d versions are there", won.Load(), n)
	}
	if b.Capabilities().AtomicCreate && won.Load() != 1 {
		t.Errorf("AtomicCreate, and yet %d creators won", won.Load())
	}
}

func testImporters(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	if !b.Capabilities().AtomicCreate {
		t.Skip("the store says that creators race")
	}
	sources := make([]*secret.Secret, 8)
	won := make([]bool, len(sources))
	for i := range sources {
		sources[i] = bare("s", 1, 2, secret.Ordinal(i+3))
	}
	together(len(sources), func(i int) {
		_, err := b.Import(ctx, sources[i], fmt.Sprint("token", i))
		if won[i] = err == nil; !won[i] {
			_ = checkErr(t, err, secret.AlreadyExists, secret.Conflict)
		}
	})
	got := export(ctx, t, b, "s")
	for i, s := range sources {
		if won[i] {
			Compare(t, s, got, b.Forecast(s))
		}
	}
	if i := slices.Index(won, true); i < 0 || slices.Contains(won[i+1:], true) {
		t.Errorf("of importers of one name these won: %v", won)
	}
}

// testReadersDuringWrites: each read is one state of the secret, never older
// than one that the same reader saw before.
func testReadersDuringWrites(t *testing.T, h Harness) {
	const writes, readers = 20, 4
	ctx, b := begin(t, h)
	put(ctx, t, b, "s", text(canary+"1"))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			seen := 0
			for more := true; more; {
				select {
				case <-done:
					more = false // once more: the last state
				default:
				}
				seen = readState(ctx, t, b, seen)
			}
			if seen != writes {
				t.Errorf("the last state is that of Put %d, want %d", seen, writes)
			}
		})
	}
	for i := 2; i <= writes; i++ {
		if _, err := putPatiently(ctx, b, "s", text(fmt.Sprint(canary, i))); err != nil {
			t.Errorf("Put while others read: %v", checkErr(t, err))
		}
	}
	close(done)
	wg.Wait()
}

func readState(ctx context.Context, t *testing.T, b backends.Backend, seen int) int {
	s, err := b.Export(ctx, "s")
	if err != nil {
		t.Errorf("Export while another writes: %v", checkErr(t, err))
		return seen
	}
	newest := numberOf(s.Newest())
	if newest < seen {
		t.Errorf("Put %d is the newest, after %d was seen", newest, seen)
	}
	if n := kept(b, newest); len(s.Versions) != n {
		t.Errorf("%d versions after Put %d, want %d", len(s.Versions), newest, n)
	}
	for i := range s.Versions {
		v := &s.Versions[i]
		if want := newest - len(s.Versions) + i + 1; numberOf(v) != want {
			t.Errorf("version %d holds the value of Put %d, want %d", v.Ordinal, numberOf(v), want)
		}
	}
	if last := s.Newest(); s.Current != last.Ordinal || (len(s.Versions) > 1 && s.Previous != s.Versions[len(s.Versions)-2].Ordinal) {
		t.Errorf("current %d and previous %d do not fit %d versions", s.Current, s.Previous, len(s.Versions))
	}
	one, err := b.Get(ctx, "s", secret.Current)
	if err != nil {
		t.Errorf("Get while another writes: %v", checkErr(t, err))
	} else if one.Current != one.Versions[0].Ordinal || one.Versions[0].Ordinal < s.Current {
		t.Errorf("Get of current returns version %d of current %d, after %d was seen", one.Versions[0].Ordinal, one.Current, s.Current)
	}
	return newest
}

// numberOf is which Put wrote v.
func numberOf(v *secret.Version) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(string(v.Value.Reveal()), canary))
	return n
}
