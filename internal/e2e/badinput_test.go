package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// badRow is one kind of bad input, as either vendor's clients would send it.
type badRow struct {
	name          string
	azure, huawei *exchange // nil: the vendor's API has no such thing
}

// exchange is one request that must fail, and all that may come of it: one
// error of the vendor's, these audit lines and nothing else.
type exchange struct {
	store        string // default "main"
	method, path string // below the vault or the project
	query        string // default: a good api-version for azure
	body         string
	made         func(*testing.T, *badWorld) string // makes the body
	extra        func(*testing.T) backends.Backend  // the store "extra"
	before       func(*testing.T, *badWorld)
	change       func(*badWorld, *http.Request) // after signing

	status  int
	code    string
	inner   string // azure's innererror.code
	message string // a part of what is said
	audit   []string
}

// TestBadInput: whatever is wrong with a request, a blob or a product, the
// client gets its own vendor's error with the documented status and code, the
// audit says so, and no store has changed.
func TestBadInput(t *testing.T) {
	t.Parallel()
	for group, rows := range map[string][]badRow{
		"names": badNames, "bodies": badBodies, "requests": badRequests, "credentials": badCredentials,
		"blobs": badBlobs, "policy": badPolicy, "products": badProducts, "disks": badDisks,
	} {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			for _, r := range rows {
				t.Run(r.name, func(t *testing.T) {
					t.Parallel()
					r.azure.run(t, azureWire{})
					r.huawei.run(t, huaweiWire{})
				})
			}
		})
	}
}

// run sends the request over HTTP/1.1 and HTTP/2, each to a gateway of its own.
func (x *exchange) run(t *testing.T, v vendor) {
	if x == nil {
		return
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(v.String()+" "+proto, func(t *testing.T) {
			t.Parallel()
			var extra backends.Backend
			if x.extra != nil {
				extra = x.extra(t)
			}
			w := newBadWorld(t, extra)
			body := x.body
			if x.made != nil {
				body = x.made(t, w)
			}
			w.mark(t)
			if x.before != nil {
				x.before(t, w)
			}
			a := w.send(t, v, x, proto, body)
			if a.proto != proto {
				t.Errorf("answered over %s", a.proto)
			}
			x.check(t, w, v, a)
		})
	}
}

func (x *exchange) check(t *testing.T, w *badWorld, v vendor, a *answer) {
	t.Helper()
	got := v.parse(t, a)
	if a.status != x.status || got.code != x.code || got.inner != x.inner {
		t.Errorf("answered %d %q %q, want %d %q %q", a.status, got.code, got.inner, x.status, x.code, x.inner)
	}
	if x.message == "" || !strings.Contains(got.message, x.message) {
		t.Errorf("said %q, want %q", got.message, x.message)
	}
	w.checkAudit(t, got.id, x.audit)
	w.checkReason(t, a)
	w.main.Before, w.main.After = nil, nil
	w.checkUnchanged(t)
	w.checkSilent(t, "the answer", fmt.Sprint(a.header, string(a.body)))
	w.checkSilent(t, "the log", w.log.String())
	w.checkSilent(t, "the audit", w.audit.Text())
}

// answer is one response, read to its end.
type answer struct {
	status int
	proto  string
	header http.Header
	body   []byte
}

// told is what a vendor's error says.
type told struct{ code, inner, message, id string }

// vendor writes requests and reads errors as one vendor's clients do.
type vendor interface {
	fmt.Stringer
	url(w *badWorld, store, path, query string) string
	prove(t *testing.T, w *badWorld, r *http.Request, body []byte)
	parse(t *testing.T, a *answer) told
}

func (w *badWorld) request(t *testing.T, v vendor, x *exchange, body string) *http.Request {
	t.Helper()
	store := x.store
	if store == "" {
		store = "main"
	}
	r, err := http.NewRequestWithContext(t.Context(), x.method, v.url(w, store, x.path, x.query), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	v.prove(t, w, r, []byte(body))
	if x.change != nil {
		x.change(w, r)
	}
	return r
}

func (w *badWorld) send(t *testing.T, v vendor, x *exchange, proto, body string) *answer {
	t.Helper()
	resp, err := w.client(t, proto).Do(w.request(t, v, x, body))
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, resp)
}

func readAnswer(t *testing.T, resp *http.Response) *answer {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answer{resp.StatusCode, resp.Proto, resp.Header, b}
}

// client speaks one version of HTTP alone.
func (w *badWorld) client(t *testing.T, proto string) *http.Client {
	t.Helper()
	base, ok := w.Client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the gateway's client has another transport")
	}
	tr := base.Clone()
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP1(proto == "HTTP/1.1")
	tr.Protocols.SetHTTP2(proto == "HTTP/2.0")
	tr.ForceAttemptHTTP2, tr.TLSNextProto = false, nil
	tr.TLSClientConfig.NextProtos = nil // Clone has put h2 there
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

type azureWire struct{}

func (azureWire) String() string { return "azure" }

func (azureWire) url(w *badWorld, store, path, query string) string {
	if query == "" {
		query = "api-version=2026-04-01"
	}
	return w.VaultURL(store) + path + "?" + query
}

func (azureWire) prove(_ *testing.T, w *badWorld, r *http.Request, _ []byte) {
	r.Header.Set("Authorization", "Bearer "+w.Token)
}

// parse wants the vendor's shape to the member.
func (azureWire) parse(t *testing.T, a *answer) told {
	t.Helper()
	var e struct {
		Error struct {
			Code, Message string
			Inner         *struct{ Code string } `json:"innererror"`
		}
	}
	strictly(t, a, "application/json; charset=utf-8", &e)
	got := told{code: e.Error.Code, message: e.Error.Message, id: a.header.Get("x-ms-request-id")}
	if e.Error.Inner != nil {
		got.inner = e.Error.Inner.Code
	}
	challenge := a.header.Values("WWW-Authenticate")
	if (a.status == http.StatusUnauthorized) != (len(challenge) == 1) {
		t.Errorf("status %d with %d challenges", a.status, len(challenge))
	}
	return got
}

type huaweiWire struct{}

func (huaweiWire) String() string { return "huawei" }

func (huaweiWire) url(w *badWorld, store, path, query string) string {
	u := w.Endpoint() + "/v1/" + gatewaytest.Project(store) + path
	if query != "" {
		u += "?" + query
	}
	return u
}

func (huaweiWire) prove(t *testing.T, w *badWorld, r *http.Request, body []byte) {
	t.Helper()
	sign(t, w, r, body, time.Now())
}

func sign(t *testing.T, w *badWorld, r *http.Request, body []byte, at time.Time) {
	t.Helper()
	if err := sdkhmac.Sign(r, body, w.AccessKey, secret.TextValue(w.SecretKey), at); err != nil {
		t.Fatal(err)
	}
}

// parse wants the shape of the API gateway for its codes and the flat one of
// CSMS for all others.
func (huaweiWire) parse(t *testing.T, a *answer) told {
	t.Helper()
	var e struct {
		Code string `json:"error_code"`
		Msg  string `json:"error_msg"`
		ID   string `json:"request_id"`
	}
	strictly(t, a, "application/json", &e)
	id := a.header.Get("X-Request-Id")
	if ofGateway := strings.HasPrefix(e.Code, "APIGW."); (e.ID == id) != ofGateway || id == "" {
		t.Errorf("%s with request_id %q", e.Code, e.ID)
	}
	return told{code: e.Code, message: e.Msg, id: id}
}

// strictly decodes a body that holds these members alone.
func strictly(t *testing.T, a *answer, contentType string, into any) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != contentType {
		t.Errorf("Content-Type %q", got)
	}
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil || dec.More() {
		t.Errorf("not the vendor's shape (%v): %d bytes", err, len(a.body))
	}
}

// The lines that rows expect: of a read, of a write, and of what a dialect
// refuses itself, whose caller may be unknown ("-").
func reading(op, action, where, result string) []string {
	return []string{"outcome " + op + " tester " + action + " " + where + " " + result}
}

func writing(op, action, where, result string) []string {
	return []string{"intent " + op + " tester " + action + " " + where, "outcome " + op + " tester " + action + " " + where + " " + result}
}

func refusing(op, who, where, result string) []string {
	return []string{"outcome " + op + " " + who + " - " + where + " " + result}
}
