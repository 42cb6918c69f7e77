package azure_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// versionPage is an answer to ListSecretVersions.
type versionPage struct {
	Value []struct{ ID string }
	Next  string `json:"nextLink"`
}

// pagesOf reads all pages, each from another of the gateways, and returns the ids
// of the versions.
func pagesOf(t *testing.T, name, maxresults string, gateways ...*gatewaytest.Gateway) (ids []string) {
	t.Helper()
	query := "api-version=7.4" + maxresults
	for i := 0; ; i++ {
		g := gateways[i%len(gateways)]
		r := askRaw(t, g, "GET /secrets/"+name+"/versions?"+query+" HTTP/1.1\r\nHost: main.vault.localhost\r\n", "")
		var p versionPage
		if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.status != http.StatusOK || strings.Contains(r.body, "canary-") {
			t.Fatalf("%d: %v, or a value is told", r.status, err)
		}
		for _, v := range p.Value {
			ids = append(ids, v.ID[strings.LastIndex(v.ID, "/")+1:])
		}
		if p.Next == "" {
			return ids
		}
		next, err := url.Parse(p.Next)
		if err != nil {
			t.Fatal(err)
		}
		query = next.RawQuery
	}
}

// overBoth starts two gateways over one store: one that reads pages of versions by
// itself, and one that does not.
func overBoth(t *testing.T, b backends.Backend) (gateways []*gatewaytest.Gateway) {
	t.Helper()
	for _, b := range []backends.Backend{b, &backendtest.Faulty{Backend: b}} {
		gateways = append(gateways, gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "main", Kind: "memory", Backend: b}}}))
	}
	return gateways
}

// TestVersionPages: pages of any size, begun by one gateway and gone on with by
// another, are what Key Vault could hold, in the order of the ids.
func TestVersionPages(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	g := overBoth(t, store)
	for _, s := range []*secret.Secret{backendtest.Sample("sample"), backendtest.ManyVersions("many", 500)} {
		if _, err := store.Import(t.Context(), s, ""); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range s.Versions {
			if s.Versions[i].Missing == "" {
				want = append(want, s.Versions[i].UID.String())
			}
		}
		slices.Sort(want)
		sizes := []string{"", "&maxresults=24"}
		for n := 1; n < 14 && s.Name == "sample"; n++ {
			sizes = append(sizes, fmt.Sprintf("&maxresults=%d", n))
		}
		for _, size := range sizes {
			for what, over := range map[string][]*gatewaytest.Gateway{"pages": g[:1], "whole": g[1:], "both": g} {
				if got := pagesOf(t, string(s.Name), size, over...); !slices.Equal(got, want) {
					t.Errorf("%s%s, %s: %d of %d versions, or in another order", s.Name, size, what, len(got), len(want))
				}
			}
		}
	}
}

// TestVersionTokens: a token goes on behind a version that has vanished, and one
// that no vault gives out is refused.
func TestVersionTokens(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	s := backendtest.ManyVersions("s", 3)
	for i := range s.Versions {
		s.Versions[i].UID = secret.UID{byte(0x10 * (i + 1))}
	}
	if _, err := store.Import(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	for _, g := range overBoth(t, store) {
		for key, want := range map[string]int{
			"s": 3, "S/" + strings.Repeat("0", 32): 3, "S/0F" + strings.Repeat("F", 30): 3, "s/10" + strings.Repeat("0", 30): 2,
			"other/1F" + strings.Repeat("F", 30): 2, "s/" + strings.Repeat("F", 32): 0, "s/": -1, "s/x": -1, "s/10": -1, "s/1/2": -1,
		} {
			inner := base64.StdEncoding.EncodeToString([]byte("000001!secret/" + key + "!0!!"))
			token := base64.RawURLEncoding.EncodeToString([]byte(`{"NextMarker":"2!0!` + strings.ReplaceAll(inner, "=", "-") + `"}`))
			r := askRaw(t, g, "GET /secrets/s/versions?api-version=7.4&$skiptoken="+token+" HTTP/1.1\r\nHost: main.vault.localhost\r\n", "")
			if n := strings.Count(r.body, `"id"`); want >= 0 && (r.status != 200 || n != want) || want < 0 && (r.status != 400 || r.code() != "BadParameter") {
				t.Errorf("after %s: %d with %d versions, want %d", key, r.status, n, want)
			}
		}
	}
}
