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

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// tenants is a gateway whose caller sees "app-*" of a store that holds what is
// others' too.
func tenants(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	g := gatewaytest.New(t, gatewaytest.Options{Policy: []access.Rule{
		{Callers: []string{gatewaytest.Caller}, Allow: []string{"list", "get"}, Stores: []string{"main"}, Names: []string{"app-*"}},
		{Callers: []string{"owner"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}},
	}})
	owner := gateway.Call{Caller: access.Caller{ID: "owner"}, Op: "test.Put"}
	for _, n := range []secret.Name{"aa-hidden-1", "app-1", "app-2", "app-3", "app-4", "zz-hidden-1", "zz-hidden-2", "zz-hidden-3", "zz-hidden-4", "zz-hidden-5"} {
		for _, form := range []secret.Name{"", "del-"} {
			ref := gateway.Ref{Store: "main", Name: n + form}
			if _, err := g.Service.Put(t.Context(), owner, ref, secret.Draft{Value: secret.TextValue("v")}); err != nil {
				t.Fatal(err)
			}
			if form == "" {
				continue
			}
			if _, err := g.Service.Delete(t.Context(), owner, ref); err != nil {
				t.Fatal(err)
			}
		}
	}
	return g
}

// names walks a list from a link, which begins behind the host, and returns
// what it shows and every place at which a page ended.
func names(t *testing.T, g *gatewaytest.Gateway, link string) (shown, ends []string) {
	t.Helper()
	for link != "" {
		r := request(t, g, http.MethodGet, g.VaultURL("main")+link, "")
		status, body := play(g, r)
		var page struct {
			Value    []struct{ ID string }
			NextLink *string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %v", link, status, err)
		}
		for _, v := range page.Value {
			shown = append(shown, v.ID[strings.LastIndexByte(v.ID, '/')+1:])
		}
		if page.NextLink == nil {
			return shown, ends
		}
		u, err := url.Parse(*page.NextLink)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, placeOf(t, u.Query().Get("$skiptoken")))
		link = u.RequestURI()
	}
	return shown, ends
}

func placeOf(t *testing.T, token string) string {
	t.Helper()
	var m struct{ NextMarker string }
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(b, &m) != nil {
		t.Fatalf("a skip token of another form: %v", err)
	}
	inner, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(m.NextMarker[strings.LastIndexByte(m.NextMarker, '!')+1:], "-", "="))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ToLower(strings.TrimPrefix(strings.Split(string(inner), "!")[1], "secret/"))
}

// forge is a token for a place of the forger's choice.
func forge(place string) string {
	key := "secret/" + strings.ToUpper(place)
	inner := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%06d!%s!000028!9999-12-31T23:59:59.9999999Z!", len(key), key))
	b, _ := json.Marshal(map[string]any{"NextMarker": fmt.Sprintf("2!%d!%s", len(inner), inner), "TargetLocation": 0}) // strings always marshal
	return base64.RawURLEncoding.EncodeToString(b)
}

// A page's end names what its caller was shown, and nothing of others; and a
// list does not go on where only what is others' follows.
func TestASkipTokenNamesNothingOfOthers(t *testing.T) {
	t.Parallel()
	g := tenants(t)
	for list, suffix := range map[string]string{"/secrets": "", "/deletedsecrets": "del-"} {
		var want []string
		for i := range 4 {
			want = append(want, fmt.Sprintf("app-%d%s", i+1, suffix))
		}
		for size := 1; size <= 25; size++ {
			got, ends := names(t, g, fmt.Sprintf("%s?api-version=7.4&maxresults=%d", list, size))
			if !slices.Equal(got, want) {
				t.Errorf("%s by %d: %v", list, size, got)
			}
			for _, end := range ends {
				if !slices.Contains(got, end) {
					t.Errorf("%s by %d: a token names %q, which was not shown", list, size, end)
				}
			}
			if most := (len(want) - 1) / size; list == "/secrets" && len(ends) > most {
				t.Errorf("%s by %d: %d links, at most %d pages follow", list, size, len(ends), most)
			}
		}
	}
}

// Whoever forges a token begins where they like, and sees of the plain list
// what follows.
func TestAForgedSkipTokenShowsNothingMore(t *testing.T) {
	t.Parallel()
	g := tenants(t)
	for place, want := range map[string][]string{
		"aa-hidden-1": {"app-1", "app-2", "app-3", "app-4"},
		"app-2":       {"app-3", "app-4"},
		"app-2zzz":    {"app-3", "app-4"},
		"zz-hidden-1": nil,
		"zzzzzz":      nil,
	} {
		got, ends := names(t, g, "/secrets?api-version=7.4&$skiptoken="+forge(place))
		if !slices.Equal(got, want) || ends != nil {
			t.Errorf("from %s: %v, %v", place, got, ends)
		}
	}
}
