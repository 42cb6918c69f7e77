package backendtest_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
)

// keyed is the memory store, as if it sealed something.
type keyed struct {
	*memory.Store
	keys backends.KeyWrapper
	deaf bool // to UseKeys
}

func (k *keyed) Verify(context.Context) (*backends.Findings, error) {
	_, err := k.keys.UnwrapKey(nil, "")
	return &backends.Findings{Key: "k1"}, err
}

// holding is keyed as a KeyHolder. Nil functions break nothing.
type holding struct {
	*keyed
	opens func(backends.KeyWrapper) error
}

func (h *holding) OpensUnder(_ context.Context, keys backends.KeyWrapper) error {
	if h.opens != nil {
		return h.opens(keys)
	}
	if keys == nil {
		return errors.New("no keys")
	}
	_, err := keys.UnwrapKey(nil, "")
	return err
}

func (h *holding) UseKeys(keys backends.KeyWrapper) {
	if !h.deaf {
		h.keys = keys
	}
}

// plainKeys wrap nothing.
type plainKeys struct{ backends.KeyWrapper }

func (plainKeys) UnwrapKey([]byte, string) ([]byte, error) { return nil, nil }

// keyMutants are stores that seal something and get it wrong.
var keyMutants = map[string]func(*keyed) backends.Backend{
	"no holder": func(k *keyed) backends.Backend { return k },
	"takes any": func(k *keyed) backends.Backend { return &holding{k, func(backends.KeyWrapper) error { return nil }} },
	"takes none": func(k *keyed) backends.Backend {
		return &holding{k, func(backends.KeyWrapper) error { return errors.New("no") }}
	},
	"deaf to the next": func(k *keyed) backends.Backend { k.deaf = true; return &holding{keyed: k} },
}

const keyMutantEnv = "VAULTFERRY_KEY_MUTANT"

// TestKeyMutant is the suite run by a child of TestSuiteCatchesKeys.
func TestKeyMutant(t *testing.T) {
	damage, ok := keyMutants[os.Getenv(keyMutantEnv)]
	if !ok {
		t.Skip("only as a child of TestSuiteCatchesKeys")
	}
	backendtest.Run(t, backendtest.Harness{
		Open: func(*testing.T) backends.Backend {
			return damage(&keyed{Store: memory.New(memory.Options{}), keys: plainKeys{}})
		},
		Keys: func(backends.Backend) backends.KeyWrapper { return plainKeys{} },
	})
}

// TestSuiteCatchesKeys: each such store fails the case that is there for it.
func TestSuiteCatchesKeys(t *testing.T) {
	t.Parallel()
	for name := range keyMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCaught(t, "TestKeyMutant", "OtherKeys", keyMutantEnv+"="+name)
		})
	}
}
