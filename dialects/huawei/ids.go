package huawei

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// ids makes the ids of secrets, and finds the secret that one stands for. An id
// follows from a key, the store and the name, so what is remembered here is
// never wrong, on no gateway with the keyring; what is forgotten is found again
// by a look through the store. It ends in a check that takes the key, so nobody
// makes up one that is looked for.
type ids struct {
	key   []byte
	now   func() time.Time
	mu    sync.RWMutex
	names map[string]secret.Name // by id
	looks map[string]*looks      // by store
}

// maxIDs bounds what is remembered: some 15 MB.
const maxIDs = 100_000

// nameBytes of an id stand for the name, 74 bits; the rest are the check.
const nameBytes = 10

func newIDs(key []byte, now func() time.Time) *ids {
	return &ids{key: key, now: now, names: map[string]secret.Name{}, looks: map[string]*looks{}}
}

// of returns the id of a secret, and remembers whose it is.
func (x *ids) of(store string, name secret.Name) string {
	id := x.make(store, name)
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

// make returns the UUID of a secret: the same for the same key, store and name.
func (x *ids) make(store string, name secret.Name) string {
	id := uuidOf(x.sum("secret", store, string(name)))
	copy(id[nameBytes:], x.check(store, id))
	return id.String()
}

func (x *ids) check(store string, id uuid.UUID) []byte {
	return x.sum("check", store, string(id[:nameBytes]))[:len(id)-nameBytes]
}

func (x *ids) sum(parts ...string) []byte {
	mac := hmac.New(sha256.New, x.key)
	for _, p := range parts {
		mac.Write(append([]byte(p), 0))
	}
	return mac.Sum(nil)
}

// made reports whether the id was made with the key, for a secret of the store.
func (x *ids) made(store, id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id && uuidOf(u[:]) == u && hmac.Equal(u[nameBytes:], x.check(store, u))
}

// byID names the secret of the path's id. Whether it is there, and whether the
// caller may do the action to it, is for the operation to find out.
func (a *api) byID(r *request, action access.Action) (gateway.Ref, error) {
	id := r.Vars["secret_id"]
	switch {
	case !isUUID(id):
		return gateway.Ref{}, secret.Errorf(secret.Invalid, "secret_id is not a UUID")
	case !a.svc.May(r.Caller, action, r.store):
		return gateway.Ref{}, secret.Errorf(secret.Denied, "no permission to %s in this store", action)
	case !a.ids.made(r.store, id):
		return gateway.Ref{}, noSuchID()
	}
	name, err := a.find(r, action, id)
	return gateway.Ref{Store: r.store, Name: name}, err
}

func noSuchID() error { return secret.Errorf(secret.NotFound, "no secret has this id") }

// unseen is a refusal that reads as if nothing were there: an id must not tell
// whether there is such a secret. The audit says what it is.
type unseen struct{ error }

func (u unseen) Unwrap() error { return u.error }

// byIDError is the error of an operation on a secret that was named by its id.
func byIDError(err error) error {
	if errors.Is(err, secret.Denied) && secret.DetailOf(err) != gateway.ReadOnly {
		return unseen{err}
	}
	return err
}
