package huawei_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// signLike signs r as another client would, and shares no code with the
// gateway: the given headers, in the derived form if there is a region and a
// service to derive for.
func signLike(t testing.TB, r *http.Request, body, ak, sk, derived string, signed ...string) {
	t.Helper()
	if r.Header.Get("X-Sdk-Date") == "" {
		r.Header.Set("X-Sdk-Date", time.Now().UTC().Format("20060102T150405Z"))
	}
	slices.Sort(signed)
	headers := ""
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		headers += name + ":" + strings.TrimSpace(value) + "\n"
	}
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	path := strings.ReplaceAll(escape(r.URL.Path), "%2F", "/")
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20") // sorted by key
	hash := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	canonical := strings.Join([]string{r.Method, strings.TrimSuffix(path, "/") + "/", query, headers, strings.Join(signed, ";"), hash(body)}, "\n")
	text, who, key := "SDK-HMAC-SHA256\n"+r.Header.Get("X-Sdk-Date")+"\n", "SDK-HMAC-SHA256 Access="+ak, []byte(sk)
	if derived != "" {
		scope := r.Header.Get("X-Sdk-Date")[:8] + "/" + derived
		k, err := hkdf.Key(sha256.New, key, []byte(ak), scope, 32)
		must(t, err)
		text, who, key = "V11"+text[3:]+scope+"\n", "V11-HMAC-SHA256 Credential="+ak+"/"+scope, []byte(hex.EncodeToString(k))
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(text + hash(canonical)))
	r.Header.Set("Authorization", fmt.Sprintf("%s, SignedHeaders=%s, Signature=%x", who, strings.Join(signed, ";"), mac.Sum(nil)))
}

// otherClient is one of the vendor's other clients: what it sends and signs,
// by its documentation and its source.
type otherClient struct {
	name    string
	headers map[string]string // in the request before it is signed
	signed  []string          // beside x-sdk-date
	after   map[string]string // added once it is signed
	derived string            // region and service
	host    string            // sent and signed in place of the address's
	lineEnd string            // of bodies
}

var otherClients = []otherClient{
	{
		name:    "python",
		headers: map[string]string{"Content-Type": "application/json;charset=utf8", "User-Agent": "huaweicloud-usdk-python/3.0; \u00e9", "X-Project-Id": "p"},
		signed:  []string{"content-type", "host", "user-agent", "x-project-id"},
	},
	{
		name:    "python, derived",
		headers: map[string]string{"Content-Type": "application/json", "User-Agent": "huaweicloud-usdk-python/3.0", "X-Project-Id": "p"},
		signed:  []string{"content-type", "host", "user-agent", "x-project-id"}, derived: "cn-north-4/csms",
	},
	{
		name:    "java",
		headers: map[string]string{"Content-Type": "application/json", "User-Agent": "huaweicloud-usdk-java/3.0", "X-Project-Id": "p"},
		signed:  []string{"content-type", "host", "user-agent", "x-project-id"},
	},
	{
		name:    "node",
		headers: map[string]string{"Content-Type": "application/json", "User-Agent": "huaweicloud-usdk-nodejs/3.0", "X-Project-Id": "p", "Accept": "*/*"},
		signed:  []string{"accept", "content-type", "host", "user-agent", "x-project-id"},
	},
	{
		name:    ".net, whose host has no port",
		headers: map[string]string{"Content-Type": "application/json", "User-Agent": "huaweicloud-usdk-net/3.0", "X-Project-Id": "p"},
		signed:  []string{"host", "user-agent", "x-project-id"}, host: "csms.vault.localhost",
	},
	{
		name:    "terraform",
		headers: map[string]string{"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "terraform-provider-iac golangsdk/2.0.0", "X-Language": "en-us"},
		signed:  []string{"accept", "content-type", "user-agent", "x-language"},
		after:   map[string]string{"X-Project-Id": "p", "X-Domain-Id": "d"}, lineEnd: "\n",
	},
	{name: "curl", signed: []string{"host"}, lineEnd: "\n"},
	{name: "curl with the date alone"},
}

func (c otherClient) send(t *testing.T, g *gatewaytest.Gateway, client *http.Client, method, path, body, sentBody string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.Endpoint()+"/v1/"+gatewaytest.Project("a")+path, bytes.NewReader([]byte(sentBody)))
	must(t, err)
	for k, v := range c.headers {
		r.Header.Set(k, v)
	}
	r.Host = or(c.host, r.Host)
	signLike(t, r, body, g.AccessKey, g.SecretKey, c.derived, append([]string{"x-sdk-date"}, c.signed...)...)
	for k, v := range c.after {
		r.Header.Set(k, v)
	}
	resp, err := client.Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, resp.Proto + " " + string(answer)
}

// TestOtherClients: each signs its own headers in its own way, over HTTP/1.1
// and HTTP/2.
func TestOtherClients(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, c := range otherClients {
			t.Run(version+" "+c.name, func(t *testing.T) {
				t.Parallel()
				g := twoStores(t)
				client := clientOf(t, g, version == "HTTP/2.0")
				ask := func(method, path, body, sent string, want int) {
					t.Helper()
					if got, answer := c.send(t, g, client, method, path, body, sent); got != want || !strings.HasPrefix(answer, version) {
						t.Errorf("%s %s: %d %s, want %d", method, path, got, answer, want)
					}
				}
				body := `{"name":"n","secret_string":"p\u00e4<&>"}` + c.lineEnd
				ask("POST", "/secrets", body, body, 200)
				ask("GET", "/secrets?marker=a&limit=2&event_name", "", "", 200)
				ask("GET", "/secrets/n/versions/latest", "", "", 200)
				ask("GET", "/secrets/%6E", "", "", 200)
				ask("GET", "/secrets/a%20b", "", "", 400) // no name of CSMS, but rightly signed
				ask("GET", "/secrets/a%2Fb", "", "", 400)
				ask("POST", "/secrets", body, strings.Replace(body, "n", "m", 1), 401)
			})
		}
	}
}

func clientOf(t *testing.T, g *gatewaytest.Gateway, http2 bool) *http.Client {
	t.Helper()
	transport, ok := g.Client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the gateway's client has no *http.Transport")
	}
	transport = transport.Clone()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	transport.TLSClientConfig.NextProtos = nil // the transport's own choice again
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestEscapedSlash: the scheme signs a%2Fb as a/b. So a signature for one must
// do nothing as the other: no name, id or label of this API holds a slash.
func TestEscapedSlash(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	(message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"x"}`}).send(t, g)
	before := snapshot(t, g, "a")
	for _, target := range []struct{ method, path string }{
		{"GET", "/secrets/n"},
		{"GET", "/secrets/n/versions"},
		{"GET", "/secrets/n/versions/latest"},
		{"POST", "/secrets/n/backup"},
		{"POST", "/secrets/n/versions"},
		{"DELETE", "/secrets/n"},
		{"PUT", "/secrets/n/stages/s"},
		{"POST", "/secrets/restore"},
		{"DELETE", "/csms/bb6a3d22-dc93-47ac-b5bd-88df7ad35f1e/tags/k"},
		{"PUT", "/csms/events/e"},
	} {
		slashes := strings.Count(target.path, "/")
		for i := range slashes {
			for n := i; n < slashes; n++ {
				sent := target.path
				for k := n; k >= i; k-- {
					at := nthSlash(sent, k)
					sent = sent[:at] + "%2F" + sent[at+1:]
				}
				m := message{Method: target.method, Path: target.path}
				m.After = func(r *http.Request) { r.URL.RawPath = "/v1/" + gatewaytest.Project("a") + sent }
				if a := m.send(t, g); a.Status < 400 || a.Status == 401 {
					t.Errorf("signed for %s %s and sent as %s: %d %s", target.method, target.path, sent, a.Status, a.Body)
				}
			}
		}
	}
	if after := snapshot(t, g, "a"); after != before {
		t.Errorf("the store changed: %s, before %s", after, before)
	}
}

func nthSlash(s string, n int) int {
	for i := range len(s) {
		if s[i] == '/' {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return -1
}
