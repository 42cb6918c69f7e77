package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	stdbig "math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/gateway/login"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/issuertest"
	"github.com/vaultferry/vaultferry/internal/sdktest"
)

// identities is a gateway that trusts one foreign issuer, and callers who have no
// secret: a workload, whose platform gives it a token in a file, and a client with
// a key pair.
type identities struct {
	*gatewaytest.Gateway
	of        *issuertest.Issuer
	tokenFile string // of the workload
	keyFile   string // a certificate and its private key in PEM
}

const (
	ownAudience   = "https://vault.localhost"
	tokenExchange = "api://AzureADTokenExchange"
	workload      = "system:serviceaccount:payments:app"
)

func newIdentities(t testing.TB, change ...func(*gatewaytest.Options)) *identities {
	t.Helper()
	x := &identities{of: issuertest.New(t)}
	dir := t.TempDir()
	x.tokenFile, x.keyFile = filepath.Join(dir, "token"), filepath.Join(dir, "key.pem")
	write(t, x.keyFile, certificateOf(t, issuertest.RSAKey(1)))
	key, err := issuer.ReadClientKey(x.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	o := gatewaytest.Options{
		Resource: ownAudience,
		Issuers: issuer.Options{
			Issuers: []issuer.Issuer{{
				Name: "corp", URL: x.of.URL, CAFile: x.of.CAFile, Audiences: []string{ownAudience}, AssertionAudiences: []string{tokenExchange},
				Algorithms: []string{"RS256", "ES256"}, MaxLife: 25 * time.Hour,
			}},
			Bindings: []issuer.Binding{
				{Issuer: "corp", Caller: "app", Subject: workload, GroupsClaim: "groups"},
				{Issuer: "corp", Caller: "both", Claims: []issuer.Claim{{Name: "twin", Values: []string{"1"}}}},
			},
			Groups: []issuer.Group{{Name: "payments", Issuer: "corp", Value: "g1"}},
		},
		Clients: []login.Client{
			{ID: "app", Caller: "app"},
			{ID: "signer", Keys: []issuer.ClientKey{key}, Caller: "signer"},
			{ID: "twofold", Secret: sha256.Sum256([]byte(text("twofold"))), Strong: true, Keys: []issuer.ClientKey{key}, Caller: "app"},
		},
		Users: []iam.User{{Name: "twofold", Password: sha256.Sum256([]byte(text("twofold"))), Strong: true, Caller: "app"}},
	}
	for _, f := range change {
		f(&o)
	}
	x.Gateway = gatewaytest.New(t, o)
	write(t, x.tokenFile, []byte(x.of.Token(t, time.Now(), workload, tokenExchange)))
	return x
}

func write(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificateOf is what openssl req -x509 makes: both halves in one file.
func certificateOf(t testing.TB, key issuertest.Key) []byte {
	t.Helper()
	from := time.Now().Add(-time.Hour)
	template := &x509.Certificate{SerialNumber: stdbig.NewInt(1), Subject: pkix.Name{CommonName: "signer"}, NotBefore: from, NotAfter: from.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Private.Public(), key.Private)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key.Private)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
}

func (x *identities) options() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: x.Client, Cloud: cloudOf(x.Gateway), Retry: policy.RetryOptions{MaxRetries: -1}}
}

// reads lets the credential write and read a secret, with the verification of the
// challenge on. It asks at port 443, as where the resource is one's own: this SDK
// and Python's compare the port of the resource with that of the host.
func (x *identities) reads(t *testing.T, credential azcore.TokenCredential) {
	t.Helper()
	c, err := azsecrets.NewClient("https://main.vault.localhost", credential, &azsecrets.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: x.Client, Retry: policy.RetryOptions{MaxRetries: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetSecret(t.Context(), "db", azsecrets.SetSecretParameters{Value: to.Ptr("s3cr3t-marker")}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetSecret(t.Context(), "db", "", nil); err != nil || *got.Value != "s3cr3t-marker" {
		t.Fatalf("the secret does not come back: %v", err)
	}
}

// last is the audit's last line of the operation.
func (x *identities) last(t *testing.T, op string) (caller, credential string) {
	t.Helper()
	for _, e := range x.Audit.Entries(t) {
		if e.Op == op && e.Result == "ok" {
			caller, credential = e.Caller, e.Credential
		}
	}
	return caller, credential
}

// TestIdentities: the SDK for Go logs in by each proof that is no secret.
func TestIdentities(t *testing.T) {
	t.Parallel()
	x := newIdentities(t)
	pair, err := os.ReadFile(x.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	certs, key, err := azidentity.ParseCertificates(pair, nil)
	if err != nil {
		t.Fatal(err)
	}
	assertion := func(context.Context) (string, error) {
		b, err := os.ReadFile(x.tokenFile)
		return string(b), err
	}
	fromWorkload := "issuer-token:corp/" + workload
	for name, c := range map[string]struct {
		make               func() (azcore.TokenCredential, error)
		caller, credential string // of the login's line; empty: there is none
		reads              string // the credential of the read's line
	}{
		"WorkloadIdentityCredential": {func() (azcore.TokenCredential, error) {
			return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: x.options(), ClientID: "app", TenantID: login.Tenant, TokenFilePath: x.tokenFile,
			})
		}, "app", fromWorkload, "login-token:app/corp/" + workload},
		"ClientAssertionCredential": {func() (azcore.TokenCredential, error) {
			return azidentity.NewClientAssertionCredential(login.Tenant, "app", assertion, &azidentity.ClientAssertionCredentialOptions{ClientOptions: x.options()})
		}, "app", fromWorkload, "login-token:app/corp/" + workload},
		"ClientCertificateCredential": {func() (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(login.Tenant, "signer", certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: x.options()})
		}, "signer", "client-key:signer/", "login-token:signer"},
		"ClientCertificateCredential with its chain": {func() (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(login.Tenant, "signer", certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: x.options(), SendCertificateChain: true})
		}, "signer", "client-key:signer/", "login-token:signer"},
		"a foreign issuer's token": {func() (azcore.TokenCredential, error) {
			return token(x.of.Token(t, time.Now(), workload, ownAudience)), nil
		}, "", "", "issuer-token:corp/" + workload},
	} {
		credential, err := c.make()
		if err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		x.reads(t, credential)
		if caller, by := x.last(t, "login.Token"); c.caller != "" && (caller != c.caller || !strings.HasPrefix(by, c.credential)) {
			t.Errorf("%s: the login's line names %s, %s", name, caller, by)
		}
		if _, by := x.last(t, "azure.GetSecret"); by != c.reads {
			t.Errorf("%s: the read's line names %s", name, by)
		}
	}
}

// TestDefaultWorkloadIdentity: a pod's environment is enough.
func TestDefaultWorkloadIdentity(t *testing.T) {
	x := newIdentities(t)
	for name, value := range map[string]string{
		"AZURE_TENANT_ID": login.Tenant, "AZURE_AUTHORITY_HOST": x.LoginURL(), "AZURE_CLIENT_ID": "app", "AZURE_FEDERATED_TOKEN_FILE": x.tokenFile,
	} {
		t.Setenv(name, value)
	}
	credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: x.Client, Retry: policy.RetryOptions{MaxRetries: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	x.reads(t, credential)
}

// TestAssertionsAgain: pods read one file many times, and clients send again.
func TestAssertionsAgain(t *testing.T) {
	t.Parallel()
	x := newIdentities(t)
	for range 3 {
		credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: x.options(), ClientID: "app", TenantID: login.Tenant, TokenFilePath: x.tokenFile,
		})
		if err != nil {
			t.Fatal(err)
		}
		x.reads(t, credential)
	}
}

// world is what the tests in other languages are told.
func (x *identities) world(t *testing.T) *sdkWorld {
	t.Helper()
	return &sdkWorld{
		Vaults: map[string]string{"one": x.VaultURL("main"), "two": x.VaultURL("main")}, Tokens: map[string]string{"one": x.Token, "two": x.Token},
		Can: map[string]bool{}, Limits: map[string]int{"days": 90, "versions": 10}, ca: x.CAPEM,
		login: map[string]string{
			"AZURE_TENANT_ID": login.Tenant, "AZURE_AUTHORITY_HOST": x.LoginURL(), "AZURE_CLIENT_ID": "app", "AZURE_FEDERATED_TOKEN_FILE": x.tokenFile,
			"TEST_KEY_FILE": x.keyFile, "TEST_BEARER": x.of.Token(t, time.Now(), workload, ownAudience),
		},
	}
}

// TestIdentityOtherSDKs: those for JavaScript and Python do, unmodified. Debian's
// SDK for Python has no WorkloadIdentityCredential.
func TestIdentityOtherSDKs(t *testing.T) {
	t.Parallel()
	for language, command := range map[string]func(dir string) []string{
		"js": func(dir string) []string {
			return []string{"node", "--import", filepath.Join(dir, "resolve.mjs"), "identity.mjs"}
		},
		"python": func(string) []string { return []string{sdktest.Python, "identity.py"} },
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			sdktest.Need(t, language)
			x := newIdentities(t)
			w := x.world(t)
			if language == "python" { // which compares ports: see reads
				_, port, _ := net.SplitHostPort(x.Address)
				w.Vaults["one"], w.login["AZURE_AUTHORITY_HOST"], w.login["TEST_PORT_443"] = "https://main.vault.localhost", "https://"+gatewaytest.LoginHost, port
			}
			dir := sdktest.Copy(t, language)
			ctx, cancel := context.WithTimeout(t.Context(), sdkTime)
			defer cancel()
			args := command(dir)
			cmd := exec.CommandContext(ctx, args[0], args[1:]...)
			cmd.Dir, cmd.Env = dir, append(sdks[language].env(dir), w.env(t)...)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Count(string(out), "reads\n") < 3 {
				t.Fatalf("%v\n%s", err, w.redact(string(out)))
			}
		})
	}
}

// TestIdentityOverHuawei: an issuer's token is good for CSMS's API as
// X-Auth-Token, with its groups, and opens no IAM: what comes of IAM would outlive
// it. The same goes for a login's token that came of an assertion.
func TestIdentityOverHuawei(t *testing.T) {
	t.Parallel()
	x := newIdentities(t, func(o *gatewaytest.Options) {
		o.Policy = []access.Rule{
			{Callers: []string{"group:payments"}, Allow: []string{"list"}, Stores: []string{"main"}, Names: []string{"*"}},
			{Callers: []string{"tester"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}},
		}
	})
	claims := x.of.Claims(time.Now(), workload, ownAudience)
	list := func(token string) int {
		status, _, _, _ := ask(t, x.Gateway, x.Endpoint()+"/v1/"+gatewaytest.Project("main")+"/secrets", "X-Auth-Token", token)
		return status
	}
	member, other := x.of.Key.Sign(t, claims.With(issuertest.Claims{"groups": []string{"g1"}})), x.of.Key.Sign(t, claims)
	fromLogin := x.exchange(t, x.of.Key.Sign(t, claims.With(issuertest.Claims{"aud": tokenExchange, "groups": []string{"g1"}})))
	if a, b, c := list(member), list(other), list(fromLogin); a != 200 || b == 200 || c != 200 {
		t.Errorf("with its group %d, without %d, of the login %d", a, b, c)
	}
	for name, token := range map[string]string{"an issuer's": member, "the login's": fromLogin} {
		body := `{"auth":{"identity":{"methods":["token"],"token":{"id":"` + token + `"}}}}`
		r := x.request(t, http.MethodPost, x.Endpoint()+"/v3/auth/tokens", body, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
		resp, err := x.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s token at IAM: %d", name, resp.StatusCode)
		}
	}
}

// exchange logs the workload in.
func (x *identities) exchange(t *testing.T, assertion string) string {
	t.Helper()
	credential, err := azidentity.NewClientAssertionCredential(login.Tenant, "app", func(context.Context) (string, error) { return assertion, nil }, &azidentity.ClientAssertionCredentialOptions{ClientOptions: x.options()})
	if err != nil {
		t.Fatal(err)
	}
	token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{ownAudience + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	return token.Token
}
