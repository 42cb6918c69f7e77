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

// brokenNotes is the memory store with its notes wrong. Nil functions break
// nothing.
type brokenNotes struct {
	*memory.Store
	write func(ctx context.Context, key string, text []byte, revision string) error
	read  func(ctx context.Context, key string) ([]byte, string, error)
	put   func(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error)
	get   func(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error)
}

func (b *brokenNotes) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	if b.write != nil {
		return b.write(ctx, key, text, revision)
	}
	return b.Store.WriteState(ctx, key, text, revision)
}

func (b *brokenNotes) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if b.read != nil {
		return b.read(ctx, key)
	}
	return b.Store.ReadState(ctx, key)
}

func (b *brokenNotes) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if b.put != nil {
		return b.put(ctx, name, d)
	}
	return b.Store.Put(ctx, name, d)
}

func (b *brokenNotes) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	if b.get != nil {
		return b.get(ctx, name, sel)
	}
	return b.Store.Get(ctx, name, sel)
}

// over writes whatever stands.
func (b *brokenNotes) over(ctx context.Context, key string, text []byte) error {
	_, now, _ := b.Store.ReadState(ctx, key)
	return b.Store.WriteState(ctx, key, text, now)
}

var noteMutants = map[string]struct {
	caughtBy string
	damage   func(*brokenNotes)
}{
	"a revision is ignored": {"Notes", func(b *brokenNotes) {
		b.write = func(ctx context.Context, key string, text []byte, _ string) error { return b.over(ctx, key, text) }
	}},
	"a new note is written over": {"Notes", func(b *brokenNotes) {
		b.write = func(ctx context.Context, key string, text []byte, revision string) error {
			if revision == "" {
				return b.over(ctx, key, text)
			}
			return b.Store.WriteState(ctx, key, text, revision)
		}
	}},
	"all notes are one": {"Notes", func(b *brokenNotes) {
		b.write = func(ctx context.Context, key string, text []byte, revision string) error {
			if err := kit.CheckState(key, text); err != nil {
				return err
			}
			return b.Store.WriteState(ctx, "one", text, revision)
		}
		b.read = func(ctx context.Context, _ string) ([]byte, string, error) { return b.Store.ReadState(ctx, "one") }
	}},
	"acknowledged and dropped": {"NoteWriters", func(b *brokenNotes) {
		var n atomic.Int64
		b.write = func(ctx context.Context, key string, text []byte, revision string) error {
			if n.Add(1)%2 == 0 {
				return nil
			}
			return b.Store.WriteState(ctx, key, text, revision)
		}
	}},
	"bad keys pass": {"NotesRefused", func(b *brokenNotes) {
		b.write = func(ctx context.Context, _ string, text []byte, revision string) error {
			return b.Store.WriteState(ctx, "k", text, revision)
		}
	}},
	"contexts are ignored": {"NotesCancelled", func(b *brokenNotes) {
		b.write = func(ctx context.Context, key string, text []byte, revision string) error {
			return b.Store.WriteState(context.WithoutCancel(ctx), key, text, revision)
		}
	}},
	"a secret writes over a note": {"NotesHidden", func(b *brokenNotes) {
		b.put = func(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
			if name == "vaultferry-note-ev" {
				_ = b.over(ctx, "ev", []byte(`"a secret"`))
			}
			return b.Store.Put(ctx, name, d)
		}
	}},
	"a note is a secret": {"NotesHidden", func(b *brokenNotes) {
		b.get = func(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
			if name == "notes/ev" {
				return &secret.Secret{Name: name}, nil
			}
			return b.Store.Get(ctx, name, sel)
		}
	}},
}

const noteMutantEnv = "VAULTFERRY_NOTE_MUTANT"

// TestMutantNotes is the suite run by a child of TestSuiteCatchesNotes.
func TestMutantNotes(t *testing.T) {
	m, ok := noteMutants[os.Getenv(noteMutantEnv)]
	if !ok {
		t.Skip("only as a child of TestSuiteCatchesNotes")
	}
	backendtest.Run(t, backendtest.Harness{Open: func(*testing.T) backends.Backend {
		b := &brokenNotes{Store: memory.New(memory.Options{})}
		m.damage(b)
		return b
	}})
}

// TestSuiteCatchesNotes: each store with broken notes fails the case that is
// there for it.
func TestSuiteCatchesNotes(t *testing.T) {
	t.Parallel()
	for name, m := range noteMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCaught(t, "TestMutantNotes", m.caughtBy, noteMutantEnv+"="+name)
		})
	}
}
