package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/inventory"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// killWorld has two stores of each kind. Each command opens bolt, Vault and the two
// clouds itself; a gateway that outlives the commands holds memory, and another one
// stands for the clouds.
type killWorld struct {
	dir    string
	server *vaulttest.Server
	key    inventory.Key
	config string // of the commands
	stores string
	port   string // of the cloud
	deaths *atomic.Int64
}

// lane is the world with an audit of its own: who writes to one takes turns with
// others.
func (w *killWorld) lane(t *testing.T, name string) *killWorld {
	t.Helper()
	lane := *w
	lane.config = name + ".yaml"
	w.file(t, lane.config, strings.Replace(commonConfig, "audit.jsonl", name+".audit.jsonl", 1)+w.stores)
	return &lane
}

func newKillWorld(t *testing.T) *killWorld {
	t.Helper()
	w := &killWorld{dir: t.TempDir(), server: vaulttest.Start(t), key: inventory.NewKey(), config: "vaultferry.yaml", deaths: new(atomic.Int64)}
	w.file(t, "memory.yaml", strings.Replace(commonConfig, "audit.jsonl", "memory.audit.jsonl", 1)+"  - { name: memory-a, backend: memory }\n  - { name: memory-b, backend: memory }\n")
	w.file(t, "vault.token", vaulttest.RootToken)
	w.must(t, exitDone, "keys", "new", "--output-file", "keyring.json")
	w.file(t, "public.json", w.must(t, exitDone, "keys", "public", "--signing", "--config", "memory.yaml"))
	w.serve(t, "memory.yaml")
	cloud := w.cloud(t)
	_, port, _ := net.SplitHostPort(cloud)
	w.port = port
	w.stores = "  - { name: memory-a, backend: memory }\n  - { name: memory-b, backend: memory }\n"
	w.stores += "  - { name: bolt-c, backend: bolt, bolt: { path: c.db } }\n  - { name: bolt-d, backend: bolt, bolt: { path: d.db } }\n"
	for i, name := range []string{"a", "b"} {
		w.stores += fmt.Sprintf("  - { name: bolt-%s, backend: bolt, bolt: { path: %s.db } }\n", name, name)
		w.stores += fmt.Sprintf("  - { name: vault-%s, backend: hashivault, hashivault: { address: %q, mount: %s, token: { file: vault.token } } }\n", name, w.server.Address, w.server.NewMount(t))
		w.stores += fmt.Sprintf("  - { name: keyvault-%s, backend: azurekv, azurekv: { vault_url: \"https://%s:%s\", ca_file: cloud/ca.pem, disable_challenge_verification: true, credential: { kind: token, token: { file: cloud/token } } } }\n", name, cloudHosts[i], port)
		w.stores += fmt.Sprintf("  - { name: csms-%s, backend: huaweicsms, huaweicsms: { endpoint: \"https://localhost:%s\", ca_file: cloud/ca.pem, project_id: %s, access_key: { id: AKCLOUD, secret: { file: cloud/admin.sk } } } }\n", name, port, cloudProjects[i])
	}
	w.file(t, w.config, commonConfig+w.stores)
	return w
}

// addPostgres adds two stores in a database.
func (w *killWorld) addPostgres(t *testing.T) {
	t.Helper()
	server := postgrestest.Start(t, postgrestest.Options{})
	for _, name := range []string{"a", "b"} {
		w.stores += fmt.Sprintf("  - { name: postgres-%s, backend: postgres, postgres: { dsn: %q, schema: %[1]s } }\n", name, server.DSN("postgres"))
	}
	w.file(t, w.config, commonConfig+w.stores)
	for _, name := range []string{"a", "b"} {
		w.must(t, exitDone, "store", "upgrade", "postgres-"+name)
	}
}

const commonConfig = `server: { address: 127.0.0.1:0, tls: { off: true } }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
control: { socket: s }
stores:
`

// What tells the two vaults and the two projects of the cloud apart.
var (
	cloudHosts    = []string{"localhost", "127.0.0.1"}
	cloudProjects = []string{strings.Repeat("a", 32), strings.Repeat("b", 32)}
)

// cloud starts the gateway that stands for Key Vault and CSMS.
func (w *killWorld) cloud(t *testing.T) string {
	t.Helper()
	w.must(t, exitDone, "init", "cloud")
	w.file(t, "cloud/token", hex.EncodeToString(inventory.NewKey().Reveal()))
	config := `server: { address: 127.0.0.1:0, tls: { cert_file: cert.pem, key_file: key.pem } }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
control: { socket: s }
stores:
  - { name: keyvault-a, backend: memory }
  - { name: keyvault-b, backend: memory }
  - { name: csms-a, backend: memory }
  - { name: csms-b, backend: memory }
dialects:
  azure: { routes: [ { host: %s, store: keyvault-a }, { host: %s, store: keyvault-b } ] }
  huawei: { routes: [ { project: %s, store: csms-a }, { project: %s, store: csms-b } ] }
callers:
  - { name: mover, tokens: [ { file: token } ], access_keys: [ { id: AKCLOUD, secret: { file: admin.sk } } ] }
policy:
  - { callers: [mover], allow: ["*"], stores: ["*"], names: ["*"] }
`
	w.file(t, "cloud/vaultferry.yaml", fmt.Sprintf(config, cloudHosts[0], cloudHosts[1], cloudProjects[0], cloudProjects[1]))
	return w.serve(t, "cloud/vaultferry.yaml")
}

func (w *killWorld) file(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *killWorld) command(ctx context.Context, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args = append([]string{"vaultferry"}, args...) // as testscript.Main knows it
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "VAULTFERRY_ADMIN_ADDRESS=127.0.0.1:0", "VAULTFERRY_CONFIG="+w.config)
	return cmd
}

func (w *killWorld) must(t *testing.T, code int, args ...string) string {
	t.Helper()
	out, err := w.command(t.Context(), args...).CombinedOutput()
	if got := exitCode(err); got != code {
		t.Fatalf("%q: exit code %d, want %d: %s", args, got, code, out)
	}
	return string(out)
}

// inside runs a command in this process.
func (w *killWorld) inside(t *testing.T, code int, args ...string) {
	t.Helper()
	a, out, errOut := testApp(nil)
	if got := a.run(t.Context(), append(args, "--config", filepath.Join(w.dir, w.config))); got != code {
		t.Fatalf("%q: exit code %d, want %d: %s%s", args, got, code, out, errOut)
	}
}

// serve starts a gateway and returns where it listens.
func (w *killWorld) serve(t *testing.T, config string) string {
	t.Helper()
	address, _ := w.start(t, config)
	return address
}

func (w *killWorld) start(t *testing.T, config string) (address string, gateway *os.Process) {
	t.Helper()
	cmd := w.command(context.Background(), "serve", "--config", config)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // may have ended
		_ = cmd.Wait()
	})
	serving := regexp.MustCompile(`msg=serving address=(\S+)`)
	said := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said += lines.Text() + "\n"
		if m := serving.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, out) }() // until it ends
			return m[1], cmd.Process
		}
	}
	t.Fatalf("the gateway did not start: %s", said)
	return "", nil
}

// service opens a store in this process.
func (w *killWorld) service(t *testing.T, store string) (*session, gateway.Call) {
	t.Helper()
	a, _, errOut := testApp(nil)
	a.configFile, a.timeout = filepath.Join(w.dir, w.config), time.Minute
	s, err := a.openSession(t.Context(), store)
	if err != nil {
		t.Fatal(err, errOut)
	}
	return s, a.call("test")
}

func canary(name secret.Name, version int) string {
	return fmt.Sprintf("canary of %s, %d", name, version)
}

// write adds versions with all that a draft has.
func (w *killWorld) write(t *testing.T, store string, from, to int) {
	t.Helper()
	s, call := w.service(t, store)
	defer func() { _ = s.close() }()
	for _, name := range moved {
		for v := from; v <= to; v++ {
			d := secret.Draft{
				Value: secret.TextValue(canary(name, v)), ContentType: "canary/plain", Tags: map[string]string{"canary-key": "canary-value"},
				Disabled: v%2 == 0, Expires: time.Date(2030, 1, v, 0, 0, 0, 0, time.UTC),
			}
			if !strings.HasPrefix(store, "memory") { // commands cannot ask a running gateway for these
				d.Stages, d.Extra = []string{"canary-stage"}, secret.Extra{"canary": json.RawMessage(`"canary"`)}
				d.OfSecret = &secret.Attributes{Description: "canary of the secret", Tags: map[string]string{"canary-tag": "canary"}}
			}
			if _, err := s.service.Put(t.Context(), call, gateway.Ref{Store: store, Name: name}, d); err != nil {
				t.Fatal(err)
			}
		}
	}
}
