package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// defaultClient is what programs of Azure's make: nothing but the environment
// tells it who it is and where to log in. Its transport finds the gateway, as
// a hosts file would, and the verification of the challenge is on.
func defaultClient(t *testing.T, g *gatewaytest.Gateway, env map[string]string) *azsecrets.Client {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	options := azcore.ClientOptions{Transport: g.Client, Retry: policy.RetryOptions{MaxRetries: -1}}
	credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	c, err := azsecrets.NewClient(g.VaultURL("main"), credential, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultAzureCredential(t *testing.T) {
	g := gatewaytest.New(t, gatewaytest.Options{})
	c := defaultClient(t, g, g.Environment())
	const value = "s3cr3t-marker"
	if _, err := c.SetSecret(t.Context(), "db", azsecrets.SetSecretParameters{Value: to.Ptr(value)}, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := c.GetSecret(t.Context(), "db", "", nil)
		if err != nil || *got.Value != value {
			t.Fatalf("the secret does not come back: %v", err)
		}
	}
	logins := 0
	for _, e := range g.Audit.Entries(t) {
		switch {
		case e.Op == "login.Token" && e.Result == "ok" && e.Caller == gatewaytest.Caller:
			logins++
		case e.Op == "azure.GetSecret" && e.Caller != gatewaytest.Caller:
			t.Errorf("the audit names %q", e.Caller)
		}
	}
	if logins != 1 {
		t.Errorf("%d logins for one client", logins)
	}
}

func TestDefaultAzureCredentialRefused(t *testing.T) {
	g := gatewaytest.New(t, gatewaytest.Options{})
	env := g.Environment()
	env["AZURE_CLIENT_SECRET"] = "wrong"
	_, err := defaultClient(t, g, env).GetSecret(t.Context(), "db", "", nil)
	var e *azidentity.AuthenticationFailedError
	if !errors.As(err, &e) || e.RawResponse == nil || e.RawResponse.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %T", err)
	}
}

// loginToken asks for a token as a script would.
func loginToken(t *testing.T, g *gatewaytest.Gateway) string {
	t.Helper()
	credential, err := azidentity.NewClientSecretCredential("adfs", g.ClientID, g.ClientSecret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: g.Client, Cloud: cloudOf(g)},
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{resourceOf(g) + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(token.ExpiresOn); left < 50*time.Minute || left > time.Hour {
		t.Errorf("the token lives for %s", left)
	}
	return token.Token
}

func cloudOf(g *gatewaytest.Gateway) cloud.Configuration {
	return cloud.Configuration{ActiveDirectoryAuthorityHost: g.LoginURL() + "/"}
}

// resourceOf is what the challenge of every store of the gateway names.
func resourceOf(g *gatewaytest.Gateway) string {
	_, parent, _ := strings.Cut(g.VaultURL("main"), ".")
	return "https://" + parent
}

// ask sends one request with the header to a store's listing and returns what
// the answer says.
func ask(t *testing.T, g *gatewaytest.Gateway, url, header, value string) (status int, code, message string, challenged bool) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(header, value)
	resp, err := g.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Error struct{ Code, Message string }
		Code  string `json:"error_code"`
		Msg   string `json:"error_msg"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, said.Error.Code + said.Code, said.Error.Message + said.Msg, resp.Header.Get("WWW-Authenticate") != ""
}

// TestLoginTokens: both dialects take a token of the login while it is good,
// and say in their vendor's words why they no longer do.
func TestLoginTokens(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	g := gatewaytest.New(t, gatewaytest.Options{Now: now})
	other := gatewaytest.New(t, gatewaytest.Options{})
	good, foreign := loginToken(t, g), loginToken(t, other)
	azureURL := g.VaultURL("main") + "/secrets?api-version=7.4"
	huaweiURL := g.Endpoint() + "/v1/" + gatewaytest.Project("main") + "/secrets"
	head, _, _ := strings.Cut(foreign, ".")
	parts := strings.Split(good, ".")
	none := "eyJhbGciOiJub25lIn0." + parts[1] + "."
	azureSays := func(token string, status int, message string) {
		t.Helper()
		got, code, said, challenged := ask(t, g, azureURL, "Authorization", "Bearer "+token)
		if got != status || said != message || challenged != (status == 401) || (code == "Unauthorized") != (status == 401) {
			t.Errorf("azure: %d %s %q", got, code, said)
		}
	}
	huaweiSays := func(token string, status int, message string) {
		t.Helper()
		got, code, said, _ := ask(t, g, huaweiURL, "X-Auth-Token", token)
		if got != status || !strings.HasPrefix(said, message) || (code == "APIGW.0301") != (status == 401) {
			t.Errorf("huawei: %d %s %q", got, code, said)
		}
	}
	azureSays(good, 200, "")
	huaweiSays(good, 200, "")
	const unresolved = "AKV10046: Unable to resolve the key used for signature validation. EncodedJwtHeader: '"
	const undecrypted = "Incorrect IAM authentication information: decrypt token fail"
	for _, bad := range []struct{ token, azure string }{
		{foreign, unresolved + head + "'."},
		{none, unresolved + "eyJhbGciOiJub25lIn0'."},
		{good[:len(good)-6] + "AAAAAA", unresolved + parts[0] + "'."},
		{"opaque", "AKV10046: Unable to resolve the key used for signature validation."},
	} {
		azureSays(bad.token, 401, bad.azure)
		huaweiSays(bad.token, 401, undecrypted)
	}
	ahead.Store(int64(61 * time.Minute))
	azureSays(good, 401, "[TokenExpired] Error validating token: 'S2S12086'.")
	huaweiSays(good, 401, "Incorrect IAM authentication information: token expires, expires_at: 20")
}

// A token for one resource is none for a vault that names another.
func TestLoginAudience(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Resource: "https://vaults.bank.example"})
	_, _, said, _ := ask(t, g, g.VaultURL("main")+"/secrets?api-version=7.4", "Authorization", "Bearer "+loginToken(t, g))
	if want := "AKV10022: Invalid audience. Expected https://vaults.bank.example, found: " + resourceOf(g) + "."; said != want {
		t.Errorf("%q, want %q", said, want)
	}
}

// Tokens that are rightly signed, and wrong all the same.
func TestLoginForgedClaims(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	key, id, ok := g.Keyring.Signer()
	if !ok {
		t.Fatal("the keyring does not sign")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: id}}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	now, secretHash := time.Now().Unix(), sha256.Sum256([]byte(g.ClientSecret))
	for want, change := range map[string]map[string]any{
		"": {},
		"AKV10032: Invalid issuer. Expected one of https://login.vault.localhost/adfs, found https://sts.windows.net/x/.": {"iss": "https://sts.windows.net/x/"},
		"Error validating token: IDX10222":                                   {"nbf": now + 600},
		"AKV10046: Unable to resolve the key used for signature validation.": {"appid": "gone"},
	} {
		claims := map[string]any{
			"iss": g.LoginURL() + "/adfs", "aud": resourceOf(g), "sub": gatewaytest.Caller, "appid": g.ClientID, "nbf": now, "exp": now + 3600,
			"print": hex.EncodeToString(g.Keyring.Fingerprints(secretHash[:])[0]),
		}
		maps.Copy(claims, change)
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		token, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, said, _ := ask(t, g, g.VaultURL("main")+"/secrets?api-version=7.4", "Authorization", "Bearer "+token); said != want {
			t.Errorf("%q, want %q", said, want)
		}
	}
}

// Two gateways with one keyring accept each other's tokens.
func TestLoginAcrossGateways(t *testing.T) {
	t.Parallel()
	one := gatewaytest.New(t, gatewaytest.Options{Resource: "https://vault.localhost"})
	env := gatewaytest.Options{Keyring: one.Keyring, Resource: "https://vault.localhost"}
	env.ClientID, env.ClientSecret = one.ClientID, one.ClientSecret
	two := gatewaytest.New(t, env)
	credential, err := azidentity.NewClientSecretCredential("adfs", one.ClientID, one.ClientSecret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: one.Client, Cloud: cloudOf(one)},
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.localhost/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, said, _ := ask(t, two, two.VaultURL("main")+"/secrets?api-version=7.4", "Authorization", "Bearer "+token.Token); status != 200 {
		t.Errorf("the other gateway: %d %s", status, said)
	}
}
