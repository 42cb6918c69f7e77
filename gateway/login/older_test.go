package login_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backup"
)

const olderPath = "/adfs/oauth2/token"

// postOlder asks the endpoint of ADAL's clients, at a path that leads to it.
func (d *desk) postOlder(t testing.TB, path, form string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	return d.do(t, http.MethodPost, base+path, form, change...)
}

// Each way in which a client was seen to ask, by its source or a report.
func TestOlderToken(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	for name, ask := range map[string]struct {
		path, form string
		change     []func(*http.Request)
	}{
		"go-autorest":            {olderPath + "?api-version=1.0", form("scope", "", "resource", resource), nil},
		"a slash after resource": {olderPath, form("scope", "", "resource", resource+"/"), nil},
		"msal4j":                 {olderPath, form("scope", resource+"/.default"), nil},
		"msal4j, in the header": {
			olderPath, form("client_id", "", "client_secret", ""),
			[]func(*http.Request){basic("ci+cd", password)},
		},
		"resource and a person's scope": {olderPath, form("scope", "openid", "resource", resource), nil},
		"a slash after the path":        {olderPath + "/", form("scope", "", "resource", resource), nil},
		"a slash after the authority":   {"/" + olderPath, form("scope", "", "resource", resource), nil},
		"in capitals":                   {"/ADFS/OAuth2/Token", form("scope", "", "resource", resource), nil},
	} {
		w := d.postOlder(t, ask.path, ask.form, ask.change...)
		var answer map[string]string // a number among them would not fit
		if err := json.Unmarshal(w.Body.Bytes(), &answer); w.Code != http.StatusOK || err != nil {
			t.Errorf("%s: %d %v", name, w.Code, err)
			continue
		}
		if g, err := d.Verify(answer["access_token"]); err != nil || g.Caller.ID != "ci" || g.Audience != resource {
			t.Errorf("%s: the token is refused, or for another resource: %v", name, err)
		}
		delete(answer, "access_token")
		got, err := json.Marshal(answer)
		if want := `{"expires_in":"3599","expires_on":"1700003600","ext_expires_in":"3599","not_before":"1700000000","resource":"` + resource + `","token_type":"Bearer"}`; err != nil || string(got) != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a cache may keep the token", name)
		}
	}
	for _, e := range d.audit.Entries(t) {
		if e.Op != "login.Token" || e.Result != "ok" || e.Caller != "ci" {
			t.Errorf("the audit tells another story: %s %s %s", e.Op, e.Result, e.Caller)
		}
	}
}

func TestOlderRefusals(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	asking := func(pairs ...string) string {
		return form(append([]string{"scope", "", "resource", resource}, pairs...)...)
	}
	for name, c := range map[string]struct {
		form   string
		status int
		code   string
		number int
	}{
		"wrong secret":        {asking("client_secret", password+"x"), 401, "invalid_client", 7000215},
		"unknown client":      {asking("client_id", "nobody"), 401, "invalid_client", 7000215},
		"no secret":           {asking("client_secret", ""), 401, "invalid_client", 7000218},
		"no id":               {asking("client_id", ""), 400, "invalid_request", 900144},
		"no resource":         {asking("resource", ""), 400, "invalid_request", 900144},
		"resource twice":      {asking() + "&resource=x", 400, "invalid_request", 9000411},
		"another's resource":  {asking("resource", "https://vault.azure.net"), 400, "invalid_resource", 500011},
		"two slashes":         {asking("resource", resource+"//"), 400, "invalid_resource", 500011},
		"a resource as scope": {asking("resource", resource+"/.default"), 400, "invalid_resource", 500011},
		"a slash alone":       {asking("resource", "/"), 400, "invalid_resource", 500011},
		"scope of one right":  {form("scope", resource+"/read"), 400, "invalid_scope", 1002012},
		"a refresh token":     {asking("grant_type", "refresh_token"), 400, "unsupported_grant_type", 70003},
	} {
		w := d.postOlder(t, olderPath, c.form, func(r *http.Request) { r.RemoteAddr = name + ":1" })
		e := errorOf(t, w)
		if w.Code != c.status || e.Code != c.code || len(e.Numbers) != 1 || e.Numbers[0] != c.number {
			t.Errorf("%s: %d %s %v", name, w.Code, e.Code, e.Numbers)
		}
		lines := strings.Split(e.Description, "\r\n") // as clients show it: four lines
		if len(lines) != 4 || !strings.HasPrefix(lines[0], "AADSTS") || lines[1] != "Trace ID: "+e.Trace || lines[2] != "Correlation ID: "+e.Correlation || lines[3] != "Timestamp: "+e.Time {
			t.Errorf("%s: the description has another form", name)
		}
		if strings.Contains(w.Body.String(), "s3cr3t") || strings.Contains(w.Body.String(), "nobody") {
			t.Errorf("%s: the answer repeats what was sent", name)
		}
	}
	if e := errorOf(t, d.postOlder(t, olderPath, asking("resource", ""))); !strings.Contains(e.Description, "'resource'") {
		t.Error("what is missing is not named")
	}
	if e := errorOf(t, d.post(t, asking())); !strings.Contains(e.Description, "'scope'") || strings.Contains(e.Description, "\r\n") {
		t.Error("the newer endpoint answers as the older one does")
	}
}

// Whoever comes to a wrong door is told which one is open.
func TestWrongPathsTellTheRightOnes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	const guid = "11111111-2222-3333-4444-555555555555"
	for _, c := range []struct {
		method, path string
		status       int
		number       int
		says         string
	}{
		{"GET", "/", 404, 90002, "tenant id adfs"},
		{"POST", "/oauth2/token", 404, 90002, "tenant id adfs"}, // go-autorest without a tenant
		{"POST", "/" + guid + "/oauth2/token", 404, 90002, "tenant id adfs"},
		{"POST", "/" + guid + "/oauth2/v2.0/token", 404, 90002, "tenant id adfs"},
		{"POST", "/common/oauth2/token", 404, 90002, "tenant id adfs"},
		{"GET", "/common/discovery/instance?api-version=1.1", 404, 90002, "tenant id adfs"},
		{"POST", "/adfs/" + guid + "/oauth2/token", 404, 90023, "POST oauth2/token (with resource"},
		{"GET", "/adfs", 404, 90023, "oauth2/v2.0/token (with scope)"},
		{"GET", "/adfs/ls/", 404, 90023, ".well-known/openid-configuration"},
		{"GET", "/adfs/userrealm/x", 404, 90023, "discovery/keys"},
		{"GET", "/adfsx/oauth2/token", 404, 90002, "tenant id adfs"},
		{"GET", "/adfs/oauth2/token", 405, 900561, "does not accept this method"},
		{"GET", "/adfs/oauth2/authorize?response_type=code&resource=x", 400, 700054, "programs do"},
		{"GET", "/adfs/oauth2/v2.0/authorize/", 400, 700054, "programs do"},
		{"POST", "/adfs/oauth2/devicecode", 400, 700054, "programs do"},
		{"POST", "/adfs/oauth2/v2.0/devicecode", 400, 700054, "programs do"},
	} {
		w := d.do(t, c.method, base+c.path, "")
		e := errorOf(t, w)
		if w.Code != c.status || len(e.Numbers) != 1 || e.Numbers[0] != c.number || !strings.Contains(e.Description, c.says) {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, w.Code, e.Numbers, e.Description)
		}
	}
}
