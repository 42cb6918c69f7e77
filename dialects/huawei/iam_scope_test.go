package huawei_test

import (
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestScopesOnlyNarrow: of a token for one project comes no token, and no
// temporary key, for more.
func TestScopesOnlyNarrow(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	token := logIn(t, g, projectScope("a"))
	made := func(of, scope string) answer {
		body := `{"auth":{"identity":{"methods":["token"],"token":{"id":"` + of + `"}}` + scope + `}}`
		return withToken(t, g, "", "POST", "/v3/auth/tokens", body)
	}
	domain := `,"scope":{"domain":{"name":"` + gatewaytest.Domain + `"}}`
	byName := `,"scope":{"project":{"name":"` + gatewaytest.Region("b") + `"}}`
	for _, scope := range []string{projectScope("b"), byName, domain} {
		if a := made(token, scope); a.Status != 401 || a.Header.Get("X-Subject-Token") != "" {
			t.Errorf("%s: %d %s", scope, a.Status, a.Body)
		}
	}
	for _, scope := range []string{"", projectScope("a")} {
		a := made(token, scope)
		next := a.Header.Get("X-Subject-Token")
		if a.Status != 201 {
			t.Errorf("%s: %d %s", scope, a.Status, a.Body)
		}
		for store, want := range map[string]int{"a": 200, "b": 403} {
			if b := withToken(t, g, next, "GET", "/v1/"+gatewaytest.Project(store)+"/secrets", ""); b.Status != want {
				t.Errorf("%s: project %s: %d", scope, store, b.Status)
			}
		}
		if b := made(next, projectScope("b")); b.Status != 401 {
			t.Errorf("%s: one token further: %d", scope, b.Status)
		}
	}
}
