package azure_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestBadQueries: every one of them with a good token, a good path and a good
// store behind it.
func TestBadQueries(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for i := range 30 {
		set(t, g, "main", fmt.Sprintf("n%02d", i), "x")
	}
	forged := func(inner string) string {
		inner = strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(inner)), "=", "-")
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"NextMarker":"2!%d!%s","TargetLocation":0}`, len(inner), inner))
	}
	const v = "api-version=7.4"
	for _, c := range []struct {
		query  string
		status int
		items  int
	}{
		{v, 200, 25},
		{"api%2Dversion=7.4", 200, 25},
		{v + "&maxresults=1", 200, 1},
		{v + "&maxresults=25", 200, 25},
		{v + "&maxresults=26", 400, 0},
		{v + "&maxresults=0", 400, 0},
		{v + "&maxresults=-1", 400, 0},
		{v + "&maxresults=x", 400, 0},
		{v + "&maxresults=", 400, 0},
		{v + "&maxresults=1.5", 400, 0},
		{v + "&maxresults=99999999999999999999", 400, 0},
		{v + "&maxresults=1&maxresults=2", 400, 0},
		{v + "&" + v, 400, 0},
		{v + "&api-version=7.3", 400, 0},
		{"", 400, 0},
		{"api-version=", 400, 0},
		{"Api-Version=7.4", 200, 25}, // inferred
		{v + "&API-VERSION=7.4", 400, 0},
		{v + "&maxResults=1", 200, 1}, // as of Azure Resource Manager
		{v + "&maxresults=1&maxResults=1", 400, 0},
		{v + "&$skipToken=" + forged("000001!secret/N28!0!!"), 200, 1},
		{"api-version=7.4%00", 400, 0},
		{v + "&unknown=1", 200, 25},
		{v + "&$skiptoken=", 400, 0},
		{v + "&$skiptoken=%ff", 400, 0},
		{v + "&$skiptoken=AAAA", 400, 0},
		{v + "&$skiptoken=" + forged("000001!secret/N28!0!!"), 200, 1},
		{v + "&%24skiptoken=" + forged("000001!secret/N28!0!!"), 200, 1},
		{v + "&$skiptoken=" + forged("000001!secret/N28A-GONE!0!!"), 200, 1},
		{v + "&$skiptoken=" + forged("000001!secret/Z!0!!"), 200, 0},
		{v + "&$skiptoken=" + forged("000001!key/N28!0!!"), 400, 0},
		{v + "&$skiptoken=" + forged("000001!secret/!0!!"), 400, 0},
		{v + "&$skiptoken=" + forged("000001!secret/../X!0!!"), 400, 0},
		{v + "&$skiptoken=" + forged("000001!secret/A\x00B!0!!"), 400, 0},
		{v + "&$skiptoken=" + forged(strings.Repeat("!", 3000)), 400, 0},
	} {
		for _, path := range []string{"/secrets", "/deletedsecrets"} {
			r := askRaw(t, g, "GET "+path+"?"+c.query+" HTTP/1.1\r\nHost: main.vault.localhost\r\n", "")
			items := c.items
			if path == "/deletedsecrets" {
				items = 0
			}
			if r.status != c.status || strings.Count(r.body, `"id"`) != items || (r.status == 400) != (r.code() == "BadParameter") {
				t.Errorf("%s?%s: %d with %d items, want %d with %d", path, c.query, r.status, strings.Count(r.body, `"id"`), c.status, items)
			}
		}
	}
}

// TestOddRequests are well-formed for HTTP and unusual, as proxies and old
// clients make them.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	set(t, g, "main", "x", "1")
	const query = "?api-version=7.4"
	const host = "Host: main.vault.localhost\r\n"
	for what, c := range map[string]struct {
		head, body string
		status     int
	}{
		"HTTP/1.0":                        {"GET /secrets/x" + query + " HTTP/1.0\r\n" + host, "", 200},
		"HTTP/1.0 without a host":         {"GET /secrets/x" + query + " HTTP/1.0\r\n", "", 403},
		"a body on GET":                   {"GET /secrets/x" + query + " HTTP/1.1\r\n" + host + "Content-Length: 5\r\n", "hello", 200},
		"a body on DELETE":                {"DELETE /deletedsecrets/y" + query + " HTTP/1.1\r\n" + host + "Content-Length: 5\r\n", "hello", 404},
		"chunks":                          {"PUT /secrets/x" + query + " HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n", "5\r\n{\"val\r\n8\r\nue\":\"2\"}\r\n0\r\n\r\n", 200},
		"chunks that never end":           {"PUT /secrets/x" + query + " HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n", "5\r\n{\"val\r\n", 400},
		"two hosts":                       {"GET /secrets/x" + query + " HTTP/1.1\r\n" + host + "Host: other.vault.localhost\r\n", "", 400},
		"a host that is forwarded":        {"GET /secrets/x" + query + " HTTP/1.1\r\n" + host + "X-Forwarded-Host: other.vault.localhost\r\n", "", 200},
		"another host in the URL":         {"GET https://other.vault.localhost/secrets/x" + query + " HTTP/1.1\r\n" + host, "", 403},
		"our host in the URL":             {"GET https://main.vault.localhost/secrets/x" + query + " HTTP/1.1\r\nHost: other.vault.localhost\r\n", "", 200},
		"a host with a path in it":        {"GET /secrets/x" + query + " HTTP/1.1\r\nHost: main.vault.localhost/x\r\n", "", 400},
		"an encoded slash in the name":    {"GET /secrets/x%2Fversions" + query + " HTTP/1.1\r\n" + host, "", 400},
		"an encoded slash in the path":    {"GET /secrets%2Fx" + query + " HTTP/1.1\r\n" + host, "", 404},
		"dots as a name":                  {"GET /secrets/%2e%2e" + query + " HTTP/1.1\r\n" + host, "", 400},
		"dots in the path":                {"GET /secrets/y/%2e%2e/x" + query + " HTTP/1.1\r\n" + host, "", 404},
		"a method in place of another":    {"POST /secrets/x" + query + " HTTP/1.1\r\n" + host + "X-HTTP-METHOD: GET\r\nContent-Length: 0\r\n", "", 405},
		"a name of 127 characters":        {"GET /secrets/" + strings.Repeat("n", 127) + query + " HTTP/1.1\r\n" + host, "", 404},
		"a name of 128 characters":        {"GET /secrets/" + strings.Repeat("n", 128) + query + " HTTP/1.1\r\n" + host, "", 400},
		"a name with a line end":          {"GET /secrets/x%0d%0ay" + query + " HTTP/1.1\r\n" + host, "", 400},
		"a name that is no UTF-8":         {"GET /secrets/%ff" + query + " HTTP/1.1\r\n" + host, "", 400},
		"a name with a percent sign":      {"GET /secrets/%2525" + query + " HTTP/1.1\r\n" + host, "", 400},
		"a version in upper case":         {"GET /secrets/x/ABCDEF00000000000000000000000000" + query + " HTTP/1.1\r\n" + host, "", 404},
		"a version that is none":          {"GET /secrets/x/1" + query + " HTTP/1.1\r\n" + host, "", 404},
		"the zero version":                {"GET /secrets/x/" + strings.Repeat("0", 32) + query + " HTTP/1.1\r\n" + host, "", 404},
		"words in another case":           {"POST //DeletedSecrets//y//Recover/" + query + " HTTP/1.1\r\n" + host + "Content-Length: 0\r\n", "", 404},
		"a recovery without a name":       {"POST /deletedsecrets//recover" + query + " HTTP/1.1\r\n" + host + "Content-Length: 0\r\n", "", 405},
		"another verb on what is deleted": {"PATCH /deletedsecrets/x" + query + " HTTP/1.1\r\n" + host + "Content-Length: 2\r\n", "{}", 405},
	} {
		if r := askRaw(t, g, c.head, c.body); r.status != c.status {
			t.Errorf("%s: %d %s, want %d", what, r.status, r.body, c.status)
		}
	}
}

// TestSlowBody comes byte by byte, and is waited for.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	body := `{"value":"` + strings.Repeat("x", 2000) + `"}`
	if r := doFrom(t, g, "main", http.MethodPut, "/secrets/x", iotest.OneByteReader(strings.NewReader(body))); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.code())
	}
}

// askRaw sends bytes as they are, with the gateway's token. Behind chunks
// that do not end it closes its side, so that nobody waits for more.
func askRaw(t *testing.T, g *gatewaytest.Gateway, head, body string) reply {
	t.Helper()
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: g.CA, ServerName: "main.vault.localhost"}}).DialContext(t.Context(), "tcp", g.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head+"Authorization: Bearer "+g.Token+"\r\nConnection: close\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	if c, ok := conn.(*tls.Conn); ok && strings.Contains(head, "chunked") && !strings.HasSuffix(body, "0\r\n\r\n") {
		_ = c.CloseWrite() // the server may have closed it
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}
