package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// kills is how often each run dies before one is left to its end; "make soak" asks
// for more.
var kills = flag.Int("kills", 3, "how often each run of TestKillAndResume dies")

// killWorld has two stores of each kind: bolt and Vault are opened by each command
// itself, and memory by a gateway that outlives them.
type killWorld struct {
	dir    string
	server *vaulttest.Server
	random *rand.Rand
}

// moved is what the source holds, by name and number.
var moved = func() (names []secret.Name) {
	for i := range 25 {
		names = append(names, secret.Name(fmt.Sprintf("team/%02d", i)))
	}
	return names
}()

// TestKillAndResume: a run dies at any moment, by SIGKILL and at last by SIGINT,
// and the same command again brings the move to the end of an unbroken one: each
// version once, and none missing. Nothing that is written tells a value.
func TestKillAndResume(t *testing.T) {
	w := newKillWorld(t)
	kinds := []string{"bolt", "vault", "memory"}
	for _, kind := range kinds {
		w.write(t, kind+"-a", 1, 3)
	}
	pairs := func(do func(t *testing.T, from, to string)) {
		for _, from := range kinds {
			for _, to := range kinds {
				if from != to {
					t.Run(from+" to "+to, func(t *testing.T) { do(t, from+"-a", to+"-b") })
				}
			}
		}
	}
	pairs(func(t *testing.T, from, to string) { w.move(t, from, to, "first", 3) })
	for _, kind := range kinds {
		w.write(t, kind+"-a", 4, 5)
	}
	pairs(func(t *testing.T, from, to string) { w.move(t, from, to, "second", 5) })
	t.Run("dead credential", w.dead)
	w.findCanaries(t)
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
	if !strings.Contains(out, "not tried: 23") || !strings.Contains(out, "to go on, with a new credential: vaultferry migrate run dead.plan") {
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
	w := &killWorld{dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0))}
	w.server = vaulttest.Start(t)
	stores := "  - { name: memory-a, backend: memory }\n  - { name: memory-b, backend: memory }\n"
	base := fmt.Sprintf("server: { address: 127.0.0.1:0, tls: { off: true } }\nkeyring: { file: keyring.json }\naudit: { file: audit.jsonl }\ncontrol: { socket: s }\nstores:\n%s", stores)
	all := base
	for _, name := range []string{"a", "b"} {
		all += fmt.Sprintf("  - { name: bolt-%s, backend: bolt, bolt: { path: %s.db } }\n", name, name)
		all += fmt.Sprintf("  - { name: vault-%s, backend: hashivault, hashivault: { address: %q, mount: %s, token: { file: vault.token } } }\n", name, w.server.Address, w.server.NewMount(t))
	}
	for file, text := range map[string]string{"gateway.yaml": base, "vaultferry.yaml": all, "vault.token": vaulttest.RootToken} {
		if err := os.WriteFile(filepath.Join(w.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.must(t, exitDone, "keys", "new", "--output-file", "keyring.json")
	w.serve(t)
	return w
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

// serve starts the gateway that holds the memory stores.
func (w *killWorld) serve(t *testing.T) {
	t.Helper()
	cmd := w.command(context.Background(), "serve", "--config", "gateway.yaml")
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
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "msg=serving") {
			go func() {
				for lines.Scan() { // until it ends
				}
			}()
			return
		}
	}
	t.Fatal("the gateway did not start")
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

// move plans, kills and resumes, and looks at what stands.
func (w *killWorld) move(t *testing.T, from, to, which string, versions int) {
	plan := fmt.Sprintf("%s-%s-%s.plan", which, from, to)
	prefix := from + "/"
	w.must(t, exitDone, "migrate", "plan", "--from", from, "--to", to, "--add-prefix", prefix, "--on-loss", "disabled=accept", "--output-file", plan)
	for n := range *kills {
		signal := syscall.SIGKILL
		if n == *kills-1 {
			signal = syscall.SIGINT
		}
		w.interrupted(t, plan, signal)
	}
	out := w.must(t, exitDone, "migrate", "run", plan)
	if !strings.Contains(out, fmt.Sprintf("of %d planned", len(moved))) {
		t.Errorf("the last run says %s", out)
	}
	w.must(t, exitDone, "migrate", "verify", plan)
	s, call := w.service(t, to)
	defer func() { _ = s.close() }()
	for _, name := range moved {
		ref := gateway.Ref{Store: to, Name: secret.Name(prefix) + name}
		sec, err := s.service.Describe(t.Context(), call, ref)
		if err != nil {
			t.Fatal(err)
		}
		if len(sec.Versions) != versions || int(sec.Current) != versions {
			t.Errorf("%s: %d versions, current %d; want %d", ref.Name, len(sec.Versions), sec.Current, versions)
		}
		for v := 1; v <= versions; v++ {
			got, err := s.service.Get(t.Context(), call, ref, secret.ByOrdinal(secret.Ordinal(v)))
			switch {
			case v%2 == 0:
				if !errors.Is(err, secret.Disabled) {
					t.Errorf("%s, version %d is disabled: %v", ref.Name, v, err)
				}
			case err != nil || !got.Newest().Value.Equal(secret.TextValue(canary(name, v))):
				t.Errorf("%s, version %d: %v", ref.Name, v, err)
			}
		}
	}
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
