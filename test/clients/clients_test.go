// Package clients has tools that people use read secrets of a gateway, each set
// up as docs/clients.md says: the tools' own packages, with no settings but
// those of the page. `make release-test` runs it.
package clients

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/dapr/components-contrib/secretstores"
	"github.com/dapr/components-contrib/secretstores/huaweicloud/csms"
	"github.com/dapr/kit/logger"
	"github.com/helmfile/vals/pkg/api"
	"github.com/helmfile/vals/pkg/providers/azurekeyvault"
)

// variables are what `vaultferry serve --dev` tells its clients.
var variables map[string]string

const seed = `{ a: { db-pass: hunter2, db-user: { value: "name: app\nrole: reader" } } }`

func TestMain(m *testing.M) {
	os.Exit(func() int {
		stop, err := serve()
		if err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			return 1
		}
		defer stop()
		return m.Run()
	}())
}

// serve starts a gateway of its own process, and reads the variables of its
// clients.
func serve() (stop func(), err error) {
	dir, err := os.MkdirTemp("", "clients")
	if err != nil {
		return nil, err
	}
	program, seedFile := filepath.Join(dir, "vaultferry"), filepath.Join(dir, "seed.yaml")
	build := exec.Command("go", "build", "-o", program, "./cmd/vaultferry")
	build.Dir, build.Stderr = "../..", os.Stderr
	if err := build.Run(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(seedFile, []byte(seed), 0o600); err != nil {
		return nil, err
	}
	gateway := exec.Command(program, "serve", "--dev", "--address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0", "--dir", filepath.Join(dir, "dev"), "--seed", seedFile, "--output", "json")
	gateway.Stderr = os.Stderr
	out, err := gateway.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := gateway.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = gateway.Process.Signal(os.Interrupt)
		_ = gateway.Wait()
		_ = os.RemoveAll(dir)
	}
	// It says this when it serves.
	var said json.RawMessage
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		stop()
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	exports, err := os.ReadFile(filepath.Join(dir, "dev", "exports"))
	if err != nil {
		stop()
		return nil, err
	}
	variables = map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^export ([A-Z_]+)='(.*)'$`).FindAllStringSubmatch(string(exports), -1) {
		variables[m[1]] = m[2]
	}
	// Before the system's authorities are read for the first time.
	return stop, os.Setenv("SSL_CERT_FILE", variables["SSL_CERT_FILE"])
}

// hostsFile leads the names below vault.localhost to this machine, as lines in
// /etc/hosts do, for clients that take a proxy from the environment.
func hostsFile(t *testing.T) {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, port, err := net.SplitHostPort(r.Host)
		if err != nil || r.Method != http.MethodConnect || !strings.Contains(r.Host, ".vault.localhost:") {
			http.Error(w, "only the gateway", http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
}

// TestVals reads as `vals eval` does.
func TestVals(t *testing.T) {
	hostsFile(t)
	for _, name := range []string{"AZURE_AUTHORITY_HOST", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"} {
		t.Setenv(name, variables[name])
	}
	p := azurekeyvault.New(config{})
	host := strings.TrimPrefix(variables["AZURE_KEYVAULT_URL"], "https://")
	if got, err := p.GetString(host + "/db-pass"); err != nil || got != "hunter2" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := p.GetStringMap(host + "/db-user"); err != nil || got["role"] != "reader" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := p.GetString(host + "/absent"); err == nil {
		t.Error("a secret that is not there")
	}
}

type config struct{ api.StaticConfig }

// TestCustomCloud reads as External Secrets does with useAzureSDK, and as the
// provider for the Secrets Store CSI driver does: both turn their settings into
// this cloud. The operator and the driver need a cluster, and are not run.
func TestCustomCloud(t *testing.T) {
	hostsFile(t)
	credential, err := azidentity.NewClientSecretCredential("adfs", variables["AZURE_CLIENT_ID"], variables["AZURE_CLIENT_SECRET"], &azidentity.ClientSecretCredentialOptions{
		ClientOptions: azcore.ClientOptions{Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: variables["AZURE_AUTHORITY_HOST"] + "/", Services: map[cloud.ServiceName]cloud.ServiceConfiguration{},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := azsecrets.NewClient(variables["AZURE_KEYVAULT_URL"], credential, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.GetSecret(t.Context(), "db-pass", "", nil)
	if err != nil || *got.Value != "hunter2" {
		t.Errorf("%v", err)
	}
}

// TestAzRest runs the lines of the page, for this gateway.
func TestAzRest(t *testing.T) {
	hostsFile(t)
	page, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?s)\n### az rest\n.*?```\n(.*?)```").FindSubmatch(page)
	if lines == nil {
		t.Fatal("the page has no lines for az rest")
	}
	script := strings.NewReplacer("=ca.pem", "="+variables["SSL_CERT_FILE"], "https://main.vault.localhost:8443", variables["AZURE_KEYVAULT_URL"]).Replace(string(lines[1]))
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
	cmd.Env = append(os.Environ(), "TOKEN="+variables["AZURE_KEYVAULT_TOKEN"], "AZURE_CONFIG_DIR="+t.TempDir(), "AZURE_CORE_COLLECT_TELEMETRY=false")
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	var got struct{ Value, ID string }
	if err != nil || json.Unmarshal(out, &got) != nil || got.Value != "hunter2" || !strings.HasPrefix(got.ID, variables["AZURE_KEYVAULT_URL"]+"/secrets/db-pass/") {
		t.Errorf("%v: %s\n%s", err, failed.String(), got.ID)
	}
}

// TestDapr reads as dapr's component secretstores.huaweicloud.csms does. The
// region is the name of the route, by which the SDK looks the project up.
func TestDapr(t *testing.T) {
	_, port, _ := strings.Cut(strings.TrimPrefix(variables["HUAWEICLOUD_SDK_CSMS_ENDPOINT"], "https://"), ":")
	// The SDK asks no proxy and no hosts file, so by the address.
	t.Setenv("HUAWEICLOUD_SDK_REGION_CSMS_A", "https://127.0.0.1:"+port)
	t.Setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", "https://127.0.0.1:"+port)
	store := csms.NewHuaweiCsmsSecretStore(logger.NewLogger("test"))
	properties := secretstores.Metadata{}
	properties.Properties = map[string]string{
		"region": "a", "accessKey": variables["HUAWEICLOUD_SDK_AK"], "secretAccessKey": variables["HUAWEICLOUD_SDK_SK"],
	}
	if err := store.Init(t.Context(), properties); err != nil {
		t.Fatal(err)
	}
	got, err := store.GetSecret(t.Context(), secretstores.GetSecretRequest{Name: "db-pass", Metadata: map[string]string{"version_id": "latest"}})
	if err != nil || got.Data["db-pass"] != "hunter2" {
		t.Errorf("%v, %v", got, err)
	}
	all, err := store.BulkGetSecret(t.Context(), secretstores.BulkGetSecretRequest{})
	if err != nil || len(all.Data) != 2 || all.Data["db-pass"]["db-pass"] != "hunter2" {
		t.Errorf("%v, %v", all, err)
	}
}
