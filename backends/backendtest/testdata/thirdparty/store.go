// Package store stands for a backend that somebody else wrote, in a module of
// their own: a store in memory that holds six versions of short texts.
package store

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	mostVersions = 6
	mostBytes    = 512
)

// New returns an empty store.
func New() backends.Backend {
	return memory.New(memory.Options{}).Imitate(backends.Profile{
		Capabilities: backends.Capabilities{Product: "ACME Secrets", MaxValue: mostBytes, MaxVersions: mostVersions},
		Names: backends.Names{
			Spell: func(n secret.Name) (string, error) { return string(n), nil },
			Read:  func(wire string, _ secret.Name) (secret.Name, bool) { return secret.Name(wire), true },
		},
		Forecast: forecast,
	})
}

func forecast(s *secret.Secret) []secret.Loss {
	var losses []secret.Loss
	held := 0
	for i := len(s.Versions) - 1; i >= 0; i-- {
		v := &s.Versions[i]
		switch {
		case v.Value.Len() > mostBytes:
			losses = append(losses, secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Version, Why: "longer than ACME takes"})
		case held == mostVersions:
			losses = append(losses, secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Version, Why: "ACME keeps six versions"})
		default:
			held++
		}
	}
	return losses
}
