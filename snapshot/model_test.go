package snapshot_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// TestAtEqualsAModel: over a random history of writes, deletes and recoveries of two
// stores, with snapshots that are forgotten and pruned in between, what At gives at
// any moment is what the store held at the newest snapshot before it.
func TestAtEqualsAModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	type moment struct {
		id    string
		of    string
		begun time.Time
		holds map[secret.Name]string
	}
	var taken []moment
	live := map[string]map[secret.Name]string{"one": {}, "two": {}}
	trash := map[string]map[secret.Name]string{"one": {}, "two": {}}
	for step := range 150 {
		of := []string{"one", "two"}[random.IntN(2)]
		name := secret.Name(fmt.Sprintf("n%d", random.IntN(6)))
		switch random.IntN(7) {
		case 0, 1, 2:
			live[of][name] = fmt.Sprint(random.IntN(4)) // values come back
			delete(trash[of], name)
		case 3:
			if v, ok := live[of][name]; ok {
				trash[of][name] = v
				delete(live[of], name)
			}
		case 4:
			if v, ok := trash[of][name]; ok {
				live[of][name] = v
				delete(trash[of], name)
			}
		case 5:
			var all store
			for _, n := range slices.Sorted(maps.Keys(live[of])) {
				all = append(all, struct {
					name  secret.Name
					value string
				}{n, live[of][n]})
			}
			s := w.take(t, of, all)
			taken = append(taken, moment{s.ID, of, s.Begun, maps.Clone(live[of])})
		case 6:
			if step%3 == 0 && len(taken) > 2 {
				i := random.IntN(len(taken))
				h, err := w.History()
				must(t, err)
				s, err := h.Find(taken[i].id)
				must(t, err)
				w.under(t, func(lock *snapshot.Lock) { must(t, w.Forget(lock, "local:test", s)) })
				taken = slices.Delete(taken, i, i+1)
				w.age(t, 25*time.Hour)
				w.prune(t)
			}
		}
	}
	h, err := w.History()
	must(t, err)
	must(t, h.Sound())
	key, _, err := w.Key()
	must(t, err)
	for at := w.at.Add(-100 * time.Hour); !at.After(w.at.Add(time.Hour)); at = at.Add(30 * time.Minute) {
		for of := range live {
			want := ""
			holds := map[secret.Name]string{}
			for _, m := range taken {
				if m.of == of && !m.begun.After(at) {
					want, holds = m.id, m.holds
				}
			}
			s := h.At("g", of, at)
			if s == nil || want == "" {
				if s != nil || want != "" {
					t.Fatalf("at %v of %s: %v, want %q", at, of, s, want)
				}
				continue
			}
			got := map[secret.Name]string{}
			_, err := w.Load(s.ID, func(e *snapshot.Entry) error {
				_, doc, err := w.Document(key, e)
				if err == nil {
					got[e.Name] = string(doc.Secret.Versions[0].Value.Reveal())[len(canary):]
				}
				return err
			})
			must(t, err)
			if s.ID != want || !maps.Equal(got, holds) {
				t.Fatalf("at %v of %s: %v, want %v", at, of, got, holds)
			}
		}
	}
}
