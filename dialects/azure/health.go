package azure

import (
	"net/http"

	"github.com/vaultferry/vaultferry/dialects/wire"
)

const opHealth = "azure.HealthStatus"

// inService stops being the answer when the gateway is about to stop.
var (
	inService = []byte("true") // four bytes (reported); which ones is inferred
	leaving   = []byte("false")
)

// health answers whether the gateway serves, as the vendor's guide has people ask a
// vault, and as balancers do: without a token, an api-version, or a host that is
// known. It says nothing of products, and HEAD is ours: some balancers know no other
// method.
func (d *Dialect) health(method string) wire.Route {
	return wire.Route{
		Op: opHealth, Method: method, Path: "/healthstatus",
		Handle: func(*wire.Request) (wire.Reply, error) {
			if d.stopping() {
				return wire.Reply{Status: http.StatusServiceUnavailable, Header: jsonHeader, Body: leaving}, nil
			}
			return wire.Reply{Status: http.StatusOK, Header: jsonHeader, Body: inService}, nil
		},
	}
}
