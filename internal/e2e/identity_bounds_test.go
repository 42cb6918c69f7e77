package e2e

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestIdentityBounds: tokens of issuers are bound as every other credential is, and
// so is what the login issues for them.
func TestIdentityBounds(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("clients are at two addresses of the loopback network")
	}
	for name, c := range map[string]struct {
		bounds access.Bounds
		from   map[string]int // what a bearer token gets, by address
	}{
		"near":  {access.Bounds{Addresses: []netip.Prefix{netip.MustParsePrefix(nearby + "/32")}}, map[string]int{nearby: 200, faraway: 401}},
		"ended": {access.Bounds{Expires: time.Now().Add(-time.Second)}, map[string]int{nearby: 401, faraway: 401}},
		"soon":  {access.Bounds{Expires: time.Now().Add(20 * time.Minute)}, map[string]int{nearby: 200, faraway: 200}},
	} {
		x := newIdentities(t, func(o *gatewaytest.Options) {
			for i := range o.Issuers.Bindings {
				o.Issuers.Bindings[i].Bounds = c.bounds
			}
		})
		at := func(address string) *http.Client {
			transport := x.Client.Transport.(*http.Transport).Clone() //nolint:forcetypeassert // it is
			transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
				return d.DialContext(ctx, network, x.Address)
			}
			t.Cleanup(transport.CloseIdleConnections)
			return &http.Client{Transport: transport}
		}
		reads := func(address, token string, want int) {
			t.Helper()
			r := newRequest(t, http.MethodGet, x.VaultURL("main")+"/secrets?api-version=7.4", "")
			r.Header.Set("Authorization", "Bearer "+token)
			resp, err := at(address).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s, from %s: %d, want %d", name, address, resp.StatusCode, want)
			}
		}
		assert := func() *http.Request {
			form := url.Values{
				"grant_type": {"client_credentials"}, "client_id": {"app"}, "scope": {ownAudience + "/.default"},
				"client_assertion":      {x.of.Token(t, time.Now(), workload, tokenExchange)},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			}
			r := newRequest(t, http.MethodPost, x.LoginURL()+endpoint, form.Encode())
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		}
		for address, want := range c.from {
			reads(address, x.of.Token(t, time.Now(), workload, ownAudience), want)
			if want != http.StatusOK {
				if said := answerOf(t, at(address), assert()); said[:3] != "401" {
					t.Errorf("%s, an assertion from %s: %s", name, address, said)
				}
				continue
			}
			var issued struct {
				Token string `json:"access_token"`
				Life  int    `json:"expires_in"`
			}
			answered(t, at(address), assert(), &issued)
			if name == "soon" && issued.Life > 20*60 {
				t.Errorf("it outlives the identity: %d s", issued.Life)
			}
			for other, may := range c.from {
				reads(other, issued.Token, may)
			}
		}
	}
}
