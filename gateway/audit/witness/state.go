package witness

import (
	"cmp"
	"errors"
	"net/http"
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

// note keeps what came of a request for the signature of a checkpoint of so many lines.
func (c *Client) note(asked int64, err error) {
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
	c.state.Behind = 0
	if c.size > 0 {
		c.state.Behind = max(0, asked-c.size)
	}
}

// Logs are all whose checkpoints were ever signed, those that were signed last first.
func (s *Server) Logs() []audit.WitnessedLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]audit.WitnessedLog, 0, len(s.seen))
	for origin, seen := range s.seen {
		all = append(all, audit.WitnessedLog{Origin: origin, Lines: seen.Size, Signed: s.signed[origin], Refused: s.refused[origin]})
	}
	slices.SortFunc(all, func(a, b audit.WitnessedLog) int {
		return cmp.Or(b.Signed.Compare(a.Signed), cmp.Compare(a.Origin, b.Origin))
	})
	return all
}

// Counts are the checkpoints by known keys since the start, those that were signed and
// those that were refused.
func (s *Server) Counts() (signed, refused int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signedCount, s.refusedCount
}

// tell keeps what came of a checkpoint by a known key.
func (s *Server) tell(origin string, status int, err error) {
	switch {
	case err != nil:
		s.refusedCount++
		own := refusal{text: "the witness has failed"}
		errors.As(err, &own)
		if _, known := s.seen[origin]; known { // so that what is kept has their bound
			s.refused[origin] = own.text
		}
	case status == http.StatusOK:
		s.signedCount++
		s.signed[origin] = s.o.Now()
		delete(s.refused, origin)
	}
}
