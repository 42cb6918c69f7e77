package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/issuertest"
	"github.com/vaultferry/vaultferry/internal/sdktest"
)

const (
	entraTenant = "11111111-2222-3333-4444-555555555555"
	entraObject = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
)

// platform hands out managed identities' tokens, as App Service and as the metadata
// service of a virtual machine do, and signs them as Entra's version 1.0.
type platform struct {
	of     *issuertest.Issuer
	object string // whose tokens it gives
	url    string

	mu    sync.Mutex
	asked []string // resources
}

func newPlatform(t *testing.T, of *issuertest.Issuer, header, object string) *platform {
	t.Helper()
	p := &platform{of: of, object: object}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		p.mu.Lock()
		p.asked = append(p.asked, q.Get("resource"))
		p.mu.Unlock()
		appService := r.URL.Path == "/msi/token" && r.Header.Get("X-Identity-Header") == header && q.Get("api-version") == "2019-08-01"
		metadata := r.URL.Path == "/metadata/identity/oauth2/token" && r.Header.Get("Metadata") == "true"
		if !appService && !metadata {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		end := time.Now().Add(24 * time.Hour)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"access_token": p.token(t, q.Get("resource"), q.Get("client_id"), end), "token_type": "Bearer", "resource": q.Get("resource"),
			"client_id": q.Get("client_id"), "expires_on": strconv.FormatInt(end.Unix(), 10), "expires_in": "86400",
		})
	}))
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p
}

func (p *platform) token(t *testing.T, resource, client string, end time.Time) string {
	t.Helper()
	sts := "https://sts.windows.net/" + entraTenant + "/"
	now := time.Now().Add(-5 * time.Minute).Unix()
	return p.of.Key.Sign(t, issuertest.Claims{
		"iss": sts, "idp": sts, "aud": resource, "iat": now, "nbf": now, "exp": end.Unix(), "ver": "1.0", "tid": entraTenant,
		"appid": client, "appidacr": "2", "oid": p.object, "sub": p.object, "idtyp": "app",
	})
}

// newOwnAudience is a gateway with an audience of its own, whose callers Entra
// proves.
func newOwnAudience(t *testing.T) *identities {
	t.Helper()
	return newIdentities(t, func(o *gatewaytest.Options) {
		o.Authority = "https://login.microsoftonline.com/" + entraTenant
		of := &o.Issuers.Issuers[0]
		of.Name, of.URL, of.JWKSURL, of.AssertionAudiences = "entra", "https://sts.windows.net/"+entraTenant+"/", of.URL+"/keys", nil
		o.Issuers.Bindings = []issuer.Binding{{Issuer: "entra", Caller: "app", Claims: []issuer.Claim{{Name: "oid", Values: []string{entraObject}}}}}
		o.Issuers.Groups = nil
	})
}

// TestOwnAudience: the SDK's credential for managed identities asks its platform
// for a token for the audience that the challenge names, with the verification of
// the challenge on, and the gateway takes Entra's token for it and no other.
func TestOwnAudience(t *testing.T) {
	x := newOwnAudience(t)
	header := text("app service")
	good, other := newPlatform(t, x.of, header, entraObject), newPlatform(t, x.of, header, "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee")
	credential := func(transport policy.Transporter) azcore.TokenCredential {
		// the SDK keeps tokens for the whole process, by the identity
		c, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
			ID: azidentity.ClientID(uuid.NewString()), ClientOptions: azcore.ClientOptions{Transport: transport, Retry: policy.RetryOptions{MaxRetries: -1}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	x.reads(t, credential(metadataService(t, good)))

	t.Setenv("IDENTITY_ENDPOINT", good.url+"/msi/token")
	t.Setenv("IDENTITY_HEADER", header)
	x.reads(t, credential(nil))
	if caller, by := x.last(t, "azure.GetSecret"); caller != "app" || by != "issuer-token:entra/"+entraObject {
		t.Errorf("the read's line names %s, %s", caller, by)
	}
	good.mu.Lock()
	if len(good.asked) < 2 || slices.ContainsFunc(good.asked, func(s string) bool { return s != ownAudience }) {
		t.Errorf("tokens were asked for %v", good.asked)
	}
	good.mu.Unlock()

	end := time.Now().Add(time.Hour)
	for name, token := range map[string]string{
		"for the real Key Vault": good.token(t, "https://vault.azure.net", "c", end),
		"of another identity":    other.token(t, ownAudience, "c", end),
	} {
		if status, _, _, _ := ask(t, x.Gateway, x.VaultURL("main")+"/secrets?api-version=7.4", "Authorization", "Bearer "+token); status != http.StatusUnauthorized {
			t.Errorf("a token %s: %d", name, status)
		}
	}
}

// TestOwnAudienceOtherSDKs: those for JavaScript and Python do the same.
func TestOwnAudienceOtherSDKs(t *testing.T) {
	t.Parallel()
	for language, command := range map[string][]string{"js": {"node", "--import", "./resolve.mjs", "own-audience.mjs"}, "python": {sdktest.Python, "own_audience.py"}} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			sdktest.Need(t, language)
			x, header := newOwnAudience(t), text("app service")
			p := newPlatform(t, x.of, header, entraObject)
			w := x.world(t)
			w.login = map[string]string{"IDENTITY_ENDPOINT": p.url + "/msi/token", "IDENTITY_HEADER": header}
			if language == "python" { // which compares ports: see reads
				_, port, _ := net.SplitHostPort(x.Address)
				w.Vaults["one"], w.login["TEST_PORT_443"] = "https://main.vault.localhost", port
			}
			dir := sdktest.Copy(t, language)
			ctx, cancel := context.WithTimeout(t.Context(), sdkTime)
			defer cancel()
			cmd := exec.CommandContext(ctx, command[0], command[1:]...)
			cmd.Dir, cmd.Env = dir, append(sdks[language].env(dir), w.env(t)...)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "reads\n") {
				t.Fatalf("%v\n%s", err, w.redact(string(out)))
			}
			if caller, by := x.last(t, "azure.GetSecret"); caller != "app" || by != "issuer-token:entra/"+entraObject {
				t.Errorf("the read's line names %s, %s", caller, by)
			}
		})
	}
}

// metadataService finds the platform where a virtual machine finds it.
func metadataService(t *testing.T, p *platform) *http.Client {
	t.Helper()
	at, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "169.254.169.254:80" {
			address = at.Host
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
