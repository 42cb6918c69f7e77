package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/vaultferry/vaultferry/internal/freeport"
)

const ciExamples = "../../examples/ci/"

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// known is the sandbox that the examples speak of.
func known(t *testing.T, domain string) *sandbox {
	t.Helper()
	a, _, _ := testApp(nil)
	s, err := a.newSandbox(sandboxOptions{address: "127.0.0.1:0", domain: domain, fixed: true, stores: devStores})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.remove() })
	return s
}

// TestComposeExample: the container's command line is one, and the application is
// given what the gateway has.
func TestComposeExample(t *testing.T) {
	t.Parallel()
	var compose struct {
		Services map[string]struct {
			Command     []string
			Environment map[string]string
			Networks    map[string]struct{ Aliases []string }
		}
	}
	readYAML(t, ciExamples+"compose.yaml", &compose)
	dockerfile, err := os.ReadFile(ciExamples + "Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(ENTRYPOINT|CMD) (\[.*\])$`).FindAllStringSubmatch(string(dockerfile), -1) {
		var words []string
		if err := json.Unmarshal([]byte(m[2]), &words); err != nil {
			t.Fatal(err)
		}
		lines[m[1]] = words
	}
	a, _, _ := testApp(nil)
	for _, command := range [][]string{lines["CMD"], compose.Services["vault"].Command} {
		if len(lines["ENTRYPOINT"]) < 2 || len(command) == 0 {
			t.Fatalf("%v %v", lines, command)
		}
		cmd, args, err := a.root().Find(slices.Concat(lines["ENTRYPOINT"][1:], command))
		if err == nil {
			err = cmd.ParseFlags(args)
		}
		if err != nil || cmd.Name() != "serve" || cmd.Flags().NArg() > 0 {
			t.Errorf("%v: %v", command, err)
		}
	}
	s := known(t, "vault.test")
	if got := compose.Services["vault"].Networks["default"].Aliases; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(s.hosts()))) {
		t.Errorf("aliases %v, hosts %v", got, s.hosts())
	}
	s.portNo = "8443"
	given := compose.Services["app"].Environment
	for name, value := range given {
		if want := fmt.Sprintf("export %s='%s'\n", name, value); name != "SSL_CERT_FILE" && !strings.Contains(s.exports(), want) {
			t.Errorf("%s is not %q", name, value)
		}
	}
	if len(given) < 5 {
		t.Errorf("the application is given %d variables", len(given))
	}
	for _, file := range []string{ciExamples + "testcontainers/vault_test.go", "../../docs/testing.md"} {
		if text, err := os.ReadFile(file); err != nil || !bytes.Contains(text, []byte(s.token)) {
			t.Errorf("%s has another token: %v", file, err)
		}
	}
}

// TestWorkflowExample runs the steps of the workflow as a runner does, on other
// ports.
func TestWorkflowExample(t *testing.T) {
	t.Parallel()
	var workflow struct {
		Jobs map[string]struct{ Steps []struct{ Name, Run string } }
	}
	readYAML(t, ciExamples+"github-actions.yaml", &workflow)
	admin := freeport.Keep(t)
	dir, root := t.TempDir(), filepath.Join("..", "..")
	environment := filepath.Join(dir, "environment")
	script := "set -eo pipefail\n"
	ran := 0
	for _, step := range workflow.Jobs["test"].Steps {
		if step.Name != "start" && step.Name != "test" {
			continue
		}
		ran++
		run := strings.ReplaceAll(step.Run, "127.0.0.1:8444", admin)
		run = strings.ReplaceAll(run, "serve --dev", "serve --dev --address 127.0.0.1:0 --admin-address "+admin)
		script += run + "\n[ ! -f \"$GITHUB_ENV\" ] || { set -a; . \"$GITHUB_ENV\"; set +a; }\n"
	}
	if ran != 2 {
		t.Fatalf("%d steps", ran)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "RUNNER_TEMP="+dir, "GITHUB_ENV="+environment)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := filepath.Join(dir, "out")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the gateway, which the last step leaves
	}
	said, readErr := os.ReadFile(out)
	if err != nil || readErr != nil || !bytes.Contains(said, []byte(`"value":"hello"`)) {
		log, _ := os.ReadFile(filepath.Join(dir, "vault.log"))
		t.Errorf("%v: %s\n%s", err, said, log)
	}
}
