package gateway

import (
	"sync/atomic"

	"github.com/vaultferry/vaultferry/secret"
)

// storeState remembers how the last calls to a product ended.
type storeState struct{ down atomic.Pointer[secret.Kind] }

// note takes the result of a call. Only a product that cannot be reached, or
// refuses the gateway, is down; a caller's mistake says it is up.
func (s *storeState) note(err error) {
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

// StoreState is one store as its last call found it.
type StoreState struct {
	Name   string `json:"name"`
	Kind   string `json:"backend"`
	Up     bool   `json:"up"`
	Reason string `json:"reason,omitempty"`
}

// States tells of every store, without asking any product.
func (s *Service) States() []StoreState {
	var all []StoreState
	for _, n := range s.names {
		st := s.stores[n]
		state := StoreState{Name: n, Kind: st.Kind, Up: true}
		if k := st.state.down.Load(); k != nil {
			state.Up, state.Reason = false, k.Error()
		}
		all = append(all, state)
	}
	return all
}
