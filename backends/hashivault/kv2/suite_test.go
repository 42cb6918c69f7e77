package kv2

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
)

func TestSuite(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{Open: func(t *testing.T) backends.Backend { return newFixture(t).Store }})
}

func TestSuiteBelowAPrefix(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{Open: func(t *testing.T) backends.Backend {
		return newFixture(t, func(c *connection.Options) { c.Prefix = "team/app" }).Store
	}})
}
