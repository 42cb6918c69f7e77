package gateway

import (
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// storeHealth remembers how the last calls to a product ended.
type storeHealth struct {
	verdict  atomic.Pointer[verdict] // nil: no call has told yet
	answered atomic.Int64            // when the last call told, in Unix nanoseconds
	backedUp atomic.Int64            // when the last backup was made; likewise
}

type verdict struct {
	down  bool
	kind  secret.Kind // of what took it down
	since time.Time
}

// observe takes the result of a call. Only a product that cannot be reached, or
// refuses the gateway, is down; a caller's mistake says it is up.
func (h *storeHealth) observe(err error) {
	v := verdict{since: time.Now()}
	if err != nil {
		switch v.kind = secret.KindOf(err); v.kind {
		case secret.Unavailable, secret.Unknown, secret.Upstream:
			v.down = true
		case secret.NotFound, secret.AlreadyExists, secret.Trashed, secret.Conflict, secret.Invalid, secret.TooLarge:
		default:
			return
		}
	}
	h.answered.Store(v.since.UnixNano())
	if was := h.verdict.Load(); was == nil || was.down != v.down || v.down && was.kind != v.kind {
		h.verdict.Store(&v)
	}
}

// Health of a store's product.
const (
	StoreUnknown = "unknown" // no call has reached it since the start
	StoreUp      = "up"
	StoreDown    = "down"
)

// StoreHealth is one store as the last calls found it.
type StoreHealth struct {
	Name   string    `json:"name"`
	Kind   string    `json:"backend"`
	State  string    `json:"state"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"` // why it is down
	// Running calls have one of as many slots as Concurrency says.
	Running int `json:"running"`
	// BackedUp is when a backup of some secret was last made. Zero: not since the
	// start.
	BackedUp    time.Time `json:"backed_up,omitzero"`
	Concurrency int       `json:"concurrency"`
}

// Health tells of every store, without asking any product.
func (s *Service) Health() []StoreHealth {
	all := make([]StoreHealth, 0, len(s.names))
	for _, n := range s.names {
		st := s.stores[n]
		h := StoreHealth{Name: n, Kind: st.Kind, State: StoreUnknown, Running: int(st.running.Load()), Concurrency: st.Concurrency}
		if v := st.health.verdict.Load(); v != nil {
			h.State, h.Since = StoreUp, v.since.UTC().Truncate(time.Millisecond)
			if v.down {
				h.State, h.Reason = StoreDown, v.kind.Error()
			}
		}
		if at := st.health.backedUp.Load(); at > 0 {
			h.BackedUp = time.Unix(0, at).UTC().Truncate(time.Millisecond)
		}
		all = append(all, h)
	}
	return all
}
