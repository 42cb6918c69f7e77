package witness

import (
	"cmp"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

// States tells how all of them fare.
func (g Group) States() []audit.WitnessState {
	all := make([]audit.WitnessState, len(g))
	for i, c := range g {
		c.mu.Lock()
		all[i] = c.state
		c.mu.Unlock()
		all[i].URL = c.URL
	}
	return all
}

// note keeps what came of a request for the signature of a checkpoint.
func (c *Client) note(err error) {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.state = audit.WitnessState{Lines: c.size, Signed: now}
		return
	}
	if c.state.Since.IsZero() {
		c.state.Since = now
	}
	c.state.Reason, c.state.Rewritten = err.Error(), errors.Is(err, audit.ErrRewritten)
}

// Logs are all whose checkpoints were ever signed, those that were signed last first.
func (s *Server) Logs() []audit.WitnessedLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]audit.WitnessedLog, 0, len(s.seen))
	for origin, seen := range s.seen {
		all = append(all, audit.WitnessedLog{Origin: origin, Lines: seen.Size, Signed: s.signed[origin]})
	}
	slices.SortFunc(all, func(a, b audit.WitnessedLog) int {
		return cmp.Or(b.Signed.Compare(a.Signed), cmp.Compare(a.Origin, b.Origin))
	})
	return all
}
