package huaweicsms

import (
	"context"
	"net/http"
	"strings"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/utils"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/kit"
)

// maxAnswer is far above a page of 100 or the largest value.
const maxAnswer = 8 << 20

// newTransport returns how the product is reached, and what of it keeps
// connections.
func newTransport(c *Config) (wire http.RoundTripper, conns *http.Transport, err error) {
	conns, err = kit.Transport{Roots: c.roots(), Conns: readers, Dial: c.Dial}.Open()
	if err != nil {
		return nil, nil, err
	}
	wire = conns
	if c.wrap != nil {
		wire = c.wrap(conns)
	}
	return kit.Metered{Next: wire, MaxAnswer: func(*http.Request) int64 { return maxAnswer }}, conns, nil
}

// exchange is the transport of one call. The vendor's client knows no
// contexts, so each call has a transport that brings the caller's along: what
// the client sends ends with it, the reading of the answer too.
type exchange struct {
	ctx  context.Context // of the one call that the exchange lives for
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (x exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := x.next.RoundTrip(r.WithContext(x.ctx))
	if err == nil && listsSecrets(r) { // an entry that the client does not decode hides no other
		kit.SiftAnswer(resp, "secrets", func(b []byte) error { return utils.Unmarshal(b, new(model.Secret)) },
			"id", "name", "state", "description")
	}
	return resp, err
}

// listsSecrets: the path is /v1/{project}/secrets.
func listsSecrets(r *http.Request) bool {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	return r.Method == http.MethodGet && len(parts) == 3 && parts[2] == "secrets"
}
