package attack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// TestProjectsAreNotTold: a caller without rights learns nothing of which
// projects there are.
func TestProjectsAreNotTold(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	for _, c := range []call{
		{method: "GET", path: "/secrets"},
		{method: "GET", path: "/secrets/n/versions/latest"},
		{method: "POST", path: "/secrets", body: secretBody("n", "v")},
		{method: "POST", path: "/secrets", body: "not JSON"},
		{method: "POST", path: "/secrets/n/backup"},
		{method: "POST", path: "/secrets/restore", body: `{"secret_blob":")x"}`},
		{method: "GET", path: "/csms/events/e"},
		{method: "GET", path: "/csms/tasks"},
		{method: "POST", path: "/csms/generate-password", body: "{}"},
		{method: "POST", path: "/secrets/batch-delete", body: `{"instance_id":"i"}`},
		{method: "POST", path: "/secrets/batch-get-secret-value", body: `{"secret_name_list":[]}`},
		{method: "POST", path: "/csms/resource_instances/action", body: `{"action":"count"}`},
		{method: "DELETE", path: "/csms/grants"},
	} {
		c.key, c.sk = guestKey, guestSK
		var answers []string
		for _, p := range []string{project, "00000000000000000000000000000000"} {
			asked := c
			asked.path = "/v1/" + p + c.path
			code, body := x.send(t, client, asked)
			answers = append(answers, http.StatusText(code)+" "+body)
		}
		if answers[0] != answers[1] {
			t.Errorf("%s %s: %s, and where there is no project: %s", c.method, c.path, answers[0], answers[1])
		}
	}
}

// TestHostsAreNotTold: the same of vaults.
func TestHostsAreNotTold(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	for _, route := range []string{
		"GET /secrets", "GET /secrets/n", "GET /secrets/n/versions", "GET /deletedsecrets", "GET /deletedsecrets/n", "PUT /secrets/n", "PUT /secrets/n not JSON",
		"PUT /secrets/_", "PATCH /secrets/n", "DELETE /secrets/n", "POST /secrets/n/backup", "POST /secrets/restore", "POST /secrets/restore not JSON",
		"POST /deletedsecrets/n/recover", "DELETE /deletedsecrets/n", "GET /keys/k", "GET /nothing",
	} {
		var answers []string
		for _, host := range []string{"main", "gone"} {
			method, path, _ := strings.Cut(route, " ")
			path, body, _ := strings.Cut(path, " ")
			if body == "" {
				body = `{"value":"v"}`
			}
			r := x.azure(t, method, path, guestToken, strings.NewReader(body))
			r.Host = strings.Replace(r.URL.Host, "main", host, 1)
			code, answer := do(t, client, r)
			answers = append(answers, fmt.Sprint(code, " ", strings.ReplaceAll(answer, host, "HOST")))
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: %s, and where there is no vault: %s", route, answers[0], answers[1])
		}
	}
}

// TestAuditNamesCredentials: each line says which credential was used, and none
// holds it.
func TestAuditNamesCredentials(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, honest)
	wants := func(want string) {
		t.Helper()
		if got := x.lastLine(t)["credential"]; got != want {
			t.Errorf("the line has %v, want %s", got, want)
		}
	}
	do(t, client, x.azure(t, "GET", "/secrets", appToken, http.NoBody))
	wants(access.DigestedCredential("token", appToken))
	x.send(t, client, call{method: "GET", path: "/secrets"})
	wants("key:" + appKey)
	_, answer := x.logIn(t, client, appSecret+"ab")
	wants("client:app")
	var issued struct {
		Token string `json:"access_token"`
	}
	must(t, json.Unmarshal([]byte(answer), &issued))
	withToken := func(text string) (int, string) {
		return do(t, client, x.request(t, call{method: "GET", path: "/secrets", edit: func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set("X-Auth-Token", text)
		}}))
	}
	withToken(issued.Token)
	wants("login-token:app")
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"app","password":%q}}},"scope":{"project":{"id":%q}}}}`, appSecret+"ab", project)
	r := x.request(t, call{method: "POST", path: "/v3/auth/tokens", body: body, edit: func(r *http.Request) { r.Header.Del("Authorization") }})
	resp, err := client.Do(r)
	must(t, err)
	_ = resp.Body.Close()
	wants("client:app")
	token := resp.Header.Get("X-Subject-Token")
	withToken(token)
	wants(access.DigestedCredential("iam-token", token))
	_, answer = do(t, client, x.request(t, call{method: "POST", path: "/v3.0/OS-CREDENTIAL/securitytokens", body: `{"auth":{"identity":{"methods":["token"],"token":{"id":"` + token + `"}}}}`, edit: func(r *http.Request) {
		r.Header.Del("Authorization")
	}}))
	wants(access.DigestedCredential("iam-token", token))
	var made struct {
		Credential struct{ Access, Secret, SecurityToken string }
	}
	must(t, json.Unmarshal([]byte(answer), &made))
	x.send(t, client, call{method: "GET", path: "/secrets", key: made.Credential.Access, sk: made.Credential.Secret, edit: func(r *http.Request) {
		r.Header.Set("X-Security-Token", made.Credential.SecurityToken)
	}})
	wants("temporary-key:" + made.Credential.Access)
	do(t, client, x.azure(t, "GET", "/secrets", "nobody's", http.NoBody))
	if got, has := x.lastLine(t)["credential"]; has {
		t.Errorf("an unknown one is named: %v", got)
	}
}
