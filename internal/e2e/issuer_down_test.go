package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

// TestIssuerDown: a token under a key that is not known, of an issuer that is down, may
// be good: both dialects and the login tell its sender to come again. What is
// known goes on, and what is no issuer's is refused as ever.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	x := newIdentities(t, func(o *gatewaytest.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	ask := func(method, target, body string, change func(*http.Request)) (int, http.Header) {
		t.Helper()
		res, err := x.Client.Do(x.request(t, method, target, body, change))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode, res.Header
	}
	azure := func(token string) (int, http.Header) {
		return ask(http.MethodGet, x.VaultURL("main")+"/secrets?api-version=7.4", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	}
	huawei := func(token string) (int, http.Header) {
		return ask(http.MethodGet, x.Endpoint()+"/v1/"+gatewaytest.Project("main")+"/secrets", "", func(r *http.Request) { r.Header.Set("X-Auth-Token", token) })
	}
	login := func(token string) (int, http.Header) {
		form := "grant_type=client_credentials&client_id=app&scope=" + ownAudience + "/.default&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=" + token
		return ask(http.MethodPost, x.LoginURL()+endpoint, form, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") })
	}
	now, rotated := time.Now(), issuertest.NewKey(t)
	if status, _ := azure(x.of.Token(t, now, workload, ownAudience)); status != http.StatusOK { // its keys have come
		t.Fatal(status)
	}
	x.of.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	ahead.Store(int64(31 * time.Second)) // by when the issuer may be asked again
	for name, edge := range map[string]struct {
		ask      func(string) (int, http.Header)
		audience string
		down     int
	}{
		"azure": {azure, ownAudience, http.StatusServiceUnavailable}, "huawei": {huawei, ownAudience, http.StatusBadGateway}, "login": {login, tokenExchange, http.StatusServiceUnavailable},
	} {
		if status, _ := edge.ask(x.of.Token(t, now, workload, edge.audience)); status != http.StatusOK {
			t.Errorf("%s: a key that is known: %d", name, status)
		}
		claims := x.of.Claims(now, workload, edge.audience)
		if status, h := edge.ask(rotated.Sign(t, claims)); status != edge.down || h.Get("Retry-After") == "" || h.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: a key that is not known: %d %v", name, status, h)
		}
		if status, h := edge.ask(rotated.Sign(t, claims.With(issuertest.Claims{"iss": x.of.URL + "/other"}))); status != http.StatusUnauthorized || h.Get("Retry-After") != "" {
			t.Errorf("%s: of no issuer: %d %v", name, status, h)
		}
		good := x.of.Token(t, now, workload, edge.audience)
		if status, _ := edge.ask(good[:strings.LastIndex(good, ".")] + ".AAAA"); status != http.StatusUnauthorized {
			t.Errorf("%s: a wrong signature: %d", name, status)
		}
	}
}
