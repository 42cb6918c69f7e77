package huawei_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

type shownCatalog struct {
	Catalog []struct {
		Type      string
		Endpoints []struct {
			ID, Region, URL string
			RegionID        string `json:"region_id"`
		}
	}
}

// regionsOf are those in which each service of a catalog is, one set for all.
func regionsOf(t *testing.T, g *gatewaytest.Gateway, c shownCatalog) []string {
	t.Helper()
	var regions []string
	ids := map[string]bool{}
	for i, service := range c.Catalog {
		var here []string
		for _, e := range service.Endpoints {
			if e.Region == "" || e.Region != e.RegionID || e.URL != g.Endpoint() || ids[e.ID] {
				t.Errorf("%s: %+v", service.Type, e)
			}
			ids[e.ID] = true
			here = append(here, e.Region)
		}
		if i > 0 && !slices.Equal(here, regions) {
			t.Errorf("%s is in %v, the others in %v", service.Type, here, regions)
		}
		regions = here
	}
	if len(c.Catalog) != 3 {
		t.Errorf("%d services", len(c.Catalog))
	}
	return regions
}

// TestCatalogRegions: whoever asks, each endpoint is in a region: that of the
// project, or all that the caller may use.
func TestCatalogRegions(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	const at = "/v3/auth/catalog"
	a, b := gatewaytest.Region("a"), gatewaytest.Region("b")
	signedWith := func(header, value string) answer {
		return message{Path: at, Before: func(r *http.Request) { r.Header.Set(header, value) }}.send(t, g)
	}
	made := withTokenRaw(t, g, logIn(t, g, projectScope("b")), "POST", "/v3.0/OS-CREDENTIAL/securitytokens", `{"auth":{"identity":{"methods":["token"]}}}`)
	var key struct {
		Credential struct{ Access, Secret, SecurityToken string }
	}
	must(t, json.Unmarshal([]byte(made.Body), &key))
	for name, c := range map[string]struct {
		answer answer
		want   []string
	}{
		"a signature":                {message{Path: at}.send(t, g), []string{a, b}},
		"a signature for a domain":   {signedWith("X-Domain-Id", "d"), []string{a, b}},
		"a signature for a project":  {signedWith("X-Project-Id", gatewaytest.Project("b")), []string{b}},
		"a signature for none":       {signedWith("X-Project-Id", "unknown"), []string{a, b}},
		"a token for a project":      {withTokenRaw(t, g, logIn(t, g, projectScope("b")), "GET", at, ""), []string{b}},
		"a token for the domain":     {withTokenRaw(t, g, logIn(t, g, ""), "GET", at, ""), []string{a, b}},
		"a configured token":         {withTokenRaw(t, g, g.Token, "GET", at, ""), []string{a, b}},
		"a temporary key of project": {message{Path: at, Key: key.Credential.Access, SK: key.Credential.Secret, Before: func(r *http.Request) { r.Header.Set("X-Security-Token", key.Credential.SecurityToken) }}.send(t, g), []string{b}},
	} {
		var shown shownCatalog
		must(t, json.Unmarshal([]byte(c.answer.Body), &shown))
		if got := regionsOf(t, g, shown); c.answer.Status != 200 || !slices.Equal(got, c.want) {
			t.Errorf("%s: %d, in %v, want %v", name, c.answer.Status, got, c.want)
		}
	}
	for scope, want := range map[string][]string{"": {a, b}, projectScope("a"): {a}} {
		body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"password":%q}}}%s}}`, g.ClientID, g.ClientSecret, scope)
		var shown struct{ Token shownCatalog }
		must(t, json.Unmarshal([]byte(withTokenRaw(t, g, "", "POST", "/v3/auth/tokens", body).Body), &shown))
		if got := regionsOf(t, g, shown.Token); !slices.Equal(got, want) {
			t.Errorf("the catalog of a new token %s: %v, want %v", scope, got, want)
		}
	}
}

// A caller without a project finds IAM all the same.
func TestCatalogOfNobody(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Policy: []access.Rule{{Callers: []string{"other"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}}}})
	var shown shownCatalog
	must(t, json.Unmarshal([]byte(message{Path: "/v3/auth/catalog"}.send(t, g).Body), &shown))
	if got := regionsOf(t, g, shown); !slices.Equal(got, []string{"*"}) {
		t.Errorf("in %v", got)
	}
}
