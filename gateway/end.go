package gateway

import (
	"fmt"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
)

// End is when something is no longer good: a certificate, a token, a password, or
// a key of whoever calls.
type End struct {
	What string    `json:"what"` // for people
	At   time.Time `json:"at"`
	// Kind is one of backends.CredentialKind.
	Kind backends.CredentialKind `json:"kind"`
	// Store, or Caller, is whose it is. Both empty: the gateway's own.
	Store  string `json:"store,omitempty"`
	Caller string `json:"caller,omitempty"`
	// Name is the key of the configuration, or what the audit calls a caller's
	// credential.
	Name string `json:"name"`
	// Renewed: the gateway, or whoever writes the file, gets another one in time.
	Renewed bool `json:"renewed,omitempty"`
}

// Ends are those of what the stores' products know the gateway by, as far as it
// is known. No product is asked.
func (s *Service) Ends() (all []End) {
	for _, name := range s.names {
		reporter := s.stores[name].credentials
		if reporter == nil {
			continue
		}
		for _, c := range reporter.Credentials() {
			all = append(all, End{
				What: fmt.Sprintf("the %s of store %s (%s)", strings.ReplaceAll(string(c.Kind), "_", " "), name, c.Key),
				At:   c.Ends.UTC(), Kind: c.Kind, Store: name, Name: c.Key, Renewed: c.Renewed,
			})
		}
	}
	return all
}
