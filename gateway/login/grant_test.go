package login_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/login"
)

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

func TestTokenAnswer(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	for name, ask := range map[string]struct {
		form   string
		change []func(*http.Request)
	}{
		"secret in the form":   {form("claims", `{"access_token":{}}`, "client_info", "1", "x-client-SKU", "x"), nil},
		"secret in the header": {form("client_id", "", "client_secret", ""), []func(*http.Request){basic("ci+cd", password)}},
		"id in both":           {form("client_secret", ""), []func(*http.Request){basic("ci+cd", password)}},
		"charset":              {form(), []func(*http.Request){func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8") }}},
		"the login's own host": {form("scope", "https://login.vault.localhost/.default"), nil},
	} {
		w := d.post(t, ask.form, ask.change...)
		var answer map[string]any
		if w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &answer) != nil {
			t.Errorf("%s: %d", name, w.Code)
			continue
		}
		token, _ := answer["access_token"].(string)
		g, err := d.Verify(token)
		if err != nil || g.Caller.ID != "ci" {
			t.Errorf("%s: the token is refused: %v", name, err)
		}
		if answer["token_type"] != "Bearer" || answer["expires_in"] != 3599.0 || answer["ext_expires_in"] != 3599.0 || len(answer) != 4 {
			t.Errorf("%s: the answer differs from the vendor's", name)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Pragma") != "no-cache" {
			t.Errorf("%s: a cache may keep the token", name)
		}
	}
	for _, e := range d.audit.Entries(t) {
		if e.Op != "login.Token" || e.Result != "ok" || e.Caller != "ci" || e.Via != "login" || e.Address == "" || e.RequestID == "" {
			t.Errorf("the audit tells another story: %s %s %s", e.Op, e.Result, e.Caller)
		}
	}
}

func TestRefusedGrants(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	twice := func(p string) string { return form() + "&" + p + "=" + url.QueryEscape(password) }
	for name, c := range map[string]struct {
		form   string
		change func(*http.Request)
		status int
		code   string
		number int
	}{
		"wrong secret":            {form("client_secret", password+"x"), nil, 401, "invalid_client", 7000215},
		"unknown client":          {form("client_id", "nobody"), nil, 401, "invalid_client", 7000215},
		"empty secret, unknown":   {form("client_id", "nobody", "client_secret", ""), basic("nobody", ""), 401, "invalid_client", 7000218},
		"wrong secret, header":    {form("client_id", "", "client_secret", ""), basic("ci+cd", "x"), 401, "invalid_client", 7000215},
		"no secret":               {form("client_secret", ""), nil, 401, "invalid_client", 7000218},
		"no assertion":            {form("client_secret", "", "client_assertion", "a.b.c", "client_assertion_type", jwtBearer), nil, 401, "invalid_client", 50027},
		"assertion of no type":    {form("client_secret", "", "client_assertion", "a.b.c"), nil, 400, "invalid_request", 900144},
		"assertion of SAML":       {form("client_secret", "", "client_assertion", "a.b.c", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), nil, 400, "invalid_request", 900144},
		"secret and assertion":    {form("client_assertion", "a.b.c", "client_assertion_type", jwtBearer), nil, 400, "invalid_request", 90023},
		"assertion twice":         {form("client_secret", "") + "&client_assertion=a&client_assertion=b", nil, 400, "invalid_request", 9000411},
		"secret in both":          {form(), basic("ci+cd", password), 400, "invalid_request", 9000411},
		"another id in header":    {form("client_secret", ""), basic("other", password), 400, "invalid_request", 9000411},
		"header not encoded":      {form("client_id", "", "client_secret", ""), func(r *http.Request) { r.SetBasicAuth("ci%zz", "x") }, 401, "invalid_client", 7000215},
		"no id":                   {form("client_id", ""), nil, 400, "invalid_request", 900144},
		"no grant type":           {form("grant_type", ""), nil, 400, "invalid_request", 900144},
		"no scope":                {form("scope", ""), nil, 400, "invalid_request", 900144},
		"password grant":          {form("grant_type", "password"), nil, 400, "unsupported_grant_type", 70003},
		"id twice":                {twice("client_id"), nil, 400, "invalid_request", 9000411},
		"secret twice":            {twice("client_secret"), nil, 400, "invalid_request", 9000411},
		"not a form":              {`{"grant_type":"client_credentials"}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 400, "invalid_request", 9002313},
		"no content type":         {form(), func(r *http.Request) { r.Header.Del("Content-Type") }, 400, "invalid_request", 9002313},
		"broken escape":           {form() + "&client_secret=%zz" + password, nil, 400, "invalid_request", 9002313},
		"too large":               {form("x", strings.Repeat("x", 40<<10)), nil, 413, "invalid_request", 90015},
		"everything in the query": {"", func(r *http.Request) { r.URL.RawQuery = form() }, 400, "invalid_request", 900144},
		"scope of a person":       {form("scope", "openid profile"), nil, 400, "invalid_scope", 1002012},
		"scope of one right":      {form("scope", resource+"/user_impersonation"), nil, 400, "invalid_scope", 1002012},
		"two resources":           {form("scope", resource+"/.default "+resource+"/.default"), nil, 400, "invalid_scope", 1002012},
		"another's resource":      {form("scope", "https://vault.azure.net/.default"), nil, 400, "invalid_resource", 500011},
		"a slash too many":        {form("scope", resource+"//.default"), nil, 400, "invalid_resource", 500011},
	} {
		change := func(r *http.Request) { // from an address of its own: failures add up
			r.RemoteAddr = name + ":1"
			r.Header.Set("Client-Request-Id", "11111111-2222-3333-4444-555555555555")
			if c.change != nil {
				c.change(r)
			}
		}
		w := d.post(t, c.form, change)
		e := errorOf(t, w)
		if w.Code != c.status || e.Code != c.code || len(e.Numbers) != 1 || e.Numbers[0] != c.number {
			t.Errorf("%s: %d %s %v", name, w.Code, e.Code, e.Numbers)
		}
		if !strings.HasPrefix(e.Description, "AADSTS") || e.Trace == "" || e.Correlation != "11111111-2222-3333-4444-555555555555" || e.Time == "" {
			t.Errorf("%s: the error lacks what support asks for", name)
		}
		if _, _, sent := mustRequest(t, change).BasicAuth(); sent != (w.Header().Get("WWW-Authenticate") != "") && c.status == 401 {
			t.Errorf("%s: WWW-Authenticate is %q", name, w.Header().Get("WWW-Authenticate"))
		}
		if strings.Contains(w.Body.String(), "s3cr3t") || strings.Contains(w.Body.String(), "nobody") {
			t.Errorf("%s: the answer repeats what was sent", name)
		}
	}
	if strings.Contains(d.audit.Text(), "s3cr3t") {
		t.Error("the audit holds a secret")
	}
	for _, e := range d.audit.Entries(t) {
		if e.Op != "login.Token" || e.Result == "ok" || e.Via != "login" {
			t.Errorf("the audit tells another story: %s %s", e.Op, e.Result)
		}
	}
}

func mustRequest(t testing.TB, change func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	change(r)
	return r
}

func TestFailuresLockThePairAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring(), func(o *login.Options) {
		o.Clients = append(o.Clients, login.Client{ID: "other", Secret: o.Clients[0].Secret, Caller: "other"})
	})
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr = address + ":1" }
	}
	for range 5 {
		if w := d.post(t, form("client_secret", "x"), from("192.0.2.1")); w.Code != 401 {
			t.Fatal(w.Code)
		}
	}
	w := d.post(t, form(), from("192.0.2.1"))
	if e := errorOf(t, w); w.Code != 429 || e.Code != "temporarily_unavailable" || w.Header().Get("Retry-After") != "" {
		t.Errorf("the right secret after five wrong ones: %d", w.Code)
	}
	if w := d.post(t, form(), from("192.0.2.2")); w.Code != 200 {
		t.Errorf("from another address: %d", w.Code)
	}
	if w := d.post(t, form("client_id", "other"), from("192.0.2.1")); w.Code != 200 {
		t.Errorf("another client: %d", w.Code)
	}
	d.skip.Add(int64(6 * time.Minute))
	if w := d.post(t, form(), from("192.0.2.1")); w.Code != 200 {
		t.Errorf("later: %d", w.Code)
	}
}

func TestNoTokenWithoutItsLine(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	d.audit.Fill()
	w := d.post(t, form())
	if e := errorOf(t, w); w.Code != 500 || e.Code != "server_error" || strings.Contains(w.Body.String(), "access_token") {
		t.Errorf("%d %s", w.Code, e.Code)
	}
}
