package e2e

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// matrix is one gateway with, for each product, a store to leave, one to
// enter, one to come back to, and one to enter that accepts no loss.
type matrix struct {
	*gatewaytest.Gateway
	backends map[string]backends.Backend
	locks    kit.KeyedLock // a name is on one way at a time
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{backends: map[string]backends.Backend{}}
	roles := map[string]gateway.OnLoss{"from": gateway.LossAccept, "into": gateway.LossAccept, "home": gateway.LossAccept, "strict": gateway.LossFail}
	var stores []gateway.Store
	for kind, open := range moving() {
		for role, onLoss := range roles {
			name := role + "-" + kind
			m.backends[name] = open(t, name)
			stores = append(stores, gateway.Store{Name: name, Kind: kind, Backend: m.backends[name], OnLoss: onLoss})
		}
	}
	m.Gateway = gatewaytest.New(t, gatewaytest.Options{Stores: stores, MaxBlobs: 16})
	return m
}

// way is a cell of the matrix: which dialect backs up and which restores, out
// of what product and into which.
type way struct{ out, in, from, into string }

func (w way) String() string { return w.out + "-" + w.in + "-" + w.from + "-" + w.into }

// ways are all cells.
func ways() []way {
	kinds, wires := slices.Sorted(maps.Keys(moving())), slices.Sorted(maps.Keys(dialects))
	var all []way
	for _, from := range kinds {
		for _, into := range kinds {
			for _, out := range wires {
				for _, in := range wires {
					all = append(all, way{out, in, from, into})
				}
			}
		}
	}
	return all
}

// TestMatrix is the promise: both dialects for the backup, both for the
// restore, every ordered pair of products, and what arrives is what left,
// less exactly what was foretold; and so again on the way back. What it sees
// of the reference secret is the table in docs.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	var mu sync.Mutex
	seen := map[way]*trip{}
	t.Run("reference", func(t *testing.T) {
		for i, w := range ways() {
			t.Run(w.String(), func(t *testing.T) {
				t.Parallel()
				j := m.journey(t, w)
				j.thorough = true
				done := j.take(t.Context(), backendtest.Sample(secret.Name(fmt.Sprintf("reference-%03d", i))))
				for _, wrong := range done.wrong {
					t.Error(wrong)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[w] = done
			})
		}
	})
	if !t.Failed() && len(seen) == len(ways()) { // -run may have picked some of them
		checkTable(t, m, seen)
	}
}

// checksPerDocument is how many checks of rapid make one document of a cell: a
// check here takes a hundred times as long as elsewhere.
const checksPerDocument = 50 * slowness

// mostFailures bounds how long a test fails that fails in every cell: rapid
// makes each failure smaller for half a minute.
const mostFailures = 3

// TestMatrixOfAnything is TestMatrix with whatever a document may hold. One
// document in 50 of rapid's checks goes through each cell: -rapid.checks=1000
// are twenty. A failing one is made smaller, and named by its seed.
func TestMatrixOfAnything(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	var failures atomic.Int64
	for _, w := range ways() {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			if failures.Load() > mostFailures {
				t.Fatal("too many other cells failed to try this one")
			}
			j, run, failed := m.journey(t, w), 0, false
			defer func() {
				if failed {
					failures.Add(1)
				}
			}()
			rapid.Check(t, func(rt *rapid.T) {
				if run++; run%checksPerDocument != 1 && !failed {
					return
				}
				s := backendtest.Document(rt)
				s.Name = spellable(w.out, s.Name)
				for _, wrong := range j.take(t.Context(), s).wrong {
					failed = true
					rt.Errorf("%q: %s", s.Name, wrong)
				}
			})
		})
	}
}
