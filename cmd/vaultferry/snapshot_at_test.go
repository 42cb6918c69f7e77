package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestRestoreAtEqualsAModel: over a random history of writes, deletes and recoveries,
// what "restore --at" brings back for a moment is all that the store held, with every
// version, at the newest snapshot before it.
func TestRestoreAtEqualsAModel(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
	w.file(t, "vaultferry.yaml", commonConfig+"  - { name: a, backend: bolt, bolt: { path: a.db } }\n  - { name: b, backend: bolt, bolt: { path: b.db } }\n")
	w.inside(t, exitDone, "keys", "new", "--output-file", filepath.Join(w.dir, "keyring.json"))
	repo := filepath.Join(w.dir, "repo")
	w.inside(t, exitDone, "snapshot", "init", "--repo", repo)
	m := modelOf{random: rand.New(rand.NewPCG(seed, 0)), live: map[secret.Name][]string{}, trash: map[secret.Name][]string{}}
	type moment struct {
		at    time.Time
		holds map[secret.Name][]string
	}
	var taken []moment
	for range 8 {
		m.steps(t, w)
		w.inside(t, exitDone, "snapshot", "create", "a", "--repo", repo)
		taken = append(taken, moment{time.Now(), maps.Clone(m.live)})
	}
	for i := -1; i < len(taken); i++ {
		at := taken[0].at.Add(-time.Hour)
		if i >= 0 {
			at = taken[i].at
		}
		args := []string{"snapshot", "restore", "--repo", repo, "--from", "a", "--to", "b", "--at", at.UTC().Format(time.RFC3339Nano)}
		if i < 0 {
			w.inside(t, exitFailed, args...)
			continue
		}
		w.inside(t, exitDone, args...)
		if got := w.allOf(t, "b"); !maps.EqualFunc(got, taken[i].holds, slices.Equal) {
			t.Errorf("at snapshot %d: %v, want %v", i, got, taken[i].holds)
		}
		if err := os.Remove(filepath.Join(w.dir, "b.db")); err != nil {
			t.Fatal(err)
		}
	}
}

// modelOf is a store as a map: the values of all versions by name.
type modelOf struct {
	random      *rand.Rand
	live, trash map[secret.Name][]string
}

// steps does some writes, deletes and recoveries to the store a, and to the model.
func (m *modelOf) steps(t *testing.T, w *killWorld) {
	t.Helper()
	s, call := w.service(t, "a")
	for range 12 {
		name := secret.Name(fmt.Sprintf("n/%d", m.random.IntN(5)))
		ref := gateway.Ref{Store: "a", Name: name}
		var err error
		switch values, there := m.live[name]; m.random.IntN(4) {
		case 0, 1:
			if m.trash[name] != nil { // the name is taken
				continue
			}
			value := fmt.Sprint(m.random.IntN(3)) // values come back
			_, err = s.service.Put(t.Context(), call, ref, secret.Draft{Value: secret.TextValue(value)})
			m.live[name] = append(slices.Clone(values), value)
		case 2:
			if there {
				_, err = s.service.Delete(t.Context(), call, ref)
				m.trash[name] = values
				delete(m.live, name)
			}
		case 3:
			if deleted := m.trash[name]; deleted != nil {
				_, err = s.service.Recover(t.Context(), call, ref)
				m.live[name] = deleted
				delete(m.trash, name)
			}
		}
		if err != nil {
			t.Fatal(name, err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

// allOf reads the values of all versions of a store.
func (w *killWorld) allOf(t *testing.T, store string) map[secret.Name][]string {
	t.Helper()
	s, call := w.service(t, store)
	all := map[secret.Name][]string{}
	page, err := s.service.List(t.Context(), call, store, secret.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range page.Secrets {
		ref := gateway.Ref{Store: store, Name: found.Name}
		sec, err := s.service.Describe(t.Context(), call, ref)
		if err != nil {
			t.Fatal(err)
		}
		for i := range sec.Versions {
			got, err := s.service.Get(t.Context(), call, ref, secret.Selector{Ordinal: sec.Versions[i].Ordinal})
			if err != nil {
				t.Fatal(err)
			}
			all[found.Name] = append(all[found.Name], string(got.Versions[0].Value.Reveal()))
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	return all
}
