package attack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/backup"
)

// TestLinksNameNothingOfOthers: neither a link to the next page nor a forged
// one shows what a plain list would not.
func TestLinksNameNothingOfOthers(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	names := []string{"app-1", "app-2", "app-3"}
	for i := range 40 {
		names = append(names, fmt.Sprint("aa-hidden-", i), fmt.Sprint("zz-hidden-", i))
	}
	for _, n := range names {
		if code, body := x.set(t, vaultHost, n, "v"); code != http.StatusOK {
			t.Fatal(code, body)
		}
	}
	client := x.from(t, hostile)
	list := func(query string) (shown []string, next string) {
		r := x.azure(t, "GET", "/secrets", tenantToken, http.NoBody)
		r.URL.RawQuery += query
		code, body := do(t, client, r)
		var page struct {
			Value    []struct{ ID string }
			NextLink string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || code != http.StatusOK || strings.Contains(body, "hidden") {
			t.Errorf("%s: %d %s", query, code, body)
		}
		for _, v := range page.Value {
			shown = append(shown, v.ID)
		}
		return shown, page.NextLink
	}
	all, _ := list("")
	if len(all) != 3 {
		t.Fatalf("the list shows %v", all)
	}
	for size := 1; size <= 25; size++ {
		first := fmt.Sprint("&maxresults=", size)
		seen := 0
		for query := first; query != ""; {
			shown, next := list(query)
			seen += len(shown)
			u, err := url.Parse(next)
			must(t, err)
			if query = ""; next != "" {
				token := u.Query().Get("$skiptoken")
				if place := placeOf(t, token); !strings.HasPrefix(place, "SECRET/APP-") {
					t.Fatalf("by %d: the link names %q", size, place)
				}
				query = first + "&$skiptoken=" + token
			}
		}
		if seen != len(all) {
			t.Errorf("by %d: %d on all pages, want %d", size, seen, len(all))
		}
	}
	for _, place := range []string{"AA", "AA-HIDDEN", "APP-1", "ZZ", "ZZ-HIDDEN"} {
		list("&maxresults=25&$skiptoken=" + forgedToken(place))
	}
}

func placeOf(t *testing.T, token string) string {
	t.Helper()
	var m struct{ NextMarker string }
	b, err := base64.RawURLEncoding.DecodeString(token)
	must(t, err)
	must(t, json.Unmarshal(b, &m))
	inner, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(m.NextMarker[strings.LastIndexByte(m.NextMarker, '!')+1:], "-", "="))
	must(t, err)
	return strings.ToUpper(strings.Split(string(inner)+"!", "!")[1])
}

func forgedToken(place string) string {
	key := "secret/" + place
	inner := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%06d!%s!000028!9999-12-31T23:59:59.9999999Z!", len(key), key))
	b, _ := json.Marshal(map[string]any{"NextMarker": fmt.Sprintf("2!%d!%s", len(inner), inner), "TargetLocation": 0})
	return base64.RawURLEncoding.EncodeToString(b)
}

// TestIDsTellNothing: the id of a secret that the caller may not see is
// answered as one that was made up.
func TestIDsTellNothing(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "there")
	_, body := x.send(t, x.from(t, honest), call{method: "GET", path: "/secrets/theretrue"})
	_, id, _ := strings.Cut(body, `"id":"`)
	if len(id) < 36 {
		t.Fatal(body)
	}
	if code, body := x.send(t, x.from(t, honest), call{method: "GET", path: "/csms/" + id[:36] + "/tags"}); code != http.StatusOK {
		t.Errorf("whoever may see it: %d %s", code, body)
	}
	ask := func(key, sk, id string) string {
		code, body := x.send(t, x.from(t, hostile), call{method: "GET", path: "/csms/" + id + "/tags", key: key, sk: sk})
		return fmt.Sprint(code, strings.ReplaceAll(body, id, "ID"))
	}
	for key, sk := range map[string]string{guestKey: guestSK, tenantKey: tenantSK} {
		hidden := ask(key, sk, id[:36])
		again := ask(key, sk, id[:36])
		if made := ask(key, sk, uuid.NewString()); hidden != made || again != made {
			t.Errorf("%s: %s, then %s, and of one that was made up %s", key, hidden, again, made)
		}
	}
}

// TestOrigins: a backup of a gateway is none of another that shares the
// keyring, and is one of its replica.
func TestOrigins(t *testing.T) {
	t.Parallel()
	keys := backup.NewKeyring()
	gateway := func(id string) *target {
		return start(t, extra{keys: keys, More: "gateway: { id: " + strings.Repeat(id, 32) + " }"})
	}
	production := gateway("a")
	if code, body := production.set(t, vaultHost, "db", "v"); code != http.StatusOK {
		t.Fatal(code, body)
	}
	code, blob := do(t, production.from(t, honest), production.azure(t, "POST", "/secrets/db/backup", appToken, http.NoBody))
	if code != http.StatusOK {
		t.Fatal(code, blob)
	}
	for id, want := range map[string]int{"a": http.StatusOK, "b": http.StatusForbidden} {
		x := gateway(id)
		if code, body := do(t, x.from(t, honest), x.azure(t, "POST", "/secrets/restore", appToken, strings.NewReader(blob))); code != want {
			t.Errorf("gateway %s: %d %s, want %d", id, code, body, want)
		}
		if code, body := do(t, x.from(t, honest), x.azure(t, "POST", "/secrets/restore", tenantToken, strings.NewReader(blob))); code != http.StatusForbidden {
			t.Errorf("whoever may not get it: %d %s", code, body)
		}
	}
}
