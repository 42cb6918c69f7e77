package huawei_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestFailuresOfProducts: what a product says reaches clients as the vendor's
// codes, and no word of the product's own.
func TestFailuresOfProducts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault  *secret.Error
		status int
		code   string
		retry  string
	}{
		{&secret.Error{Kind: secret.Unavailable, RetryAfter: time.Hour}, 502, "APIGW.0201", "3600"},
		{&secret.Error{Kind: secret.Throttled, RetryAfter: time.Minute}, 429, "APIGW.0308", "60"},
		{&secret.Error{Kind: secret.Unknown}, 504, "APIGW.0201", ""},
		{&secret.Error{Kind: secret.Upstream}, 502, "APIGW.0201", ""},
		{&secret.Error{Kind: secret.Conflict}, 400, "CSMS.0003", ""},
		{&secret.Error{Kind: secret.Trashed}, 400, "CSMS.0103", ""},
		{&secret.Error{Kind: secret.Internal}, 500, "CSMS.0001", ""},
	} {
		c.fault.Err = errVendor
		g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: &backendtest.Faulty{
			Backend: memory.New(memory.Options{}),
			Before:  func(context.Context, string) error { return c.fault },
		}}}})
		a := message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"x"}`}.send(t, g)
		if a.Status != c.status || a.Code != c.code || a.Header.Get("Retry-After") != c.retry || strings.Contains(a.Body, errVendor.Error()) {
			t.Errorf("kind %q: got %d %s, retry after %q", c.fault.Kind, a.Status, a.Code, a.Header.Get("Retry-After"))
		}
	}
}

type vendorText string

func (e vendorText) Error() string { return string(e) }

const errVendor vendorText = "words of the product"

func TestNothingIsAnsweredWithoutAudit(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	(message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"` + theValue + `"}`}).send(t, g)
	g.Audit.Fill()
	for name, m := range map[string]message{
		"read":     {Path: "/secrets/n/versions/latest"},
		"write":    {Method: "POST", Path: "/secrets", Body: `{"name":"m","secret_string":"x"}`},
		"refusal":  {Path: "/secrets/a%20b"},
		"no route": {Path: "/none"},
	} {
		if a := m.send(t, g); a.Status != 500 || a.Code != "CSMS.0001" || strings.Contains(a.Body, theValue) {
			t.Errorf("%s: %d %s", name, a.Status, a.Code)
		}
	}
}

// TestNameThatCSMSCannotSpell: such a backup is refused before it is written.
func TestNameThatCSMSCannotSpell(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	c := gateway.Call{Caller: access.Local("test"), Op: "test"}
	for name, want := range map[secret.Name]int{
		"db/prod":                            200,
		secret.Name(strings.Repeat("é", 30)): 400,
	} {
		_, err := g.Service.Put(t.Context(), c, gateway.Ref{Store: "a", Name: name}, secret.Draft{Value: secret.TextValue("x")})
		must(t, err)
		blob, err := g.Service.Backup(t.Context(), c, gateway.Ref{Store: "a", Name: name})
		must(t, err)
		body, err := json.Marshal(map[string]string{"secret_blob": string(blob)})
		must(t, err)
		a := message{Method: "POST", Store: "b", Path: "/secrets/restore", Body: string(body)}.send(t, g)
		if a.Status != want {
			t.Errorf("%d %s %s, want %d", a.Status, a.Code, a.Msg, want)
		}
	}
	if got := snapshot(t, g, "b"); strings.Contains(got, "é") || !strings.Contains(got, "db/prod") {
		t.Errorf("store b holds %s", got)
	}
	list := message{Path: "/secrets?limit=1"}.send(t, g)
	if !strings.Contains(list.Body, `"name":"x0-`) || !strings.Contains(list.Body, `"current_count":1`) {
		t.Errorf("list: %s", list.Body)
	}
}

// TestBackupIsNoWayAround: whoever may restore into one store may not bring in
// what another store holds.
func TestBackupIsNoWayAround(t *testing.T) {
	t.Parallel()
	keys := gatewaytest.NewKeyring(t)
	open := func(rules ...access.Rule) *gatewaytest.Gateway {
		return gatewaytest.New(t, gatewaytest.Options{Keyring: keys, Policy: rules, Stores: []gateway.Store{
			{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})},
			{Name: "b", Kind: "memory", Backend: memory.New(memory.Options{})},
		}})
	}
	free := open(access.Rule{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}})
	(message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"x"}`}).send(t, free)
	body, err := json.Marshal(map[string]string{"secret_blob": backup(t, free, "n")})
	must(t, err)
	bound := open(access.Rule{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"b"}, Names: []string{"*"}})
	for store, says := range map[string]string{"a": "no such project", "b": "from where the backup came"} {
		a := message{Method: "POST", Store: store, Path: "/secrets/restore", Body: string(body)}.send(t, bound)
		if a.Status != 403 || a.Code != "CSMS.0302" || !strings.Contains(a.Msg, says) {
			t.Errorf("store %s: %d %s %s", store, a.Status, a.Code, a.Msg)
		}
	}
}

// TestVersionsWithoutValue: what native tools destroyed is not listed, and
// times rise even where they did not.
func TestVersionsWithoutValue(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: store}}})
	at := time.UnixMilli(1_700_000_000_000).UTC()
	version := func(o secret.Ordinal, v secret.Value, m secret.Missing) secret.Version {
		return secret.Version{Ordinal: o, UID: secret.NewUID(), Value: v, Missing: m, Created: at, Updated: at}
	}
	_, err := store.Import(t.Context(), &secret.Secret{Name: "n", Current: 7, Created: at, Updated: at, Versions: []secret.Version{
		version(3, secret.TextValue("x"), ""), version(5, secret.Value{}, secret.Destroyed),
		version(7, secret.FieldsValue([]byte(`{"user":"u","n":1.0}`)), ""),
	}}, "")
	must(t, err)
	a := message{Path: "/secrets/n/versions"}.send(t, g)
	var list struct {
		All []struct {
			ID   string `json:"id"`
			Time int64  `json:"create_time"`
		} `json:"version_metadatas"`
	}
	must(t, json.Unmarshal([]byte(a.Body), &list))
	if len(list.All) != 2 || list.All[0].ID != "v3" || list.All[1].ID != "v7" || list.All[1].Time != list.All[0].Time+1 {
		t.Errorf("%s", a.Body)
	}
	if a := (message{Path: "/secrets/n/versions/v5"}).send(t, g); a.Status != 404 {
		t.Errorf("a destroyed version answers %d", a.Status)
	}
	if a := (message{Path: "/secrets/n/versions/latest"}).send(t, g); !strings.Contains(a.Body, `"secret_string":"{\"user\":\"u\",\"n\":1.0}"`) {
		t.Error("fields are not shown as the JSON text that the product holds")
	}
}

// TestRecordedRequests: every request that the vendor's tools were seen to
// send passes the door and finds its operation.
func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	var now time.Time
	g := twoStores(t)
	creds := access.NewCredentials()
	for _, suffix := range []string{"", "o", "z", "t", "I"} { // the SDK remembers a project by its key, so each record has its own
		must(t, creds.AddAccessKey("HPUAEXAMPLEACCESSKEY"+suffix, secret.TextValue("exampleSecretKey0123456789exampleSecretKey"), access.Credential{Caller: "recorded"}))
	}
	clock := func() time.Time { return now }
	d, err := huawei.New(huawei.Options{
		Service: g.Service, Events: g.Events, Credentials: creds, IAM: emptyIAM(t, creds), Throttle: access.NewThrottle(clock), Now: clock,
		Routes: []huawei.Route{{Project: "0605767fcd80d5762fdbc0189dexampl", Name: "xx-test-1", Store: "a"}},
	})
	must(t, err)
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	d.Mount(router)
	data, err := os.ReadFile("../../internal/sdkhmac/testdata/requests.jsonl")
	must(t, err)
	for line := range bytes.Lines(data) {
		var rec struct {
			Op, Note, Method, Host, Body string
			Target                       string `json:"request_target"`
			Headers                      http.Header
		}
		must(t, json.Unmarshal(line, &rec))
		r := httptest.NewRequestWithContext(t.Context(), rec.Method, "http://"+rec.Host+rec.Target, strings.NewReader(rec.Body))
		r.Header = rec.Headers
		now, _ = time.Parse("20060102T150405Z", r.Header.Get("X-Sdk-Date"))
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		body := w.Body.String()
		unsigned := r.Header.Get("Authorization") == ""
		switch {
		case rec.Target == "/v3/auth/tokens": // of a user who is not ours
			if w.Code != 401 || !strings.Contains(body, `"title":"Unauthorized"`) {
				t.Errorf("%s: %d %s", rec.Op, w.Code, body)
			}
		case strings.Contains(rec.Target, "/a/b"), strings.Contains(rec.Target, "/a%20b/c"):
			if w.Code != 404 || !strings.Contains(body, "APIGW.0101") {
				t.Errorf("%s %s: %d %s, want no route", rec.Op, rec.Target, w.Code, body)
			}
		case strings.Contains(rec.Target, "%7B"):
			if w.Code != 403 || !strings.Contains(body, "no such project") {
				t.Errorf("%s: %d %s", rec.Target, w.Code, body)
			}
		case unsigned != (w.Code == 401), strings.Contains(body, "APIGW.0101"), w.Code >= 500:
			t.Errorf("%s %s: %d %s", rec.Op, rec.Target, w.Code, body)
		}
	}
}

// TestBodyThatCannotBeRead: too long by its own word, or cut off with the
// connection. Both are refused before anything is written.
func TestBodyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	for _, c := range []struct {
		path   string
		edit   func(*http.Request)
		status int
		code   string
	}{
		{"/secrets/restore", func(r *http.Request) { r.ContentLength = 64<<20 + 1 }, 413, "APIGW.0201"},
		{"/secrets", func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(r.Body, iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, 400, "CSMS.0004"},
	} {
		r := message{Method: "POST", Path: c.path, Body: `{"name":"n","secret_string":"x"}`, After: c.edit}.request(t, g)
		w := httptest.NewRecorder()
		g.Handler.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.code) {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
		if lines := g.Audit.Entries(t); len(lines) == 0 || lines[len(lines)-1].RequestID != w.Header().Get("X-Request-Id") {
			t.Errorf("%s: no audit line", c.path)
		}
	}
	if got := snapshot(t, g, "a"); got != "null" {
		t.Errorf("the store holds %s", got)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	creds := access.NewCredentials()
	good := huawei.Options{Service: g.Service, Events: g.Events, Credentials: creds, IAM: emptyIAM(t, creds), Throttle: access.NewThrottle(time.Now)}
	for name, edit := range map[string]func(*huawei.Options){
		"no service":     func(o *huawei.Options) { o.Service = nil },
		"no events":      func(o *huawei.Options) { o.Events = nil },
		"no credentials": func(o *huawei.Options) { o.Credentials = nil },
		"no IAM":         func(o *huawei.Options) { o.IAM = nil },
		"no throttle":    func(o *huawei.Options) { o.Throttle = nil },
		"unknown store":  func(o *huawei.Options) { o.Routes = []huawei.Route{{Project: "p", Store: "none"}} },
		"empty project":  func(o *huawei.Options) { o.Routes = []huawei.Route{{Store: "a"}} },
		"slash":          func(o *huawei.Options) { o.Routes = []huawei.Route{{Project: "p/q", Store: "a"}} },
		"name twice": func(o *huawei.Options) {
			o.Routes = []huawei.Route{{Project: "p", Name: "r", Store: "a"}, {Project: "q", Name: "r", Store: "b"}}
		},
		"project twice": func(o *huawei.Options) {
			o.Routes = []huawei.Route{{Project: "p", Store: "a"}, {Project: "p", Store: "b"}}
		},
	} {
		o := good
		edit(&o)
		if _, err := huawei.New(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if d, err := huawei.New(good); err != nil || d.Name() != "huawei" {
		t.Errorf("no routes: %v", err)
	}
}
