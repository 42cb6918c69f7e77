// Package e2e holds the promise of the product as tests: whichever dialect
// asks and whichever product holds the secret, a backup is restored whole.
package e2e

import (
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

var tester = gateway.Call{Caller: access.Caller{ID: gatewaytest.Caller, Via: "test"}, Op: "test", RequestID: "test"}
