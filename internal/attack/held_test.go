package attack

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/sdkhmac"
)

// TestChangedSignatures: a signed request is good as it was signed, and in no
// other way.
func TestChangedSignatures(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, honest)
	header := func(k string, v ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(k)] = v }
	}
	old := time.Now().UTC().Add(-16 * time.Minute).Format("20060102T150405Z")
	for name, edit := range map[string]func(*http.Request){
		"another query":   func(r *http.Request) { r.URL.RawQuery = "limit=1" },
		"another path":    func(r *http.Request) { r.URL.Path += "/restore" },
		"another method":  func(r *http.Request) { r.Method = http.MethodPut },
		"another project": func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, project, second, 1) },
		"another body":    func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2 },
		"no body":         func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 },
		"an old date":     header(sdkhmac.HeaderDate, old),
		"two dates":       func(r *http.Request) { r.Header.Add(sdkhmac.HeaderDate, old) },
		"no date":         func(r *http.Request) { r.Header.Del(sdkhmac.HeaderDate) },
		"unsigned body":   header(sdkhmac.HeaderSHA256, sdkhmac.UnsignedPayload),
		"another hash":    header(sdkhmac.HeaderSHA256, strings.Repeat("0", 64)),
		"two hashes":      header(sdkhmac.HeaderSHA256, strings.Repeat("0", 64), sumOf("x")),
		"two proofs": func(r *http.Request) {
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
		},
		"date unsigned": func(r *http.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", strings.Replace(strings.Replace(a, ";x-sdk-date", "", 1), "x-sdk-date;", "", 1))
		},
	} {
		c := call{method: "POST", path: "/secrets", body: secretBody("never", "v"), edit: edit}
		if code, body := x.send(t, client, c); code != http.StatusUnauthorized && code != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if code, body := x.send(t, client, call{method: "GET", path: "/secrets/never"}); code != http.StatusNotFound {
		t.Errorf("one of them made a secret: %d %s", code, body)
	}
}

// TestDoubledHeaders: what could be read in two ways is refused.
func TestDoubledHeaders(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	const head = "GET /secrets?api-version=7.4 HTTP/1.1\r\nHost: " + vaultHost + "\r\nAuthorization: Bearer " + appToken + "\r\n"
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"as it should be":    {head + "\r\n", "200"},
		"two hosts":          {head + "Host: other\r\n\r\n", "400"},
		"two tokens":         {head + "Authorization: Bearer x\r\n\r\n", "401"},
		"two lengths":        {head + "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello", "400"},
		"length and chunks":  {strings.Replace(head, "GET /secrets", "GET /secrets/n", 1) + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
		"unknown encoding":   {head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
		"a blank in a name":  {head + "X-A : b\r\n\r\n", "400"},
		"a line feed alone":  {strings.ReplaceAll(head, "\r\n", "\n") + "X\x00: b\n\n", "400"},
		"a folded header":    {head + "X-A: b\r\n\tc\r\n\r\n", ""},
		"a head without end": {head + strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 100) + "\r\n", "431"},
	} {
		conn := x.raw(t, hostile)
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, c.text)
		line, err := bufio.NewReader(conn).ReadString('\n')
		got := strings.Fields(line + " - -")[1]
		if err != nil && c.want != "431" || c.want != "" && got != c.want && err == nil || strings.HasPrefix(got, "5") && got != "501" {
			t.Errorf("%s: %q %v, want %s", name, line, err, c.want)
		}
	}
}

// TestNothingIsToldWithoutRights: to a caller without rights a secret that is
// there and one that is not are the same, on every route.
func TestNothingIsToldWithoutRights(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	x.serves(t, honest, "there")
	const there, absent = "theretrue", "theregone"
	differ := func(what string, ask func(name string) (int, string)) {
		var answers []string
		for _, name := range []string{there, absent} {
			code, body := ask(name)
			answers = append(answers, fmt.Sprint(code, strings.ReplaceAll(body, name, "NAME")))
		}
		if answers[0] != answers[1] || strings.HasPrefix(answers[0], "2") {
			t.Errorf("%s: %s, and where there is none: %s", what, answers[0], answers[1])
		}
	}
	for _, route := range []string{"GET /secrets/N", "GET /secrets/N/versions", "POST /secrets/N/backup", "PATCH /secrets/N", "PUT /secrets/N", "DELETE /secrets/N", "GET /deletedsecrets/N", "POST /deletedsecrets/N/recover", "DELETE /deletedsecrets/N"} {
		method, path, _ := strings.Cut(route, " ")
		differ("azure "+route, func(name string) (int, string) {
			return do(t, client, x.azure(t, method, strings.Replace(path, "N", name, 1), guestToken, strings.NewReader(`{"value":"v"}`)))
		})
	}
	for _, route := range []string{"GET /secrets/N", "GET /secrets/N/versions", "GET /secrets/N/versions/latest", "POST /secrets/N/backup", "DELETE /secrets/N", "GET /secrets/N/stages/s", "POST /secrets/N/scheduled-deleted-tasks/create"} {
		method, path, _ := strings.Cut(route, " ")
		differ("huawei "+route, func(name string) (int, string) {
			return x.send(t, client, call{method: method, path: strings.Replace(path, "N", name, 1), key: guestKey, sk: guestSK})
		})
	}
}

// TestThrottleRace: sixty at once get hardly more guesses than one.
func TestThrottleRace(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	var looked atomic.Int64
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			for j := range 5 {
				_, body := x.send(t, client, call{method: "GET", path: "/secrets", key: weakKey, sk: fmt.Sprint(i, j)})
				if !strings.Contains(body, "AK access failed to reach the limit") {
					looked.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := looked.Load(); n > 65 {
		t.Errorf("%d guesses of 300 were looked at", n)
	}
}

// TestOddRequests: whatever is asked, with rights and without, the answer is
// none of a program that has stumbled.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	parts := []string{"secrets", "deletedsecrets", "v1", project, "csms", "tags", "versions", "latest", "restore", "backup", "%2F", "..", ".", "", "%00", "ä", "a", "%ff", "keys", "adfs", "oauth2", "token", "v3", "auth", "tokens", strings.Repeat("n", 300)}
	bodies := []string{"", "{}", "[]", "null", `{"value":"v"}`, `{"value":`, `{"name":"n","secret_string":"x"}`, `{"auth":{}}`, strings.Repeat("[", 5000), "\xff\xfe", `{"tags":{"a":"b"},"attributes":{"exp":1e99}}`}
	for range 600 {
		path := ""
		for range 1 + rnd.IntN(6) {
			path += "/" + pick(parts...)
		}
		r := x.azure(t, pick("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE"), "/", "", strings.NewReader(pick(bodies...)))
		r.URL.Opaque = "/" + strings.TrimLeft(path, "/")
		r.URL.RawQuery = pick("api-version=7.4", "", "api-version=7.4&api-version=7.5", "limit=-1&marker=%00", "$skiptoken=x&maxresults=9999999999999999999", "a=%zz")
		r.Host = strings.Replace(r.URL.Host, vaultHost, pick(vaultHost, vaultHost, "login.vault.localhost", "csms.vault.localhost", "nowhere"), 1)
		switch rnd.IntN(3) {
		case 0:
			r.Header.Set("Authorization", "Bearer "+pick(appToken, guestToken, "x"))
		case 1:
			r.Header.Set("X-Auth-Token", pick(appToken, guestToken))
		}
		if code, body := do(t, client, r); code >= 500 {
			t.Errorf("%s %s: %d %.200s", r.Method, r.URL.Opaque, code, body)
		}
	}
}
