package huawei_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/global"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/region"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	csmsmodel "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"
	iamv3 "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/iam/v3"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/iam/v3/model"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// overTLS is the SDK's configuration for a gateway.
func overTLS(t testing.TB, g *gatewaytest.Gateway) *config.HttpConfig {
	t.Helper()
	transport, ok := g.Client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the gateway's client has no *http.Transport")
	}
	return config.DefaultHttpConfig().WithHttpTransport(transport)
}

// iamClient signs with the gateway's access key.
func iamClient(t testing.TB, g *gatewaytest.Gateway) *iamv3.IamClient {
	t.Helper()
	cred, err := global.NewCredentialsBuilder().WithAk(g.AccessKey).WithSk(g.SecretKey).WithDomainId("0123456789abcdef0123456789abcdef").SafeBuild()
	must(t, err)
	hc, err := iamv3.IamClientBuilder().WithEndpoint(g.Endpoint()).WithCredential(cred).WithHttpConfig(overTLS(t, g)).SafeBuild()
	must(t, err)
	return iamv3.NewIamClient(hc)
}

// csmsClient is one whose credentials the caller chooses.
func csmsClient(t testing.TB, g *gatewaytest.Gateway, cred *basic.Credentials) *csms.CsmsClient {
	t.Helper()
	hc, err := csms.CsmsClientBuilder().WithEndpoint(g.Endpoint()).WithCredential(cred).WithHttpConfig(overTLS(t, g)).SafeBuild()
	must(t, err)
	return csms.NewCsmsClient(hc)
}

func passwordLogin(g *gatewaytest.Gateway, password string, scope *model.AuthScope) *model.KeystoneCreateUserTokenByPasswordRequest {
	return &model.KeystoneCreateUserTokenByPasswordRequest{Body: &model.KeystoneCreateUserTokenByPasswordRequestBody{Auth: &model.PwdAuth{
		Identity: &model.PwdIdentity{
			Methods: []model.PwdIdentityMethods{model.GetPwdIdentityMethodsEnum().PASSWORD},
			Password: &model.PwdPassword{User: &model.PwdPasswordUser{
				Domain: &model.PwdPasswordUserDomain{Name: gatewaytest.Domain}, Name: g.ClientID, Password: password,
			}},
		},
		Scope: scope,
	}}}
}

// TestIAM: everything that the SDK asks of IAM, and the tokens at work.
func TestIAM(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	c := iamClient(t, g)
	scope := &model.AuthScope{Project: &model.AuthScopeProject{Name: ptr(gatewaytest.Region("a"))}}
	made, err := c.KeystoneCreateUserTokenByPassword(passwordLogin(g, g.ClientSecret, scope))
	must(t, err)
	issued, err := time.Parse("2006-01-02T15:04:05.000000Z", made.Token.IssuedAt)
	must(t, err)
	expires, err := time.Parse("2006-01-02T15:04:05.000000Z", made.Token.ExpiresAt)
	must(t, err)
	if made.HttpStatusCode != 201 || expires.Sub(issued) != 24*time.Hour || made.Token.Project.Id != gatewaytest.Project("a") || made.Token.Project.Name != gatewaytest.Region("a") ||
		made.Token.User.Name != g.ClientID || len(made.Token.User.Id) != 32 || made.Token.User.Domain.Name != gatewaytest.Domain || made.Token.Methods[0] != "password" ||
		len(made.Token.Catalog) == 0 || made.Token.Catalog[0].Endpoints[0].Url != g.Endpoint() {
		t.Errorf("created: %d %v", made.HttpStatusCode, made.Token)
	}
	seen, err := c.KeystoneValidateToken(&model.KeystoneValidateTokenRequest{XSubjectToken: *made.XSubjectToken, Nocatalog: ptr("1")})
	must(t, err)
	if seen.Token.ExpiresAt != made.Token.ExpiresAt || seen.Token.Project.Id != made.Token.Project.Id || len(seen.Token.Catalog) != 0 || *seen.XSubjectToken != *made.XSubjectToken {
		t.Errorf("examined: %v", seen.Token)
	}
	for name, want := range map[string]int{gatewaytest.Region("a"): 1, "": 2, "none": 0} {
		req := &model.KeystoneListProjectsRequest{}
		if name != "" {
			req.Name = &name
		}
		list, err := c.KeystoneListProjects(req)
		must(t, err)
		if len(*list.Projects) != want || name != "" && want == 1 && (*list.Projects)[0].Id != gatewaytest.Project("a") {
			t.Errorf("projects called %q: %v", name, list.Projects)
		}
	}
	all, err := c.KeystoneListAuthProjects(&model.KeystoneListAuthProjectsRequest{})
	must(t, err)
	domains, err := c.KeystoneListAuthDomains(&model.KeystoneListAuthDomainsRequest{})
	must(t, err)
	if len(*all.Projects) != 2 || len(*domains.Domains) != 1 || (*domains.Domains)[0].Name != gatewaytest.Domain || (*domains.Domains)[0].Id != made.Token.User.Domain.Id {
		t.Errorf("projects %v, domains %v", all.Projects, domains.Domains)
	}
	temporary(t, g, c, *made.XSubjectToken)

	_, err = c.KeystoneCreateUserTokenByPassword(passwordLogin(g, "wrong", scope))
	wantError(t, err, 401, "") // the SDK does not read this shape
	if err == nil || !strings.Contains(err.Error(), "The username or password is wrong.") {
		t.Errorf("a wrong password: %v", err)
	}
	_, err = c.KeystoneValidateToken(&model.KeystoneValidateTokenRequest{XSubjectToken: *made.XSubjectToken + "x"})
	wantError(t, err, 404, "")
	if text := g.Audit.Text(); strings.Contains(text, *made.XSubjectToken) || strings.Contains(text, g.ClientSecret) {
		t.Error("the audit holds a token or a password")
	}
}

// temporary keys are made of a token, and sign until they expire.
func temporary(t *testing.T, g *gatewaytest.Gateway, c *iamv3.IamClient, token string) {
	t.Helper()
	ask := func(seconds int32) (*model.CreateTemporaryAccessKeyByTokenResponse, error) {
		return c.CreateTemporaryAccessKeyByToken(&model.CreateTemporaryAccessKeyByTokenRequest{Body: &model.CreateTemporaryAccessKeyByTokenRequestBody{
			Auth: &model.TokenAuth{Identity: &model.TokenAuthIdentity{
				Methods: []model.TokenAuthIdentityMethods{model.GetTokenAuthIdentityMethodsEnum().TOKEN},
				Token:   &model.IdentityToken{Id: &token, DurationSeconds: &seconds},
			}},
		}})
	}
	made, err := ask(900)
	must(t, err)
	for _, seconds := range []int32{899, 86401, -1} {
		_, err := ask(seconds)
		wantError(t, err, 400, "")
	}
	use := func(ak, sk, security string) error {
		b := basic.NewCredentialsBuilder().WithAk(ak).WithSk(sk).WithProjectId(gatewaytest.Project("a"))
		if security != "" {
			b = b.WithSecurityToken(security)
		}
		cred, err := b.SafeBuild()
		must(t, err)
		_, err = csmsClient(t, g, cred).ListSecrets(&csmsmodel.ListSecretsRequest{})
		return err
	}
	k := made.Credential
	must(t, use(k.Access, k.Secret, k.Securitytoken))
	other, err := ask(900)
	must(t, err)
	wantError(t, use(k.Access, k.Secret, ""), 401, "APIGW.0301")
	wantError(t, use(k.Access, k.Secret, other.Credential.Securitytoken), 401, "APIGW.0301")
	wantError(t, use(k.Access, other.Credential.Secret, k.Securitytoken), 401, "APIGW.0301")
	wantError(t, use(k.Access, k.Secret, k.Securitytoken[:len(k.Securitytoken)-1]), 401, "APIGW.0301")
	must(t, use(other.Credential.Access, other.Credential.Secret, other.Credential.Securitytoken))
	must(t, use(g.AccessKey, g.SecretKey, k.Securitytoken)) // beside a configured key it says nothing
	if strings.Contains(g.Audit.Text(), k.Secret) || strings.Contains(g.Audit.Text(), k.Securitytoken) {
		t.Error("the audit holds a temporary secret")
	}
}

// TestWithoutProjectID: a client that knows its region alone finds its project
// by itself.
func TestWithoutProjectID(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	cred, err := basic.NewCredentialsBuilder().WithAk(g.AccessKey).WithSk(g.SecretKey).WithIamEndpointOverride(g.Endpoint()).SafeBuild()
	must(t, err)
	hc, err := csms.CsmsClientBuilder().WithRegion(region.NewRegion(gatewaytest.Region("b"), g.Endpoint())).
		WithCredential(cred).WithHttpConfig(overTLS(t, g)).SafeBuild()
	must(t, err)
	_, err = csms.NewCsmsClient(hc).CreateSecret(&csmsmodel.CreateSecretRequest{Body: &csmsmodel.CreateSecretRequestBody{Name: "found", SecretString: ptr("x")}})
	must(t, err)
	if a := (message{Store: "b", Path: "/secrets/found"}).send(t, g); a.Status != 200 {
		t.Errorf("the secret is elsewhere: %d", a.Status)
	}
}

// withToken sends a request with a token and no signature.
func withToken(t testing.TB, g *gatewaytest.Gateway, token, method, path, body string) answer {
	t.Helper()
	return message{Method: method, Path: path, Body: body, After: func(r *http.Request) {
		r.Header.Del("Authorization")
		r.Header.Del("X-Sdk-Date")
		if token != "" {
			r.Header.Set("X-Auth-Token", token)
		}
	}}.send(t, g)
}

// logIn returns a token for a scope, as JSON.
func logIn(t testing.TB, g *gatewaytest.Gateway, scope string) string {
	t.Helper()
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"password":%q,"domain":{"name":%q}}}}%s}}`,
		g.ClientID, g.ClientSecret, gatewaytest.Domain, scope)
	a := withToken(t, g, "", "POST", "/v3/auth/tokens?nocatalog=true", body)
	if a.Status != 201 || strings.Contains(a.Body, "catalog") {
		t.Fatalf("log in: %d %s", a.Status, a.Body)
	}
	return a.Header.Get("X-Subject-Token")
}

func projectScope(store string) string {
	return `,"scope":{"project":{"id":"` + gatewaytest.Project(store) + `"}}`
}

// TestTokensOnReplicas: what one gateway issues is good on another with the
// same keyring and users, and after a restart; for its project alone, and as
// long as it lives.
func TestTokensOnReplicas(t *testing.T) {
	t.Parallel()
	ring := gatewaytest.NewKeyring(t)
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	open := func(user string, rules ...access.Rule) *gatewaytest.Gateway {
		return gatewaytest.New(t, gatewaytest.Options{Keyring: ring, ClientID: user, ClientSecret: "pw-" + user, Now: now, Policy: rules, Stores: []gateway.Store{
			{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})},
			{Name: "b", Kind: "memory", Backend: memory.New(memory.Options{})},
		}})
	}
	one, two := open("alice"), open("alice")
	token := logIn(t, one, projectScope("a"))
	for _, g := range []*gatewaytest.Gateway{one, two} {
		if a := withToken(t, g, token, "GET", "/secrets", ""); a.Status != 200 {
			t.Errorf("the token's project: %d %s", a.Status, a.Body)
		}
		other := "/v1/" + gatewaytest.Project("b") + "/secrets"
		if a := withToken(t, g, token, "GET", other, ""); a.Status != 403 || a.Code != "CSMS.0302" {
			t.Errorf("another project: %d %s", a.Status, a.Body)
		}
		if a := withToken(t, g, logIn(t, g, ""), "GET", "/secrets", ""); a.Status != 403 {
			t.Errorf("a token for the domain: %d %s", a.Status, a.Body)
		}
	}
	if a := withToken(t, open("bob"), token, "GET", "/secrets", ""); a.Status != 401 {
		t.Errorf("where the user is not known any more: %d", a.Status)
	}
	foreign := gatewaytest.New(t, gatewaytest.Options{ClientID: "alice", ClientSecret: "pw-alice", Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})}}})
	if a := withToken(t, foreign, token, "GET", "/secrets", ""); a.Status != 401 || !strings.Contains(a.Msg, "decrypt token fail") {
		t.Errorf("under another keyring: %d %s", a.Status, a.Body)
	}
	body := `{"auth":{"identity":{"methods":["token"],"token":{"id":"` + token + `"}}` + projectScope("b") + `}}`
	if a := withToken(t, two, "", "POST", "/v3/auth/tokens", body); a.Status != 401 {
		t.Errorf("another scope: %d", a.Status)
	}
	again := withToken(t, two, "", "POST", "/v3/auth/tokens", strings.Replace(body, token, logIn(t, one, ""), 1))
	if again.Status != 201 {
		t.Fatalf("a scope within the domain: %d %s", again.Status, again.Body)
	}
	if a := withToken(t, one, again.Header.Get("X-Subject-Token"), "GET", "/v1/"+gatewaytest.Project("b")+"/secrets", ""); a.Status != 200 {
		t.Errorf("its project: %d", a.Status)
	}
	ahead.Store(int64(24*time.Hour + time.Minute))
	for _, stale := range []string{token, again.Header.Get("X-Subject-Token")} { // a token of a token lives no longer
		for range 7 { // and is no guess
			if a := withToken(t, two, stale, "GET", "/secrets", ""); a.Status != 401 || !strings.Contains(a.Msg, "token expires, expires_at: ") {
				t.Fatalf("expired: %d %s", a.Status, a.Body)
			}
		}
	}
}

// TestIAMBadInput: each refusal has IAM's shape and an audit line, and tells
// nothing of which part was wrong.
func TestIAMBadInput(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	token := logIn(t, g, projectScope("a"))
	user := func(name, password, domain string) string {
		return fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"password":%q,"domain":{"name":%q}}}}`, name, password, domain)
	}
	good := user(g.ClientID, g.ClientSecret, gatewaytest.Domain)
	wrong := "The username or password is wrong."
	for name, c := range map[string]struct {
		method, path, token, body string
		status                    int
		says                      string
	}{
		"no body":             {"POST", "/v3/auth/tokens", "", ``, 400, "JSON"},
		"not JSON":            {"POST", "/v3/auth/tokens", "", `{"auth":`, 400, "JSON"},
		"not UTF-8":           {"POST", "/v3/auth/tokens", "", "{\"a\":\"\xff\"}", 400, "UTF-8"},
		"other types":         {"POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":"password"}}}`, 400, "auth.identity.methods is not of the type"},
		"no methods":          {"POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":[]}}}`, 400, "methods"},
		"two methods":         {"POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":["password","totp"],"totp":{}}}}`, 400, "one method"},
		"agency":              {"POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":["assume_role"],"assume_role":{}}}}`, 400, "not served"},
		"method without data": {"POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":["password"]}}}`, 400, "auth.identity.password is missing"},
		"wrong password":      {"POST", "/v3/auth/tokens", "", user(g.ClientID, "x", gatewaytest.Domain) + `}}`, 401, wrong},
		"unknown user":        {"POST", "/v3/auth/tokens", "", user("nobody", g.ClientSecret, gatewaytest.Domain) + `}}`, 401, wrong},
		"no user":             {"POST", "/v3/auth/tokens", "", user("", "", gatewaytest.Domain) + `}}`, 401, wrong},
		"wrong domain":        {"POST", "/v3/auth/tokens", "", user(g.ClientID, g.ClientSecret, "other") + `}}`, 401, wrong},
		"unknown project":     {"POST", "/v3/auth/tokens", "", good + `,"scope":{"project":{"name":"none"}}}}`, 401, "no such project"},
		"project of nothing":  {"POST", "/v3/auth/tokens", "", good + `,"scope":{"project":{}}}}`, 400, "neither id nor name"},
		"id and other name":   {"POST", "/v3/auth/tokens", "", good + `,"scope":{"project":{"id":"` + gatewaytest.Project("a") + `","name":"` + gatewaytest.Region("b") + `"}}}}`, 401, "no such project"},
		"project of a domain": {"POST", "/v3/auth/tokens", "", good + `,"scope":{"project":{"name":"` + gatewaytest.Region("a") + `","domain":{"name":"other"}}}}}`, 401, "no such project"},
		"two scopes":          {"POST", "/v3/auth/tokens", "", good + `,"scope":{"project":{"name":"x"},"domain":{"name":"y"}}}}`, 400, "a project and a domain"},
		"unknown domain":      {"POST", "/v3/auth/tokens", "", good + `,"scope":{"domain":{"name":"other"}}}}`, 401, "no such domain"},
		"wrong key":           {"POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":["hw_ak_sk"],"hw_ak_sk":{"access":{"key":"` + g.AccessKey + `"},"secret":{"key":"x"}}}}}`, 401, wrong},
		"unknown key":         {"POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":["hw_ak_sk"],"hw_ak_sk":{"access":{"key":"none"},"secret":{"key":""}}}}}`, 401, wrong},
		"token of a guess":    {"POST", "/v3/auth/tokens", "", `{"auth":{"identity":{"methods":["token"],"token":{"id":"guess"}}}}`, 401, "decrypt token fail"},
		"too large":           {"POST", "/v3/auth/tokens", "", `{"auth":"` + strings.Repeat("x", 32<<10) + `"}`, 413, "too large"},
		"no subject":          {"GET", "/v3/auth/tokens", token, "", 400, "X-Subject-Token"},
		"nobody":              {"GET", "/v3/projects", "", "", 401, "x-auth-token not found"},
		"a guess":             {"GET", "/v3/auth/domains", "guess", "", 401, "decrypt token fail"},
		"one byte changed":    {"GET", "/v3/projects", otherByte(token), "", 401, "decrypt token fail"},
		"keys of no token":    {"POST", "/v3.0/OS-CREDENTIAL/securitytokens", "", `{"auth":{"identity":{"methods":["token"]}}}`, 401, "there is no token"},
		"keys of a guess":     {"POST", "/v3.0/OS-CREDENTIAL/securitytokens", "", `{"auth":{"identity":{"methods":["token"],"token":{"id":"guess"}}}}`, 401, "decrypt token fail"},
		"keys with a policy":  {"POST", "/v3.0/OS-CREDENTIAL/securitytokens", token, `{"auth":{"identity":{"methods":["token"],"policy":{"Version":"1.1"}}}}`, 400, "policy"},
		"seconds in words":    {"POST", "/v3.0/OS-CREDENTIAL/securitytokens", token, `{"auth":{"identity":{"methods":["token"],"token":{"duration_seconds":"ten"}}}}`, 400, "token.duration_seconds is not of the type"},
		"keys by password":    {"POST", "/v3.0/OS-CREDENTIAL/securitytokens", token, good + `}}`, 400, "made from a token"},
	} {
		before := len(g.Audit.Entries(t))
		a := withTokenRaw(t, g, c.token, c.method, c.path, c.body)
		var e struct {
			Error struct {
				Code           int
				Message, Title string
			}
		}
		must(t, json.Unmarshal([]byte(a.Body), &e))
		if a.Status != c.status || e.Error.Code != c.status || e.Error.Title != http.StatusText(c.status) || !strings.Contains(e.Error.Message, c.says) {
			t.Errorf("%s: %d %s, want %d %s", name, a.Status, a.Body, c.status, c.says)
		}
		if a.Header.Get("X-Request-Id") == "" || a.Header.Get("X-Iam-Trace-Id") == "" {
			t.Errorf("%s: no ids", name)
		}
		if lines := g.Audit.Entries(t)[before:]; len(lines) != 1 || lines[0].Result == "ok" {
			t.Errorf("%s: audit %v", name, lines)
		}
	}
	if text := g.Audit.Text(); strings.Contains(text, g.ClientSecret) || strings.Contains(text, g.SecretKey) || strings.Contains(text, token) {
		t.Error("the audit holds a credential")
	}
}

// withTokenRaw is withToken where the answer is not CSMS's.
func withTokenRaw(t testing.TB, g *gatewaytest.Gateway, token, method, path, body string) answer {
	t.Helper()
	r := message{Method: method, Path: path, Body: body}.request(t, g)
	r.Header.Del("Authorization")
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	return do(t, g, r)
}

// TestIAMKeyLogin: an access key's secret is as good as a password, and its
// signature may be left out then.
func TestIAMKeyLogin(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	body := `{"auth":{"identity":{"methods":["hw_ak_sk"],"hw_ak_sk":{"access":{"key":"` + g.AccessKey + `"},"secret":{"key":"` + g.SecretKey + `"}}},"scope":{"project":{"name":"` + gatewaytest.Region("a") + `"}}}}`
	a := withTokenRaw(t, g, "", "POST", "/v3/auth/tokens", body)
	if a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := withToken(t, g, a.Header.Get("X-Subject-Token"), "GET", "/secrets", ""); a.Status != 200 {
		t.Errorf("its token: %d", a.Status)
	}
}

// TestIAMLocks: five wrong passwords lock the pair of user and address, whether
// there is such a user or not; a right one helps then if nobody guesses it.
func TestIAMLocks(t *testing.T) {
	t.Parallel()
	for password, locks := range map[string]bool{"a password of people": true, uuid.NewString(): false} {
		g := gatewaytest.New(t, gatewaytest.Options{ClientID: "alice", ClientSecret: password})
		iamLocks(t, g, locks)
	}
}

func iamLocks(t *testing.T, g *gatewaytest.Gateway, locks bool) {
	t.Helper()
	login := func(user, password string) answer {
		return withTokenRaw(t, g, "", "POST", "/v3/auth/tokens", fmt.Sprintf(
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"password":%q,"domain":{"name":"acct"}}}}}}`, user, password))
	}
	for _, user := range []string{g.ClientID, "nobody"} {
		for range 5 {
			if a := login(user, "wrong"); a.Status != 401 || strings.Contains(a.Body, "wait") {
				t.Fatalf("%s: %d %s", user, a.Status, a.Body)
			}
		}
		if a := login(user, "wrong"); a.Status != 401 || !strings.Contains(a.Body, "wait") {
			t.Errorf("%s is not locked: %d %s", user, a.Status, a.Body)
		}
		a := login(user, g.ClientSecret)
		if locked := a.Status == 401 && strings.Contains(a.Body, "wait"); locked != (locks || user == "nobody") {
			t.Errorf("the right password of %s: %d %s", user, a.Status, a.Body)
		}
	}
}

// TestProjectsOfACaller: whoever may do nothing in a store learns nothing of
// its project, and gets no token for it.
func TestProjectsOfACaller(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{
		Stores: []gateway.Store{
			{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})},
			{Name: "b", Kind: "memory", Backend: memory.New(memory.Options{})},
		},
		Policy: []access.Rule{{Callers: []string{"*"}, Allow: []string{"get"}, Stores: []string{"a"}, Names: []string{"x"}}},
	})
	a := message{Path: "/v3/projects"}.send(t, g)
	if a.Status != 200 || !strings.Contains(a.Body, gatewaytest.Project("a")) || strings.Contains(a.Body, gatewaytest.Project("b")) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"password":%q}}}%s}}`, g.ClientID, g.ClientSecret, projectScope("b"))
	if a := withTokenRaw(t, g, "", "POST", "/v3/auth/tokens", body); a.Status != 401 {
		t.Errorf("a token for it: %d", a.Status)
	}
}

// TestTemporaryKeysOfWhom: every way to prove oneself leads to temporary keys,
// which are for no more projects than the token was, and of the same caller.
func TestTemporaryKeysOfWhom(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	const path, plain = "/v3.0/OS-CREDENTIAL/securitytokens", `{"auth":{"identity":{"methods":["token"],"token":{"duration_seconds":"900"}}}}`
	scoped := logIn(t, g, projectScope("a"))
	inBody := strings.Replace(plain, `"token":{`, `"token":{"id":"`+scoped+`",`, 1)
	type key struct {
		Credential struct{ Access, Secret, SecurityToken string }
	}
	for name, c := range map[string]struct {
		made answer
		b    int // what it may on project b
	}{
		"a token in the header":    {withTokenRaw(t, g, scoped, "POST", path, plain), 403},
		"a token in the body":      {withTokenRaw(t, g, "", "POST", path, inBody), 403},
		"a token for the domain":   {withTokenRaw(t, g, logIn(t, g, ""), "POST", path, plain), 200},
		"a configured token":       {withTokenRaw(t, g, g.Token, "POST", path, plain), 200},
		"a signature and no token": {message{Method: "POST", Path: path, Body: plain}.send(t, g), 200},
	} {
		var k key
		must(t, json.Unmarshal([]byte(c.made.Body), &k))
		if c.made.Status != 201 || len(k.Credential.Access) != 20 {
			t.Errorf("%s: %d %s", name, c.made.Status, c.made.Body)
			continue
		}
		for store, want := range map[string]int{"a": 200, "b": c.b} {
			a := message{
				Store: store, Path: "/secrets", Key: k.Credential.Access, SK: k.Credential.Secret,
				After: func(r *http.Request) { r.Header.Set("X-Security-Token", k.Credential.SecurityToken) }, // unsigned, as Terraform's library sends it
			}.send(t, g)
			if a.Status != want {
				t.Errorf("%s, project %s: %d %s", name, store, a.Status, a.Body)
			}
		}
		again := message{
			Method: "POST", Path: path, Body: plain, Key: k.Credential.Access, SK: k.Credential.Secret,
			After: func(r *http.Request) { r.Header.Set("X-Security-Token", k.Credential.SecurityToken) },
		}
		if a := do(t, g, again.request(t, g)); a.Status != 403 {
			t.Errorf("%s: a temporary key makes another: %d %s", name, a.Status, a.Body)
		}
	}
}

// TestConfiguredTokenLogsIn, as the Terraform provider does that is given a
// token: first for its project, then for the domain.
func TestConfiguredTokenLogsIn(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	for scope, want := range map[string]int{projectScope("a"): 200, `,"scope":{"domain":{"name":"` + gatewaytest.Domain + `"}}`: 403} {
		a := withTokenRaw(t, g, "", "POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["token"],"token":{"id":"`+g.Token+`"}}`+scope+`}}`)
		if a.Status != 201 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		token := a.Header.Get("X-Subject-Token")
		if a := withToken(t, g, token, "GET", "/secrets", ""); a.Status != want {
			t.Errorf("%s: %d %s", scope, a.Status, a.Body)
		}
		if a := withTokenRaw(t, g, token, "GET", "/v3/auth/catalog", ""); a.Status != 200 || !strings.Contains(a.Body, g.Endpoint()) {
			t.Errorf("its catalog: %d %s", a.Status, a.Body)
		}
	}
}

// otherByte changes the signature's first byte, whatever it is.
func otherByte(token string) string {
	at := strings.LastIndexByte(token, '.') + 1
	other := "A"
	if token[at] == 'A' {
		other = "Q"
	}
	return token[:at] + other + token[at+1:]
}
