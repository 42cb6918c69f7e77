package backends

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Section is a part of the configuration that only its driver understands.
// Decode is strict: unknown keys and wrong types are errors, and each names
// its key path. A field of type secret.Value takes {env: NAME} or {file:
// PATH}; a string field tagged `path:"true"` is made relative to the
// configuration file. The file is taken for a part of the configuration: where it
// changes, a reload opens the store anew. One that the driver writes, or reads each
// time that it needs it, is tagged `loaded:"false"` as well.
type Section interface {
	Decode(into any) error
}

// KeyWrapper wraps a store's data key under the gateway's keyring.
type KeyWrapper interface {
	// WrapKey seals a data key with the current sealing key. of is what it is the
	// key of.
	WrapKey(key []byte, of string) (wrapped []byte, err error)
	// UnwrapKey opens what any WrapKey of this keyring made of the same, and nothing
	// else: a public half is not enough to make such a thing.
	UnwrapKey(wrapped []byte, of string) (key []byte, err error)
	// WrappedBy names the key of the keyring that a WrapKey used, as far as it
	// says so. Nothing of that is authenticated.
	WrappedBy(wrapped []byte) string
	// CanUnwrap is false for a keyring that seals and cannot open.
	CanUnwrap() bool
}

// Env is what a driver gets from the program beside its own section.
type Env struct {
	Store string // the configured store's name
	Keys  KeyWrapper
	Log   *slog.Logger
	Now   func() time.Time // never nil
}

// Driver opens one kind of product.
type Driver struct {
	// Kind is the word in stores[].backend.
	Kind string
	// FoldsCase: the product ignores the case of names, as its Capabilities say
	// once it is open.
	FoldsCase bool
	// Check decodes and validates a section without opening anything.
	Check func(Section) error
	// Open decodes, validates and opens. It may contact the product only so
	// far as needed to fail early on wrong configuration.
	Open func(context.Context, Env, Section) (Backend, error)
}

// Config is a driver's section: a struct whose pointer validates itself.
// SetDefaults runs before decoding. Validate returns all problems joined.
type Config[C any] interface {
	*C
	SetDefaults()
	Validate() error
}

// Define builds a Driver whose section is decoded strictly into C and
// validated before open sees it.
func Define[C any, P Config[C]](kind string, open func(context.Context, Env, *C) (Backend, error)) Driver {
	load := func(s Section) (*C, error) {
		c := new(C)
		P(c).SetDefaults()
		if err := s.Decode(c); err != nil {
			return nil, err
		}
		return c, P(c).Validate()
	}
	return Driver{
		Kind: kind,
		Check: func(s Section) error {
			_, err := load(s)
			return err
		},
		Open: func(ctx context.Context, env Env, s Section) (Backend, error) {
			c, err := load(s)
			if err != nil {
				return nil, err
			}
			return open(ctx, env, c)
		},
	}
}

// Folding is the driver for a product that ignores the case of names.
func (d Driver) Folding() Driver {
	d.FoldsCase = true
	return d
}

// Registry finds drivers by kind.
type Registry []Driver

// Find returns the driver of the kind, or an error that lists the kinds.
func (r Registry) Find(kind string) (Driver, error) {
	for _, d := range r {
		if d.Kind == kind {
			return d, nil
		}
	}
	return Driver{}, fmt.Errorf("unknown backend %q (known: %v)", kind, r.Kinds())
}

// Kinds lists the known kinds, sorted.
func (r Registry) Kinds() []string {
	var kinds []string
	for _, d := range r {
		kinds = append(kinds, d.Kind)
	}
	slices.Sort(kinds)
	return kinds
}
