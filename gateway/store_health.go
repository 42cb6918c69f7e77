package gateway

import (
	"sync/atomic"

	"github.com/vaultferry/vaultferry/secret"
)

// storeHealth remembers how the last calls to a product ended.
type storeHealth struct{ down atomic.Pointer[secret.Kind] }

// observe takes the result of a call. Only a product that cannot be reached, or
// refuses the gateway, is down; a caller's mistake says it is up.
func (s *storeHealth) observe(err error) {
	if err == nil {
		s.down.Store(nil)
		return
	}
	switch k := secret.KindOf(err); k {
	case secret.Unavailable, secret.Unknown, secret.Upstream:
		s.down.Store(&k)
	case secret.NotFound, secret.AlreadyExists, secret.Trashed, secret.Conflict, secret.Invalid, secret.TooLarge:
		s.down.Store(nil)
	}
}

// StoreHealth is one store as its last call found it.
type StoreHealth struct {
	Name   string `json:"name"`
	Kind   string `json:"backend"`
	Up     bool   `json:"up"`
	Reason string `json:"reason,omitempty"`
}

// Health tells of every store, without asking any product.
func (s *Service) Health() []StoreHealth {
	var all []StoreHealth
	for _, n := range s.names {
		st := s.stores[n]
		state := StoreHealth{Name: n, Kind: st.Kind, Up: true}
		if k := st.health.down.Load(); k != nil {
			state.Up, state.Reason = false, k.Error()
		}
		all = append(all, state)
	}
	return all
}
