package examples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// program builds the program, once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vaultferry-examples-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "vaultferry")
	if out, err := exec.Command("go", "build", "-o", file, "github.com/vaultferry/vaultferry/cmd/vaultferry").CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(file)) // the folder is a temporary one
	}
	os.Exit(code)
}

// night is a machine as the examples for backups find it: a gateway's configuration
// with the stores payments and web, and a repository.
type night struct{ dir, bin string }

func newNight(t *testing.T) *night {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	n := &night{t.TempDir(), bin}
	n.run(t, "init", n.path("etc"))
	config := `server: { address: 127.0.0.1:0, tls: { off: true } }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
stores:
  - { name: payments, backend: bolt, bolt: { path: payments.db } }
  - { name: web, backend: bolt, bolt: { path: web.db } }
`
	for _, dir := range []string{"metrics", "backup"} {
		if err := os.Mkdir(n.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(n.path("etc/vaultferry.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	n.shell(t, `printf hush | vaultferry set payments db-password; printf hush | vaultferry set web team-a/key`)
	n.run(t, "snapshot", "init", "--repo", n.path("backup/vaults"))
	return n
}

func (n *night) path(name string) string { return filepath.Join(n.dir, name) }

// here puts this machine's paths in the place of those of an example.
func (n *night) here(text string) string {
	return strings.NewReplacer("/usr/local/bin/vaultferry", n.bin, "/etc/vaultferry", n.path("etc"), "/backup/vaults", n.path("backup/vaults"),
		"/var/lib/node_exporter", n.path("metrics")).Replace(text)
}

func (n *night) command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(n.bin)+":"+os.Getenv("PATH"), "VAULTFERRY_CONFIG="+n.path("etc/vaultferry.yaml"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

func (n *night) run(t *testing.T, args ...string) string {
	t.Helper()
	return n.command(t, n.bin, args...)
}

func (n *night) shell(t *testing.T, script string) string {
	t.Helper()
	return n.command(t, "/bin/sh", "-euc", script)
}

// proved fails unless so many snapshots are kept, and both stores' last ones restore.
func (n *night) proved(t *testing.T, kept int) {
	t.Helper()
	var all []struct{ Store string }
	if err := json.Unmarshal([]byte(n.run(t, "snapshot", "list", "--repo", n.path("backup/vaults"), "--output", "json")), &all); err != nil || len(all) != kept {
		t.Errorf("%d are kept, want %d: %v", len(all), kept, err)
	}
	n.run(t, "snapshot", "drill", "--repo", n.path("backup/vaults"))
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// need returns where a tool is; where it is missing the test is skipped, but not in CI.
func need(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(tool + " is not here")
	}
	return path
}

// TestBackupUnits: systemd reads the units without a complaint, and what they start
// does a night's work.
func TestBackupUnits(t *testing.T) {
	t.Parallel()
	analyze := need(t, "systemd-analyze")
	n := newNight(t)
	units, err := filepath.Glob("backup/vaultferry-*")
	if err != nil || len(units) != 4 {
		t.Fatal(units, err)
	}
	args := []string{"verify", "--man=no"}
	for _, unit := range units {
		file := n.path(filepath.Base(unit))
		if err := os.WriteFile(file, []byte(n.here(read(t, unit))), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	if said := n.command(t, analyze, args...); said != "" {
		t.Error(said)
	}
	words := settings(t)
	words["STORES"] = "payments web"
	set := ""
	for name, value := range words {
		set += name + "='" + n.here(value) + "'\n"
	}
	for _, unit := range []string{"vaultferry-backup.service", "vaultferry-drill.service"} {
		starts := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindAllStringSubmatch(read(t, n.path(unit)), -1)
		for _, start := range starts {
			n.shell(t, set+start[1]) // no quotes: systemd splits words and variables as the shell does
		}
		if len(starts) == 0 {
			t.Errorf("%s starts nothing", unit)
		}
	}
	n.proved(t, 2)
	if m := read(t, n.path("metrics/vaultferry.prom")); strings.Count(m, "vaultferry_snapshot_drill_success_timestamp_seconds{") != 2 {
		t.Error(m)
	}
}

// TestCrontab: what cron would run does a night's work, and says nothing.
func TestCrontab(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	ran := 0
	for line := range strings.Lines(read(t, "backup/crontab")) {
		if regexp.MustCompile(`^(#|[A-Z_]+=|\s*$)`).MatchString(line) {
			continue
		}
		m := regexp.MustCompile(`^([0-9*]+ ){5} vaultferry  (vaultferry .*)\n$`).FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("cron would not read %q", line)
		}
		if said := n.shell(t, n.here(m[2])); said != "" {
			t.Errorf("cron would mail %q", said)
		}
		ran++
	}
	if ran != 2 {
		t.Errorf("%d lines", ran)
	}
	n.proved(t, 2)
	read(t, n.path("metrics/vaultferry.prom"))
}

// cronJob is as much of a CronJob as the example has. Other members are refused.
type cronJob struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		Schedule                   string
		StartingDeadlineSeconds    int    `yaml:"startingDeadlineSeconds"`
		SuccessfulJobsHistoryLimit int    `yaml:"successfulJobsHistoryLimit"`
		FailedJobsHistoryLimit     int    `yaml:"failedJobsHistoryLimit"`
		ConcurrencyPolicy          string `yaml:"concurrencyPolicy"`
		JobTemplate                struct {
			Spec struct {
				BackoffLimit int `yaml:"backoffLimit"`
				Template     struct {
					Spec struct {
						RestartPolicy                string         `yaml:"restartPolicy"`
						AutomountServiceAccountToken bool           `yaml:"automountServiceAccountToken"`
						SecurityContext              map[string]any `yaml:"securityContext"`
						InitContainers               []container    `yaml:"initContainers"`
						Containers                   []container
						Volumes                      []struct {
							Name                  string
							PersistentVolumeClaim struct {
								ClaimName string `yaml:"claimName"`
								ReadOnly  bool   `yaml:"readOnly"`
							} `yaml:"persistentVolumeClaim"`
						}
					}
				}
			}
		} `yaml:"jobTemplate"`
	}
}

type container struct {
	Name, Image     string
	Args            []string
	Env             []struct{ Name, Value string }
	SecurityContext map[string]any `yaml:"securityContext"`
	VolumeMounts    []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

// TestCronJob: what the containers run, in their order, does a night's work; and they
// mount what is there.
func TestCronJob(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	var job cronJob
	dec := yaml.NewDecoder(strings.NewReader(read(t, "backup/cronjob.yaml")))
	dec.KnownFields(true)
	if err := dec.Decode(&job); err != nil {
		t.Fatal(err)
	}
	if job.APIVersion != "batch/v1" || job.Kind != "CronJob" || len(strings.Fields(job.Spec.Schedule)) != 5 {
		t.Errorf("%+v", job)
	}
	pod := job.Spec.JobTemplate.Spec.Template.Spec
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v.PersistentVolumeClaim.ClaimName != ""
	}
	if len(pod.Containers) != 1 || pod.RestartPolicy != "Never" { // else it would be run again and again
		t.Errorf("%+v", pod)
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s mounts %s, which is not there", c.Name, m.Name)
			}
		}
		if i := slices.IndexFunc(c.Env, func(e struct{ Name, Value string }) bool { return e.Name == "VAULTFERRY_CONFIG" }); i < 0 || c.Env[i].Value != "/etc/vaultferry/vaultferry.yaml" {
			t.Errorf("%s has no configuration", c.Name)
		}
		var args []string
		for _, arg := range c.Args {
			args = append(args, n.here(arg))
		}
		n.run(t, args...)
	}
	n.proved(t, 2)
}

// TestCopy: what rclone makes elsewhere is the whole repository, night after night, and
// keeps what is pruned here.
func TestCopy(t *testing.T) {
	t.Parallel()
	need(t, "rclone")
	n := newNight(t)
	repo, elsewhere := n.path("backup/vaults"), n.path("elsewhere")
	check := func() { n.run(t, "snapshot", "check", "--repo", elsewhere, "--read-data") }
	n.run(t, "snapshot", "create", "payments", "web", "--repo", repo)
	n.command(t, "backup/copy.sh", repo, elsewhere)
	check()
	for _, name := range []string{"lock", "work"} {
		if _, err := os.Stat(filepath.Join(elsewhere, name)); err == nil {
			t.Errorf("%s is in the copy", name)
		}
	}
	n.shell(t, `printf other | vaultferry set payments db-password`)
	n.run(t, "snapshot", "create", "payments", "--repo", repo)
	n.run(t, "snapshot", "forget", "--repo", repo, "--keep-last", "1")
	n.command(t, "find", repo, "-type", "f", "-exec", "touch", "-d", "2 days ago", "{}", "+")
	n.run(t, "snapshot", "prune", "--repo", repo)
	n.command(t, "backup/copy.sh", repo, elsewhere)
	check()
	n.run(t, "snapshot", "drill", "--repo", elsewhere)
	document := func(root string) string { return n.shell(t, "ls "+root+"/documents/*/* | wc -l") }
	if here, there := document(repo), document(elsewhere); here == there {
		t.Errorf("what was pruned here is gone there: %s, %s", here, there)
	}
}
