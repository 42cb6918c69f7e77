package azurekv

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"

// entra answers as the authority of every cloud, as a vault and as whatever
// else hands out tokens, and keeps what it was asked.
type entra struct {
	mu     sync.Mutex
	asked  []*http.Request
	dialed []string
	refuse int // the status of every token; zero: they are given
}

// over opens a vault of the host, with an entra behind every other host.
func (e *entra) over(t *testing.T, vault string, change func(*Config)) *Backend {
	t.Helper()
	hosts := []string{
		vault, "login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn",
		"login.private.example", "identity.example", "oidc.example",
	}
	return serve(t, hosts, func(w http.ResponseWriter, r *http.Request) { e.answer(w, r, vault) }, func(c *Config) {
		lead := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.dialed = append(e.dialed, strings.TrimSuffix(address, ":443"))
			return lead(ctx, network, address)
		}
		change(c)
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

func (e *entra) answer(w http.ResponseWriter, r *http.Request, vault string) {
	_ = r.ParseForm()
	e.mu.Lock()
	e.asked = append(e.asked, r)
	e.mu.Unlock()
	at, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if strings.HasPrefix(rest, "discovery/") {
		at = tenant // that path is of no tenant
	}
	base := "https://" + r.Host + "/" + at
	_, resource, _ := strings.Cut(vault, ".")
	switch {
	case r.Host == vault && r.Header.Get("Authorization") == "Bearer good":
		reply(200, `{"value":[],"nextLink":null}`)(w, r)
	case r.Host == vault:
		reply(401, `{}`, `WWW-Authenticate: Bearer authorization="https://login.windows.net/`+tenant+`", resource="https://`+resource+`"`)(w, r)
	case r.Host == "identity.example": // the vendor's client keeps its tokens for the whole process, until shortly before their end
		reply(200, fmt.Sprintf(`{"access_token":"good","expires_on":"%d","token_type":"Bearer"}`, time.Now().Add(time.Minute).Unix()))(w, r)
	case r.Host == "oidc.example":
		reply(200, `{"oidcToken":"of-the-pipeline"}`)(w, r)
	case strings.HasSuffix(r.URL.Path, "/discovery/instance"):
		reply(200, `{"tenant_discovery_endpoint":"`+base+`/v2.0/.well-known/openid-configuration","metadata":[]}`)(w, r)
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		reply(200, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/a","token_endpoint":"`+base+`/t"}`)(w, r)
	case e.refuse != 0:
		reply(e.refuse, `{"error":"invalid_client","error_description":"AADSTS7000222: canary","error_codes":[7000222]}`)(w, r)
	default:
		reply(200, `{"token_type":"Bearer","expires_in":3599,"access_token":"good"}`)(w, r)
	}
}

// hosts are those that were spoken to beside the vault.
func (e *entra) hosts() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.Clone(e.dialed)
	for _, r := range e.asked {
		all = append(all, r.Host)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(h string) bool { return strings.HasPrefix(h, "v.") })
}

// token is the request that got the token.
func (e *entra) token(t *testing.T) *http.Request {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.asked {
		if strings.HasSuffix(r.URL.Path, "/t") || r.Host == "identity.example" {
			return r
		}
	}
	t.Fatal("nobody asked for a token")
	return nil
}

// TestClouds: whom the gateway asks for a token, and nobody else.
func TestClouds(t *testing.T) {
	for _, c := range []struct {
		vault, cloud, authority, environment, want string
	}{
		{"v.vault.azure.net", "", "", "", "login.microsoftonline.com"},
		{"v.vault.azure.net", "public", "", "login.microsoftonline.us", "login.microsoftonline.com"},
		{"v.vault.azure.net", "", "", "login.microsoftonline.us", "login.microsoftonline.com"},
		{"v.vault.azure.cn", "", "", "login.microsoftonline.us", "login.chinacloudapi.cn"},
		{"v.vault.azure.cn", "", "", "", "login.chinacloudapi.cn"},
		{"v.vault.azure.cn", "china", "", "", "login.chinacloudapi.cn"},
		{"v.vault.usgovcloudapi.net", "", "", "", "login.microsoftonline.us"},
		{"v.vault.usgovcloudapi.net", "government", "", "", "login.microsoftonline.us"},
		{"v.private.example", "government", "", "", "login.microsoftonline.us"},
		{"v.private.example", "", "", "", "login.microsoftonline.com"},
		{"v.vault.azure.cn", "", "https://login.private.example/", "", "login.private.example"},
	} {
		for _, kind := range []string{"client_secret", "environment"} {
			want := c.want
			t.Setenv("AZURE_AUTHORITY_HOST", "")
			if c.environment != "" {
				t.Setenv("AZURE_AUTHORITY_HOST", "https://"+c.environment+"/")
				if kind == "environment" && c.cloud == "" && c.vault == "v.vault.azure.net" {
					want = c.environment // the vault's host says nothing against it
				}
			}
			t.Setenv("AZURE_TENANT_ID", tenant)
			t.Setenv("AZURE_CLIENT_ID", "i")
			t.Setenv("AZURE_CLIENT_SECRET", "s")
			e := &entra{}
			b := e.over(t, c.vault, func(conf *Config) {
				conf.Cloud = c.cloud
				conf.Credential = Credential{Kind: kind, Authority: c.authority}
				if kind == "client_secret" {
					conf.Credential.TenantID, conf.Credential.ClientID, conf.Credential.ClientSecret = tenant, "i", secret.TextValue("s")
				}
			})
			if err := b.Check(t.Context()); err != nil {
				t.Errorf("%v %s: %v", c, kind, err)
			}
			if got := strings.Join(e.hosts(), " "); got != want {
				t.Errorf("%v %s: it spoke to %s", c, kind, got)
			}
			_, resource, _ := strings.Cut(c.vault, ".")
			if scope := e.token(t).Form.Get("scope"); !strings.HasPrefix(scope, "https://"+resource+"/.default") {
				t.Errorf("%v %s: it asked for %q", c, kind, scope)
			}
		}
	}
}

func TestCloudsRefused(t *testing.T) {
	t.Parallel()
	x := secret.TextValue("x")
	app := Credential{Kind: "client_secret", TenantID: "t", ClientID: "i", ClientSecret: x}
	private := app
	private.Authority = "https://login.private.example/"
	for what, c := range map[string]Config{
		"not known":             {VaultURL: "https://v.vault.azure.net", Cloud: "germany", Credential: app},
		"another's vault":       {VaultURL: "https://v.vault.azure.cn", Cloud: "government", Credential: app},
		"beside an authority":   {VaultURL: "https://v.vault.azure.cn", Cloud: "china", Credential: private},
		"with a ready token":    {VaultURL: "https://v.vault.azure.cn", Cloud: "china", Credential: Credential{Kind: "token", Token: x}},
		"with a machine's name": {VaultURL: "https://v.vault.azure.cn", Cloud: "china", Credential: Credential{Kind: "managed_identity"}},
	} {
		c.BackupForm = formPortable
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "cloud: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestClientCertificate: the gateway proves that it has the key, as the
// authority would check it.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "app.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	both := append(slices.Clone(cert), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	if err := os.WriteFile(file, both, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, chain := range []bool{false, true} {
		e := &entra{}
		b := e.over(t, "v.vault.azure.net", func(c *Config) {
			c.Credential = Credential{Kind: "client_certificate", TenantID: tenant, ClientID: "i", CertificateFile: file, SendCertificateChain: chain}
		})
		if err := b.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := b.Credentials()
		if len(got) != 2 || got[0] != (backends.Credential{Kind: backends.CredentialCertificate, Key: "credential.certificate_file", Ends: leaf.NotAfter.UTC().Truncate(time.Second)}) ||
			got[1].Key != "credential" || !got[1].Renewed || time.Until(got[1].Ends) < 30*time.Minute || time.Until(got[1].Ends) > time.Hour {
			t.Errorf("credentials: %+v", got)
		}
		proof := e.token(t).Form.Get("client_assertion")
		at := strings.LastIndex(proof, ".")
		signed, err := base64.RawURLEncoding.DecodeString(proof[at+1:])
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.CheckSignature(x509.SHA256WithRSAPSS, []byte(proof[:at]), signed) != nil && parsed.CheckSignature(x509.SHA256WithRSA, []byte(proof[:at]), signed) != nil {
			t.Error("the assertion is not signed with the key")
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(proof, ".")[0])
		if err != nil {
			t.Fatal(err)
		}
		var head struct{ X5c []string }
		if err := json.Unmarshal(raw, &head); err != nil || (len(head.X5c) == 1) != chain {
			t.Errorf("chain %v: %d certificates are sent, %v", chain, len(head.X5c), err)
		}
	}
	for what, content := range map[string][]byte{"no key": cert, "nonsense": []byte("x"), "absent": nil} {
		spoilt := filepath.Join(t.TempDir(), "bad")
		if content != nil {
			if err := os.WriteFile(spoilt, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := &Config{Credential: Credential{Kind: "client_certificate", TenantID: tenant, ClientID: "i", CertificateFile: spoilt}}
		if _, err := newCredential(c, &http.Client{}); err == nil || !strings.HasPrefix(err.Error(), "credential.certificate_file: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestRefusedLogin: a secret that has ended proves that no name fares better.
func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401} {
		e := &entra{refuse: status}
		b := e.over(t, "v.vault.azure.net", func(c *Config) {
			c.Credential = Credential{Kind: "client_secret", TenantID: tenant, ClientID: "i", ClientSecret: secret.TextValue("ended")}
		})
		_, err := b.Get(t.Context(), "s", secret.Current)
		wantKind(t, "a refused login", err, secret.Upstream)
		checkText(t, err)
		if !errors.Is(err, kit.ErrDeadCredential) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestManagedIdentity: the identity is asked for by what names it.
func TestManagedIdentity(t *testing.T) {
	t.Setenv("IDENTITY_ENDPOINT", "https://identity.example/token")
	t.Setenv("IDENTITY_HEADER", "header")
	for want, c := range map[string]Credential{
		"":                                 {},
		"client_id=the-client":             {ClientID: "the-client"},
		"object_id=the-object":             {ObjectID: "the-object"},
		"mi_res_id=/subscriptions/x/res/y": {ResourceID: "/subscriptions/x/res/y"},
	} {
		c.Kind = "managed_identity"
		e := &entra{}
		b := e.over(t, "v.vault.azure.net", func(conf *Config) { conf.Credential = c })
		if err := b.Check(t.Context()); err != nil {
			t.Errorf("%q: %v", want, err)
			continue
		}
		q := e.token(t).URL.Query()
		if q.Get("resource") != "https://vault.azure.net" || strings.Join(e.hosts(), " ") != "identity.example" {
			t.Errorf("%q: asked %s for %s", want, e.hosts(), q.Get("resource"))
		}
		q.Del("resource")
		q.Del("api-version")
		var got string
		for k, v := range q {
			got += k + "=" + v[0]
		}
		if got != want {
			t.Errorf("the identity is named %q, want %q", got, want)
		}
	}
}

// TestPipelines: the token of the running job becomes the proof.
func TestPipelines(t *testing.T) {
	t.Setenv("SYSTEM_OIDCREQUESTURI", "https://oidc.example/token")
	e := &entra{}
	b := e.over(t, "v.vault.azure.net", func(c *Config) {
		c.Credential = Credential{Kind: "azure_pipelines", TenantID: tenant, ClientID: "i", ServiceConnectionID: "the-connection", SystemAccessToken: secret.TextValue("of-the-build")}
	})
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if proof := e.token(t).Form.Get("client_assertion"); proof != "of-the-pipeline" {
		t.Errorf("the proof is %q", proof)
	}
	i := slices.IndexFunc(e.asked, func(r *http.Request) bool { return r.Host == "oidc.example" })
	if r := e.asked[i]; r.URL.Query().Get("serviceConnectionId") != "the-connection" || r.Header.Get("Authorization") != "Bearer of-the-build" {
		t.Error("the pipeline was not asked as it wants to be")
	}
}

// federated writes a federated token, and sets the environment to another
// tenant, application, cloud and file, which the configuration's go before.
func federated(t *testing.T, token string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "federated")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AZURE_TENANT_ID", elsewhere)
	t.Setenv("AZURE_CLIENT_ID", "of-the-environment")
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", filepath.Join(t.TempDir(), "absent"))
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")
	return file
}

// elsewhere is a tenant that no configuration names.
const elsewhere = "0d2f3a52-5a0c-4a4e-8f0e-6a1f5f0b7c11"

// wantToken checks who asked for the token, where, and with which proof.
func (e *entra) wantToken(t *testing.T, host, client, proof, value string) {
	t.Helper()
	r := e.token(t)
	if got := strings.Join(e.hosts(), " "); got != host {
		t.Errorf("it spoke to %s, want %s", got, host)
	}
	if r.URL.Path != "/"+tenant+"/t" || r.Form.Get("client_id") != client {
		t.Errorf("%q asks at %s, want %q of tenant %s", r.Form.Get("client_id"), r.URL.Path, client, tenant)
	}
	if r.Form.Get(proof) != value {
		t.Errorf("the %s is another", proof)
	}
}

// TestWorkloadIdentity: the token of the file is the proof, for the tenant and
// the application of the configuration and not those of the environment.
func TestWorkloadIdentity(t *testing.T) {
	file := federated(t, "of-the-pod")
	for _, c := range []struct{ vault, authority, want string }{
		{"v.vault.azure.net", "", "login.microsoftonline.com"},
		{"v.vault.azure.cn", "", "login.chinacloudapi.cn"},
		{"v.vault.azure.net", "https://login.private.example/", "login.private.example"},
	} {
		e := &entra{}
		b := e.over(t, c.vault, func(conf *Config) {
			conf.Credential = Credential{Kind: "workload_identity", TenantID: tenant, ClientID: "i", TokenFile: file, Authority: c.authority}
		})
		if err := b.Check(t.Context()); err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		e.wantToken(t, c.want, "i", "client_assertion", "of-the-pod")
	}
}

// direct asks an entra without a network, as a bubble of synctest wants it.
type direct struct{ e *entra }

func (d direct) Do(r *http.Request) (*http.Response, error) {
	r.Host = r.URL.Host
	w := httptest.NewRecorder()
	d.e.answer(w, r, "v.vault.azure.net")
	return w.Result(), nil
}

// TestWorkloadIdentityIsRenewed: a token file that Kubernetes wrote anew is
// read anew.
func TestWorkloadIdentityIsRenewed(t *testing.T) {
	file := federated(t, "")
	synctest.Test(t, func(t *testing.T) {
		d := &direct{}
		cred, err := newCredential(&Config{
			VaultURL: "https://v.vault.azure.net", Credential: Credential{Kind: "workload_identity", TenantID: tenant, ClientID: "i", TokenFile: file},
		}, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, now := range []string{"first", "second"} {
			d.e = &entra{}
			if err := os.WriteFile(file, []byte(now), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}); err != nil {
				t.Fatal(err)
			}
			d.e.wantToken(t, "login.microsoftonline.com", "i", "client_assertion", now)
			<-time.After(time.Hour) // of the bubble: takes no time
		}
	})
}

// TestDefault: whichever of the chain answers, it asks the cloud of the vault,
// over the gateway's own transport, and for the tenant of the configuration
// where it can be told one.
func TestDefault(t *testing.T) {
	file := federated(t, "of-the-pod")
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
	const private = "https://login.private.example/"
	for _, c := range []struct{ chain, tenant, secret, vault, authority, host, proof, value string }{
		{"prod", tenant, "of-the-app", "v.vault.azure.cn", "", "login.chinacloudapi.cn", "client_secret", "of-the-app"},
		{"EnvironmentCredential", tenant, "of-the-app", "v.vault.azure.net", private, "login.private.example", "client_secret", "of-the-app"},
		{"prod", elsewhere, "", "v.vault.azure.cn", "", "login.chinacloudapi.cn", "client_assertion", "of-the-pod"},
		{"WorkloadIdentityCredential", elsewhere, "", "v.vault.azure.net", private, "login.private.example", "client_assertion", "of-the-pod"},
	} {
		t.Setenv("AZURE_TOKEN_CREDENTIALS", c.chain)
		t.Setenv("AZURE_TENANT_ID", c.tenant)
		t.Setenv("AZURE_CLIENT_SECRET", c.secret)
		e := &entra{}
		b := e.over(t, c.vault, func(conf *Config) {
			conf.Credential = Credential{Kind: "default", TenantID: tenant, Authority: c.authority}
		})
		if err := b.Check(t.Context()); err != nil {
			t.Errorf("%s at %s: %v", c.chain, c.host, err)
			continue
		}
		e.wantToken(t, c.host, "of-the-environment", c.proof, c.value)
	}
}

// TestTools: the developers' tools are asked for the vault's resource.
func TestTools(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	said := filepath.Join(bin, "said")
	end := time.Now().Add(time.Hour)
	for tool, answer := range map[string]string{
		"az":   fmt.Sprintf(`{"accessToken":"good","expires_on":%d}`, end.Unix()),
		"azd":  `{"token":"good","expiresOn":"` + end.UTC().Format("2006-01-02T15:04:05Z") + `"}`,
		"pwsh": fmt.Sprintf(`{"Token":"good","ExpiresOn":%d}`, end.Unix()),
	} {
		script := "#!/bin/sh\necho \"$@\" >'" + said + "'\necho '" + answer + "'\n"
		if err := os.WriteFile(filepath.Join(bin, tool), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		kind, subscription string
		want               []string
	}{
		{"cli", "", []string{"--resource https://vault.azure.net", "--tenant " + tenant}},
		{"cli", "The One", []string{"--tenant " + tenant, "--subscription The One"}},
		{"developer_cli", "", []string{"--scope https://vault.azure.net/.default", "--tenant-id " + tenant}},
		{"powershell", "", []string{"'https://vault.azure.net'", "$tenantId = '" + tenant + "'"}},
	} {
		e := &entra{}
		b := e.over(t, "v.vault.azure.net", func(conf *Config) {
			conf.Credential = Credential{Kind: c.kind, TenantID: tenant, Subscription: c.subscription}
		})
		if err := b.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", c.kind, err)
			continue
		}
		line := askedWith(t, said)
		for _, want := range c.want {
			if !strings.Contains(line, want) {
				t.Errorf("%s was asked with %s, without %s", c.kind, line, want)
			}
		}
		if strings.Contains(line, "--subscription") != (c.subscription != "") {
			t.Errorf("%s: a subscription that nobody named: %s", c.kind, line)
		}
		if len(e.hosts()) != 0 {
			t.Errorf("%s: it spoke to %s", c.kind, e.hosts())
		}
	}
}

// TestToolsOfOneTenant: where the vault is of another tenant than the
// configuration says, the tools are not asked for a token of theirs.
func TestToolsOfOneTenant(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	said := filepath.Join(bin, "said")
	for _, tool := range []string{"az", "azd", "pwsh"} {
		if err := os.WriteFile(filepath.Join(bin, tool), []byte("#!/bin/sh\necho \"$@\" >'"+said+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"cli", "developer_cli", "powershell"} {
		e := &entra{}
		b := e.over(t, "v.vault.azure.net", func(c *Config) { c.Credential = Credential{Kind: kind, TenantID: elsewhere} })
		if err := b.Check(t.Context()); !errors.Is(err, secret.Upstream) {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := os.Stat(said); err == nil {
			t.Errorf("%s was asked with %s", kind, askedWith(t, said))
			_ = os.Remove(said)
		}
	}
}

// askedWith is what the file says that a tool was asked with: PowerShell's is a
// script, as base64 of UTF-16.
func askedWith(t *testing.T, file string) string {
	t.Helper()
	line, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, script, coded := strings.Cut(string(line), "-EncodedCommand ")
	if !coded {
		return string(line)
	}
	wide, err := base64.StdEncoding.DecodeString(strings.TrimSpace(script))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(wide), "\x00", "")
}
