package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/inventory"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// kills is how often each run dies before one is left to its end; "make soak" asks
// for more.
var kills = flag.Int("kills", 3, "how often each run of TestKillAndResume dies")

// killWorld has two stores of each kind. Each command opens bolt, Vault and the two
// clouds itself; a gateway that outlives the commands holds memory, and another one
// stands for the clouds.
type killWorld struct {
	dir    string
	server *vaulttest.Server
	random *rand.Rand
	key    inventory.Key
}

// moved is what the source holds, by name and number.
var moved = func() (names []secret.Name) {
	for i := range 16 {
		names = append(names, secret.Name(fmt.Sprintf("team/%02d", i)))
	}
	return names
}()

// TestKillAndResume: a run dies at any moment, by SIGKILL and at last by SIGINT,
// and the same command again brings the move to the end of an unbroken one. Nothing
// that is written tells a value.
func TestKillAndResume(t *testing.T) {
	w := newKillWorld(t)
	kinds := []string{"bolt", "vault", "keyvault", "csms"}
	for _, kind := range append(kinds, "memory") {
		w.write(t, kind+"-a", 1, 3)
	}
	pairs := func(which string) {
		for i, from := range kinds {
			for j, to := range kinds {
				if i != j && (which == "all" || j == (i+1)%len(kinds)) { // each kind is source and target of a delta
					t.Run(which+" "+from+" to "+to, func(t *testing.T) { w.move(t, from+"-a", to+"-b", which) })
				}
			}
		}
		for _, p := range [][2]string{{"bolt-a", "memory-b"}, {"memory-a", "bolt-b"}} {
			t.Run(which+" "+p[0]+" to "+p[1], func(t *testing.T) { w.move(t, p[0], p[1], which) })
		}
	}
	pairs("all")
	for _, kind := range append(kinds, "memory") {
		w.write(t, kind+"-a", 4, 5)
	}
	pairs("delta")
	t.Run("dead credential", w.dead)
	w.findCanaries(t)
	w.onlyAdds(t)
}

// onlyAdds: in all these moves nobody asked for anything but to read and to restore.
func (w *killWorld) onlyAdds(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, m := range regexp.MustCompile(`"op":"cli\.migrate\.[a-z]+","action":"([a-z]+)"`).FindAllSubmatch(b, -1) {
		seen[string(m[1])]++
	}
	for action := range seen {
		if !slices.Contains([]string{"list", "get", "backup", "restore"}, action) {
			t.Errorf("a move asks for %s", action)
		}
	}
	if seen["restore"] == 0 || seen["backup"] == 0 {
		t.Errorf("the audit tells of %v", seen)
	}
}

// dead: a token that ended in the middle stops a run early, and the same command
// with a new one goes on.
func (w *killWorld) dead(t *testing.T) {
	token := filepath.Join(w.dir, "vault.token")
	use := func(s string) {
		t.Helper()
		if err := os.WriteFile(token, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plan := []string{"migrate", "plan", "--from", "bolt-a", "--to", "vault-b", "--add-prefix", "late/", "--on-loss", "accept", "--output-file"}
	w.must(t, exitDone, append(plan, "dead.plan")...)
	dead := w.server.Token(t, w.server.Policy(t, `path "*" { capabilities = ["read"] }`))
	if err := w.server.Client(t, vaulttest.RootToken).Auth().Token().RevokeTree(dead); err != nil {
		t.Fatal(err)
	}
	use(dead)
	out := w.must(t, exitCredential, "migrate", "run", "dead.plan", "--concurrency", "2", "--error-file", "dead.txt")
	if !strings.Contains(out, "not tried: 14") || !strings.Contains(out, "to go on, with a new credential: vaultferry migrate run dead.plan") {
		t.Errorf("it says %s", out)
	}
	w.must(t, exitCredential, append(plan, "other.plan")...)
	use(vaulttest.RootToken)
	w.must(t, exitDone, "migrate", "run", "dead.plan")
	w.must(t, exitDone, "migrate", "verify", "dead.plan")
}

func newKillWorld(t *testing.T) *killWorld {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &killWorld{dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0)), server: vaulttest.Start(t), key: inventory.NewKey()}
	w.file(t, "memory.yaml", commonConfig+"  - { name: memory-a, backend: memory }\n  - { name: memory-b, backend: memory }\n")
	w.file(t, "vault.token", vaulttest.RootToken)
	w.must(t, exitDone, "keys", "new", "--output-file", "keyring.json")
	w.serve(t, "memory.yaml")
	cloud := w.cloud(t)
	_, port, _ := net.SplitHostPort(cloud)
	stores := commonConfig + "  - { name: memory-a, backend: memory }\n  - { name: memory-b, backend: memory }\n"
	for i, name := range []string{"a", "b"} {
		stores += fmt.Sprintf("  - { name: bolt-%s, backend: bolt, bolt: { path: %s.db } }\n", name, name)
		stores += fmt.Sprintf("  - { name: vault-%s, backend: hashivault, hashivault: { address: %q, mount: %s, token: { file: vault.token } } }\n", name, w.server.Address, w.server.NewMount(t))
		stores += fmt.Sprintf("  - { name: keyvault-%s, backend: azurekv, azurekv: { vault_url: \"https://%s:%s\", ca_file: cloud/ca.pem, disable_challenge_verification: true, credential: { kind: token, token: { file: cloud/token } } } }\n", name, cloudHosts[i], port)
		stores += fmt.Sprintf("  - { name: csms-%s, backend: huaweicsms, huaweicsms: { endpoint: \"https://localhost:%s\", ca_file: cloud/ca.pem, project_id: %s, access_key: { id: AKCLOUD, secret: { file: cloud/admin.sk } } } }\n", name, port, cloudProjects[i])
	}
	w.file(t, "vaultferry.yaml", stores)
	return w
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
	cmd.Env = append(os.Environ(), "VAULTFERRY_ADMIN_ADDRESS=127.0.0.1:0")
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
	if got := a.run(t.Context(), append(args, "--config", filepath.Join(w.dir, "vaultferry.yaml"))); got != code {
		t.Fatalf("%q: exit code %d, want %d: %s%s", args, got, code, out, errOut)
	}
}

// serve starts a gateway and returns where it listens.
func (w *killWorld) serve(t *testing.T, config string) string {
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
			return m[1]
		}
	}
	t.Fatalf("the gateway did not start: %s", said)
	return ""
}

// service opens a store in this process.
func (w *killWorld) service(t *testing.T, store string) (*session, gateway.Call) {
	t.Helper()
	a, _, errOut := testApp(nil)
	a.configFile, a.timeout = filepath.Join(w.dir, "vaultferry.yaml"), time.Minute
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
			if _, err := s.service.Put(t.Context(), call, gateway.Ref{Store: store, Name: name}, d); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// move plans, kills and resumes, and compares what stands with what an unbroken run
// made.
func (w *killWorld) move(t *testing.T, from, to, which string) {
	plan := func(folder string) string {
		file := fmt.Sprintf("%s-%s-%s-%s.plan", which, folder, from, to)
		w.inside(t, exitDone, "migrate", "plan", "--from", from, "--to", to, "--add-prefix", folder+"/"+from+"/", "--on-loss", "accept", "--output-file", filepath.Join(w.dir, file))
		return file
	}
	whole, broken := plan("whole"), plan("broken")
	w.inside(t, exitDone, "migrate", "run", filepath.Join(w.dir, whole))
	for n := range *kills {
		signal := syscall.SIGKILL
		if n == *kills-1 {
			signal = syscall.SIGINT
		}
		w.interrupted(t, broken, signal)
	}
	out := w.must(t, exitDone, "migrate", "run", broken)
	if !strings.Contains(out, fmt.Sprintf("of %d planned", len(moved))) {
		t.Errorf("the last run says %s", out)
	}
	w.inside(t, exitDone, "migrate", "verify", filepath.Join(w.dir, broken))
	s, call := w.service(t, to)
	defer func() { _ = s.close() }()
	for _, name := range moved {
		var stands [2][]byte
		for i, folder := range []string{"whole/", "broken/"} {
			e, err := s.service.Digest(t.Context(), call, gateway.Ref{Store: to, Name: secret.Name(folder+from+"/") + name}, w.key, gateway.DigestOptions{Of: name})
			if err != nil {
				t.Fatal(err)
			}
			if e.Versions == nil {
				t.Errorf("%s has no versions", e.Name)
			}
			stands[i] = stripped(t, e)
		}
		if !bytes.Equal(stands[0], stands[1]) {
			t.Errorf("%s\nunbroken %s\nbroken   %s", name, stands[0], stands[1])
		}
	}
}

// stripped is an entry less what two runs cannot share: names, and the moment of
// each write.
func stripped(t *testing.T, e *inventory.Entry) []byte {
	t.Helper()
	e.Name, e.Of, e.Read = "", "", time.Time{}
	for _, a := range []inventory.Attributes{e.Attributes} {
		delete(a, "created")
		delete(a, "updated")
	}
	b, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// interrupted runs the plan and ends it once the journal has grown to some length.
func (w *killWorld) interrupted(t *testing.T, plan string, signal syscall.Signal) {
	t.Helper()
	journal := filepath.Join(w.dir, plan+".journal")
	const aLine = 130 // bytes, about
	target := sizeOf(journal) + w.random.Int64N(int64(len(moved))*aLine)
	var said bytes.Buffer
	cmd := w.command(t.Context(), "migrate", "run", plan)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	look := time.NewTicker(200 * time.Microsecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended: // it was faster
			if exitCode(err) != exitDone {
				t.Errorf("%v: %s", err, &said)
			}
			return
		case <-look.C:
		}
		if sizeOf(journal) >= target {
			break
		}
	}
	if err := cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	err := <-ended
	if signal == syscall.SIGINT && exitCode(err) != exitDone {
		if exitCode(err) != exitInterrupted || !strings.Contains(said.String(), "to go on: vaultferry migrate run "+plan) {
			t.Errorf("after an interrupt: %v: %s", err, &said)
		}
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// findCanaries reads every byte that was written.
func (w *killWorld) findCanaries(t *testing.T) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("canary")) {
			t.Errorf("%s tells a value", path)
		}
		info, infoErr := d.Info()
		if infoErr == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		files = append(files, filepath.Ext(path))
		return errors.Join(err, infoErr)
	})
	if err != nil || !slices.Contains(files, ".journal") || !slices.Contains(files, ".plan") {
		t.Errorf("%v, %q", err, files)
	}
}
