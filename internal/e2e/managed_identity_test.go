package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestManagedIdentity: the vendor's credential gets a token from its environment
// alone, as in App Service, and both dialects take it.
func TestManagedIdentity(t *testing.T) {
	g := gatewaytest.New(t, gatewaytest.Options{})
	for name, value := range g.IdentityEnvironment(t) {
		t.Setenv(name, value)
	}
	vault := azcore.ClientOptions{Transport: g.Client, Retry: policy.RetryOptions{MaxRetries: -1}}
	client := func(id azidentity.ManagedIDKind) *azsecrets.Client {
		credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		c, err := azsecrets.NewClient(g.VaultURL("main"), credential, &azsecrets.ClientOptions{ClientOptions: vault})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, id := range []azidentity.ManagedIDKind{nil, azidentity.ClientID(g.ClientID)} {
		c := client(id)
		if _, err := c.SetSecret(t.Context(), "db", azsecrets.SetSecretParameters{Value: to.Ptr("v")}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetSecret(t.Context(), "db", "", nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := client(azidentity.ClientID("another")).GetSecret(t.Context(), "db", "", nil)
	var refused *azidentity.AuthenticationFailedError
	if !errors.As(err, &refused) || refused.RawResponse == nil || refused.RawResponse.StatusCode != http.StatusBadRequest {
		t.Errorf("another identity: %v", err)
	}
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := credential.GetToken(context.WithoutCancel(t.Context()), policy.TokenRequestOptions{Scopes: []string{resourceOf(g) + "/.default"}})
	if left := time.Until(token.ExpiresOn); err != nil || left < 50*time.Minute || left > time.Hour {
		t.Errorf("%v; it lives for %v", err, left)
	}
	if status, _, said, _ := ask(t, g, g.Endpoint()+"/v1/"+gatewaytest.Project("main")+"/secrets", "X-Auth-Token", token.Token); status != http.StatusOK {
		t.Errorf("huawei: %d %s", status, said)
	}
	tokens := map[string]int{}
	for _, e := range g.Audit.Entries(t) {
		if e.Result == "ok" {
			tokens[e.Op+" "+e.Via+" "+strings.ReplaceAll(e.Credential, g.ClientID, "ID")]++
		}
	}
	for _, want := range []string{"identity.Token identity managed-identity:ID", "azure.SetSecret azure identity-token:ID", "huawei.ListSecrets huawei identity-token:ID"} {
		if tokens[want] == 0 {
			t.Errorf("the audit has no %s: %v", want, tokens)
		}
	}
}

// TestIdentityIsNoBridge: nobody gets a token by having another program ask, and
// the token ends with the header.
func TestIdentityIsNoBridge(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	env := g.IdentityEnvironment(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	good := env["IDENTITY_ENDPOINT"] + "?api-version=2019-08-01&resource=" + resourceOf(g)
	older := strings.Replace(good, "2019-08-01", "2017-09-01", 1)
	for name, c := range map[string]struct {
		url    string
		method string
		change func(*http.Request)
		status int
	}{
		"as it is":           {good, "GET", func(*http.Request) {}, 200},
		"with a slash":       {good + "/", "GET", func(*http.Request) {}, 200},
		"no header":          {good, "GET", func(r *http.Request) { r.Header.Del("X-Identity-Header") }, 401},
		"an empty header":    {good, "GET", func(r *http.Request) { r.Header.Set("X-Identity-Header", "") }, 401},
		"a wrong header":     {good, "GET", func(r *http.Request) { r.Header.Set("X-Identity-Header", "x") }, 401},
		"two headers":        {good, "GET", func(r *http.Request) { r.Header.Add("X-Identity-Header", g.IdentityHeader) }, 401},
		"the older header":   {good, "GET", func(r *http.Request) { r.Header.Set("Secret", g.IdentityHeader); r.Header.Del("X-Identity-Header") }, 401},
		"Metadata":           {good, "GET", func(r *http.Request) { r.Header.Set("Metadata", "true"); r.Header.Del("X-Identity-Header") }, 401},
		"forwarded":          {good, "GET", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "127.0.0.1") }, 400},
		"forwarded host":     {good, "GET", func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "localhost") }, 400},
		"by RFC 7239":        {good, "GET", func(r *http.Request) { r.Header.Set("Forwarded", "for=127.0.0.1") }, 400},
		"by a proxy":         {good, "GET", func(r *http.Request) { r.Header.Set("Via", "1.1 x") }, 400},
		"another host":       {good, "GET", func(r *http.Request) { r.Host = "evil.example" }, 400},
		"a host that begins": {good, "GET", func(r *http.Request) { r.Host = "localhost.evil.example:80" }, 400},
		"another address":    {good, "GET", func(r *http.Request) { r.Host = "192.0.2.1:8445" }, 400},
		"post":               {good, "POST", func(*http.Request) {}, 404},
		"another path":       {strings.Replace(good, "/msi/token", "/metadata/identity/oauth2/token", 1), "GET", func(*http.Request) {}, 404},
		"no version":         {strings.Replace(good, "2019-08-01", "", 1), "GET", func(*http.Request) {}, 400},
		"another version":    {strings.Replace(good, "2019-08-01", "2018-02-01", 1), "GET", func(*http.Request) {}, 400},
		"the older version":  {older, "GET", func(r *http.Request) { r.Header.Set("Secret", g.IdentityHeader) }, 200},
		"its path's slash":   {strings.Replace(older, "?", "/?", 1), "GET", func(r *http.Request) { r.Header.Set("Secret", g.IdentityHeader) }, 200},
		"its newer header":   {older, "GET", func(*http.Request) {}, 401},
		"its wrong header":   {older, "GET", func(r *http.Request) { r.Header.Set("Secret", "x") }, 401},
		"its other client":   {older + "&clientid=x", "GET", func(r *http.Request) { r.Header.Set("Secret", g.IdentityHeader) }, 400},
		"no resource":        {strings.Split(good, "&")[0], "GET", func(*http.Request) {}, 400},
		"no URL":             {strings.Split(good, "&")[0] + "&resource=vault", "GET", func(*http.Request) {}, 400},
		"another client":     {good + "&client_id=x", "GET", func(*http.Request) {}, 400},
		"an object":          {good + "&object_id=x", "GET", func(*http.Request) {}, 400},
		"a resource id":      {good + "&mi_res_id=x", "GET", func(*http.Request) {}, 400},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, c.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Identity-Header", g.IdentityHeader)
		c.change(r)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var said struct {
			Token      string `json:"access_token"`
			StatusCode int    `json:"statusCode"`
			Message    string
		}
		if err != nil || json.Unmarshal(body, &said) != nil || resp.StatusCode != c.status || (said.Token != "") != (c.status == 200) ||
			c.status != 200 && (said.StatusCode != c.status || said.Message == "") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, said.Message)
		}
		if strings.Contains(string(body), g.IdentityHeader) || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: it is told", name)
		}
	}
}
