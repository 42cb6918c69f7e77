package huawei

import (
	"context"
	"errors"
	"sync"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// ids finds the secret that an id stands for. An id follows from the store and
// the name, so what is remembered here is never wrong, on no gateway; what is
// forgotten is found again by walking through the store.
type ids struct {
	mu    sync.RWMutex
	names map[string]secret.Name // by id
}

// maxIDs bounds what is remembered: some 15 MB.
const maxIDs = 100_000

func newIDs() *ids { return &ids{names: map[string]secret.Name{}} }

// of returns the id of a secret, and remembers whose it is.
func (x *ids) of(store string, name secret.Name) string {
	id := secretID(store, name)
	x.mu.RLock()
	_, known := x.names[id]
	x.mu.RUnlock()
	if known {
		return id
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.names) >= maxIDs {
		clear(x.names)
	}
	x.names[id] = name
	return id
}

func (x *ids) name(id string) (secret.Name, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	name, ok := x.names[id]
	return name, ok
}

// byID names the secret of the path's id. Whether it is there, and whether the
// caller may do the action to it, is for the operation to find out.
func (a *api) byID(r *request, action access.Action) (gateway.Ref, error) {
	id := r.Vars["secret_id"]
	if name, ok := a.ids.name(id); ok && secretID(r.store, name) == id && a.svc.May(r.Caller, action, r.store) {
		return gateway.Ref{Store: r.store, Name: name}, nil
	}
	if !isUUID(id) {
		return gateway.Ref{}, secret.Errorf(secret.Invalid, "secret_id is not a UUID")
	}
	name, err := a.find(r.Context(), r, action, id)
	return gateway.Ref{Store: r.store, Name: name}, err
}

// unseen is a refusal that reads as if nothing were there: an id follows from a
// name that can be guessed, and must not tell whether there is such a secret.
// The audit says what it is.
type unseen struct{ error }

func (u unseen) Unwrap() error { return u.error }

// byIDError is the error of an operation on a secret that was named by its id.
func byIDError(err error) error {
	if errors.Is(err, secret.Denied) && secret.DetailOf(err) != gateway.ReadOnly {
		return unseen{err}
	}
	return err
}

func (a *api) find(ctx context.Context, r *request, action access.Action, id string) (secret.Name, error) {
	return a.svc.FindName(ctx, r.call, r.store, action, func(n secret.Name) bool {
		return speakable(n) == nil && a.ids.of(r.store, n) == id
	})
}
