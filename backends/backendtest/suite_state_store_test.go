package backendtest_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/secret"
)

// brokenState is the memory store with its state records wrong. Nil functions
// break nothing.
type brokenState struct {
	*memory.Store
	write func(ctx context.Context, key string, text []byte, revision string) error
	read  func(ctx context.Context, key string) ([]byte, string, error)
	put   func(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error)
	get   func(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error)
}

func (b *brokenState) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	if b.write != nil {
		return b.write(ctx, key, text, revision)
	}
	return b.Store.WriteState(ctx, key, text, revision)
}

func (b *brokenState) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if b.read != nil {
		return b.read(ctx, key)
	}
	return b.Store.ReadState(ctx, key)
}

func (b *brokenState) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if b.put != nil {
		return b.put(ctx, name, d)
	}
	return b.Store.Put(ctx, name, d)
}

func (b *brokenState) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	if b.get != nil {
		return b.get(ctx, name, sel)
	}
	return b.Store.Get(ctx, name, sel)
}

// over writes whatever stands.
func (b *brokenState) over(ctx context.Context, key string, text []byte) error {
	_, now, _ := b.Store.ReadState(ctx, key)
	return b.Store.WriteState(ctx, key, text, now)
}

var stateMutants = map[string]struct {
	caughtBy string
	damage   func(*brokenState)
}{
	"a revision is ignored": {"State", func(b *brokenState) {
		b.write = func(ctx context.Context, key string, text []byte, _ string) error { return b.over(ctx, key, text) }
	}},
	"a new state record is written over": {"State", func(b *brokenState) {
		b.write = func(ctx context.Context, key string, text []byte, revision string) error {
			if revision == "" {
				return b.over(ctx, key, text)
			}
			return b.Store.WriteState(ctx, key, text, revision)
		}
	}},
	"all state records are one": {"State", func(b *brokenState) {
		b.write = func(ctx context.Context, key string, text []byte, revision string) error {
			if err := kit.CheckState(key, text); err != nil {
				return err
			}
			return b.Store.WriteState(ctx, "one", text, revision)
		}
		b.read = func(ctx context.Context, _ string) ([]byte, string, error) { return b.Store.ReadState(ctx, "one") }
	}},
	"acknowledged and dropped": {"StateWriters", func(b *brokenState) {
		var n atomic.Int64
		b.write = func(ctx context.Context, key string, text []byte, revision string) error {
			if n.Add(1)%2 == 0 {
				return nil
			}
			return b.Store.WriteState(ctx, key, text, revision)
		}
	}},
	"bad keys pass": {"StateRefused", func(b *brokenState) {
		b.write = func(ctx context.Context, _ string, text []byte, revision string) error {
			return b.Store.WriteState(ctx, "k", text, revision)
		}
	}},
	"contexts are ignored": {"StateCancelled", func(b *brokenState) {
		b.write = func(ctx context.Context, key string, text []byte, revision string) error {
			return b.Store.WriteState(context.WithoutCancel(ctx), key, text, revision)
		}
	}},
	"a secret writes over a state record": {"StateHidden", func(b *brokenState) {
		b.put = func(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
			if name == "vaultferry-state-ev" {
				_ = b.over(ctx, "ev", []byte(`"a secret"`))
			}
			return b.Store.Put(ctx, name, d)
		}
	}},
	"a state record is a secret": {"StateHidden", func(b *brokenState) {
		b.get = func(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
			if name == "state/ev" {
				return &secret.Secret{Name: name}, nil
			}
			return b.Store.Get(ctx, name, sel)
		}
	}},
}

const stateMutantEnv = "VAULTFERRY_STATE_MUTANT"

// TestMutantState is the suite run by a child of TestSuiteCatchesState.
func TestMutantState(t *testing.T) {
	m, ok := stateMutants[os.Getenv(stateMutantEnv)]
	if !ok {
		t.Skip("only as a child of TestSuiteCatchesState")
	}
	backendtest.Run(t, backendtest.Harness{Open: func(*testing.T) backends.Backend {
		b := &brokenState{Store: memory.New(memory.Options{})}
		m.damage(b)
		return b
	}})
}

// TestSuiteCatchesState: each store with broken state records fails the case
// that is there for it.
func TestSuiteCatchesState(t *testing.T) {
	t.Parallel()
	for name, m := range stateMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCaught(t, "TestMutantState", m.caughtBy, stateMutantEnv+"="+name)
		})
	}
}
