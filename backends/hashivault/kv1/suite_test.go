package kv1

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
)

func TestSuiteV1(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{Writers: 8, Open: func(t *testing.T) backends.Backend { return newFixture(t).Store }})
}
