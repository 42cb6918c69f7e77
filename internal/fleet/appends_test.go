package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// appends are two gateways of one store, and the backups of a secret when it had one
// version, and when it had three.
type appends struct {
	*testing.T
	call       gateway.Call
	one, other *gateway.Service
	first, all []byte
}

func newAppends(t *testing.T, two *interleaved) *appends {
	t.Helper()
	home := gatewaytest.MemoryStores("home")[0]
	ring := gatewaytest.NewKeyring(t)
	stores := func(s gateway.Store) gatewaytest.Options {
		return gatewaytest.Options{Keyring: ring, Stores: []gateway.Store{home, s}}
	}
	a := &appends{
		T: t, call: gateway.Call{Caller: access.Caller{ID: "test"}, Op: "test"},
		one:   gatewaytest.New(t, stores(gateway.Store{Name: "s", Kind: "postgres", Backend: two.held})).Service,
		other: gatewaytest.New(t, stores(gateway.Store{Name: "s", Kind: "postgres", Backend: two.free})).Service,
	}
	ref := gateway.Ref{Store: "home", Name: "source"}
	for n := range 3 {
		_, err := a.one.Put(t.Context(), a.call, ref, secret.Draft{Value: secret.TextValue(fmt.Sprint("v", n))})
		must(t, err)
		a.all, err = a.one.Backup(t.Context(), a.call, ref)
		must(t, err)
		if n == 0 {
			a.first = a.all
		}
	}
	return a
}

// append is a restore that adds what the secret lacks.
func (a *appends) append(at *gateway.Service, name secret.Name, blob []byte) error {
	_, err := at.Restore(context.Background(), a.call, "s", blob, gateway.RestoreOptions{As: name, OnConflict: gateway.ConflictAppend})
	return err
}

// others does one thing at the other gateway, and says whether that was a purge.
func (a *appends) others(r *rand.Rand, name secret.Name, n int) (purged bool) {
	ctx, ref := context.Background(), gateway.Ref{Store: "s", Name: name}
	var err error
	switch r.IntN(7) {
	case 0, 1, 2:
		err = a.append(a.other, name, a.all)
	case 3:
		err = a.append(a.other, name, a.first)
	case 4:
		_, err = a.other.Put(ctx, a.call, ref, secret.Draft{Value: secret.TextValue(fmt.Sprint("its ", n))})
	case 5:
		if _, err = a.other.Recover(ctx, a.call, ref); errors.Is(err, secret.NotFound) {
			_, err = a.other.Delete(ctx, a.call, ref)
		}
	case 6:
		err = a.other.Purge(ctx, a.call, ref)
		purged = err == nil
	}
	if err != nil && !errors.Is(err, secret.NotFound) && !errors.Is(err, secret.Trashed) {
		a.Error(err)
	}
	return purged
}

// TestInterleavedAppends: restores of one backup that add what is lacking, at two
// gateways at once, add each version once, whatever else others do before each round
// trip of one of them.
func TestInterleavedAppends(t *testing.T) {
	t.Parallel()
	two := newInterleaved(t)
	a := newAppends(t, two)
	added := 0
	for n := range *interleavings / 10 {
		r := rand.New(rand.NewPCG(uint64(n), 2))
		name, purged := secret.Name(fmt.Sprint("a", n)), false
		w := &interleaving{t: t, r: r, watch: two.watch, of: secretRows}
		w.act = func() {
			w.acted++
			purged = a.others(r, name, w.acted) || purged
		}
		for range r.IntN(3) {
			w.act()
		}
		purged = false
		two.proxy.Hold(w.between)
		err := a.append(a.one, name, a.all)
		two.proxy.Hold(nil)
		w.finish()
		if err != nil && !errors.Is(err, secret.Trashed) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			must(t, restored(a.append(a.other, name, a.all))) // a client that was not told tries again
		}
		s, describeErr := two.free.Export(t.Context(), name)
		if describeErr != nil {
			continue // deleted, or purged
		}
		var values []string
		for i := range s.Versions {
			values = append(values, string(s.Versions[i].Value.Reveal()))
		}
		slices.Sort(values)
		if once := slices.Compact(slices.Clone(values)); len(once) != len(values) {
			t.Errorf("%s: there is twice: %d versions of %d values", name, len(values), len(once))
		}
		for n := range 3 {
			if has := slices.Contains(values, fmt.Sprint("v", n)); err == nil && !purged && !has {
				t.Errorf("%s: version %d was added, and is not there", name, n)
			}
		}
		added += len(values)
	}
	if added < *interleavings/10 {
		t.Errorf("%d versions stand: too few to tell anything", added)
	}
}

// restored takes it that others have deleted the secret.
func restored(err error) error {
	if errors.Is(err, secret.Trashed) {
		return nil
	}
	return err
}
