package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// vaultWorld is a gateway's configuration with a store over a real Vault, "kv",
// which a test may reach through a proxy that loses writes.
type vaultWorld struct {
	*testing.T
	dir    string
	server *vaulttest.Server
	mount  string
	native *api.Client
	lost   atomic.Bool // all writes but the first of a secret's value
}

func newVaultWorld(t *testing.T, deny ...string) *vaultWorld {
	t.Helper()
	w := &vaultWorld{T: t, dir: filepath.Join(t.TempDir(), "gw"), server: vaulttest.Start(t)}
	w.mount, w.native = w.server.NewMount(t), w.server.Client(t, vaulttest.RootToken)
	rules := `path "` + w.mount + `/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }` + "\n"
	for _, path := range deny {
		rules += `path "` + w.mount + `/metadata/` + path + `" { capabilities = ["deny"] }` + "\n"
	}
	target, err := url.Parse(w.server.Address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.lost.Load() && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/data/") {
			http.Error(rw, `{"errors":["permission denied"]}`, http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(rw, r)
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/data/half") {
			w.lost.Store(true)
		}
	}))
	t.Cleanup(front.Close)
	w.run(exitDone, "init", w.dir)
	w.write("token", w.server.Token(t, w.server.Policy(t, rules)))
	file := filepath.Join(w.dir, "vaultferry.yaml")
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	store := fmt.Sprintf("\n  - { name: kv, backend: hashivault, hashivault: { address: %s, mount: %s, token: { file: token } } }\n", front.URL, w.mount)
	w.write("vaultferry.yaml", strings.Replace(string(config), "\ndialects:", store+"dialects:", 1))
	return w
}

func (w *vaultWorld) write(name, text string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w *vaultWorld) put(path string) {
	w.Helper()
	if _, err := w.native.KVv2(w.mount).Put(w.Context(), path, map[string]any{"value": "hush"}); err != nil {
		w.Fatal(err)
	}
}

// run is one command, and what it says.
func (w *vaultWorld) run(code int, args ...string) (out, errOut string) {
	w.Helper()
	a, o, e := testApp(strings.NewReader("hush"))
	if got := a.run(w.Context(), append(args, "--config", filepath.Join(w.dir, "vaultferry.yaml"))); got != code {
		w.Errorf("%q: exit code %d, want %d: %s", args, got, code, e)
	}
	if strings.Contains(o.String()+e.String(), "hush") {
		w.Errorf("%q shows a value", args)
	}
	return o.String(), e.String()
}

func (w *vaultWorld) says(said string, all ...string) {
	w.Helper()
	for _, want := range all {
		if !strings.Contains(said, want) {
			w.Errorf("%q is not said in:\n%s", want, said)
		}
	}
}

// TestCommandsNameWhatListsLeaveOut: the rest is shown, what is missing is named,
// and the exit code says that something is.
func TestCommandsNameWhatListsLeaveOut(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, "team/denied*")
	long := strings.Repeat("n", secret.MaxName+1)
	for _, path := range []string{"a", "team/a", "team/denied/s", "z", "gone", long} {
		w.put(path)
	}
	if err := w.native.KVv2(w.mount).DeleteVersions(t.Context(), "gone", []int{1}); err != nil {
		t.Fatal(err)
	}
	out, said := w.run(exitFailed, "list", "kv")
	for _, name := range []string{"a ", "team/a ", "z "} {
		w.says(out, "\n"+name)
	}
	w.says(said, `store kv: the list is not whole: 1 folder could not be listed ("team/denied/"): Vault refused`,
		`store kv: the list is not whole: 1 entry has a name that the gateway cannot hold ("nnnn`,
		`note: left out: 1 secret is without a version that can be read ("gone"): native tools deleted or destroyed every version`)
	if _, said = w.run(exitDone, "list", "kv", "z*"); said != "" {
		t.Errorf("a list of other names says %s", said)
	}
	if _, said = w.run(exitDone, "list", "kv", "gone"); !strings.Contains(said, `note: left out: 1 secret is without`) {
		t.Errorf("a list of what is empty says %q", said)
	}
	w.run(exitFailed, "list", "kv", "team/denied/x*")
	out, _ = w.run(exitDone, "list", "kv", "--left-out", "--output", "json")
	var views []leftOutView
	if err := json.Unmarshal([]byte(out), &views); err != nil {
		t.Fatal(err)
	}
	var whys []string
	for _, v := range views {
		whys = append(whys, v.Why)
	}
	if slices.Sort(whys); !slices.Equal(whys, []string{"empty", "folder", "name"}) {
		t.Errorf("left out is %q", whys)
	}
	out, said = w.run(exitFailed, "sweep", "kv", "--output", "json")
	w.says(out, `"left_out"`, `"name": "team/denied/"`)
	w.says(said, "the list is not whole")
	out, _ = w.run(exitDone, "show", "kv", "gone")
	w.says(out, "current,deleted")

	audit, err := os.ReadFile(filepath.Join(w.dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	w.says(string(audit), `"data: 1 folder could not be listed (\"team/denied/\"): Vault refused the gateway's own credentials (HTTP 403)"`)

	// A backup that is foretold, and one that reads what is deleted.
	_, said = w.run(exitFailed, "backup", "kv", "gone", "--dry-run")
	w.says(said, "gone: this would lose data: the value of version 1 is not kept", "--read-deleted")
	out, _ = w.run(exitDone, "backup", "kv", "gone", "--dry-run", "--on-loss", "accept")
	w.says(out, "would write", "  would lose data: the value of version 1 is not kept")
	out, _ = w.run(exitDone, "backup", "kv", "gone", "--dry-run", "--read-deleted", "--output", "json")
	w.says(out, `"result": "would"`, `"grade": "trace"`, "undeleted for a moment")
	if m, err := w.native.KVv2(w.mount).GetVersionsAsList(t.Context(), "gone"); err != nil || m[0].DeletionTime.IsZero() {
		t.Errorf("a dry run undeleted a version: %v", err)
	}
}

// TestUnfinishedImports: a restore that fails midway says so, and how to end it;
// a list finds what is left.
func TestUnfinishedImports(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t)
	for range 2 {
		w.run(exitDone, "set", "main", "half")
	}
	file := filepath.Join(w.dir, "half.backup")
	w.run(exitDone, "backup", "main", "half", "--output-file", file)
	out, said := w.run(exitFailed, "restore", "kv", file, "--output", "json")
	w.says(said, "half in kv is unfinished: the same restore again finishes it, and vault kv metadata delete removes it")
	w.says(out, `"name": "half"`, `"unfinished": "the same restore again`)
	out, _ = w.run(exitDone, "list", "kv", "--left-out")
	w.says(out, "half", "unfinished", "the same restore again finishes it")
	_, said = w.run(exitDone, "list", "kv")
	w.says(said, `note: left out: the import of 1 secret is not finished ("half")`)
	_, said = w.run(exitFailed, "show", "kv", "half")
	w.says(said, "an import of this name was begun and is not finished")
	w.lost.Store(false)
	w.run(exitDone, "restore", "kv", file)
	if out, _ = w.run(exitDone, "list", "kv", "--left-out", "--output", "json"); out != "[]\n" {
		t.Errorf("once it is finished, left out is %s", out)
	}
}
