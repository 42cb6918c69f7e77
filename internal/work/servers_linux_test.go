package work

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// token is that of the only caller: what the process that measures made.
var token = cmp.Or(os.Getenv(tokenEnv), secret.NewUID().String()+secret.NewUID().String())

const tokenEnv = "BENCH_TOKEN"

const host = "main.vault.localhost"

// server is a process that is measured.
type server struct {
	address string
	pid     int
	client  *client
}

// startServers builds the gateway, fills it, and starts the bare servers with
// the gateway's own answers.
func startServers(b *testing.B) map[string]*server {
	b.Helper()
	dir := b.TempDir()
	program := filepath.Join(dir, "vaultferry")
	run(b, dir, "go", "build", "-o", program, "github.com/vaultferry/vaultferry/cmd/vaultferry")
	run(b, dir, program, "keys", "new", "--output-file", "keyring.json")
	if err := os.WriteFile(filepath.Join(dir, "vaultferry.yaml"), []byte(configuration), 0o600); err != nil {
		b.Fatal(err)
	}
	all := map[string]*server{"gateway": start(b, dir, program, "serve")}
	fill(b, all["gateway"])
	for what, r := range requests {
		if err := os.WriteFile(filepath.Join(dir, what), all["gateway"].ask(b, r.method, r.path, r.body), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.Setenv(bareEnv, dir)
	for _, name := range []string{"bare", "audited", "synced"} {
		all[name] = start(b, dir, os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkBareServer$/^"+name+"$", "-test.benchtime=1x")
	}
	return all
}

// configuration has all that a gateway of several teams has: three dialects
// are asked whose request it is.
const configuration = `
server: { address: "127.0.0.1:0", tls: { off: true } }
admin: { address: "" }
control: { socket: "" }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
stores: [ { name: main, backend: memory } ]
dialects:
  azure: { authority: "https://login.vault.localhost/adfs", routes: [ { host: main.vault.localhost, store: main } ] }
  huawei: { routes: [ { project: "0123456789abcdef0123456789abcdef", store: main } ] }
login: { host: login.vault.localhost }
callers: [ { name: bench, tokens: [ { env: BENCH_TOKEN } ], client: { id: bench, secret: { env: BENCH_TOKEN } } } ]
policy: [ { callers: [bench], allow: ["*"], stores: ["*"], names: ["*"] } ]
`

func run(b *testing.B, dir, name string, args ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), name, args...)
	if name != "go" {
		cmd.Dir = dir
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// serving is how each server says its address.
var serving = regexp.MustCompile(`msg=serving address=(\S+)`)

// start runs a server on the first core, where taskset is there to say so.
func start(b *testing.B, dir, name string, args ...string) *server {
	b.Helper()
	if pin, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{"-c", "0", name}, args...)
		name = pin
	}
	ctx, stop := context.WithCancel(b.Context())
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", tokenEnv+"="+token)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	said, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	s := &server{pid: cmd.Process.Pid}
	for lines := bufio.NewScanner(said); s.address == "" && lines.Scan(); {
		if m := serving.FindStringSubmatch(lines.Text()); m != nil {
			s.address = m[1]
		}
	}
	if s.address == "" {
		b.Fatalf("%s does not serve", name)
	}
	s.client = newClient(b, s.address)
	return s
}

// fill makes what the requests ask for: a secret, one with a history of 100 x
// 1 KiB, and names for many pages.
func fill(b *testing.B, s *server) {
	b.Helper()
	set := func(name, value string) {
		s.ask(b, "PUT", "/secrets/"+name, `{"value":"`+value+`"}`)
	}
	set("bench", "a value of some length, as passwords are")
	for i := range 100 {
		set("long", fmt.Sprintf("%03d%s", i, strings.Repeat("x", 1021)))
	}
	for i := range 100 {
		set(fmt.Sprintf("name-%05d", i), "x")
	}
}

// forget removes what was set: it would be counted as memory, and grows with how
// fast the gateway is.
func forget(b *testing.B, s *server) {
	b.Helper()
	s.ask(b, "DELETE", "/secrets/bench-set", "")
	s.ask(b, "DELETE", "/deletedsecrets/bench-set", "")
}

// measure asks the server for a turn, and tells what it worked meanwhile.
func (s *server) measure(b *testing.B, request string) sample {
	b.Helper()
	r := requests[request]
	before := s.worked(b)
	begin := time.Now()
	n := s.client.load(b, message(r.method, r.path, r.body), turn)
	took := time.Since(begin)
	work := s.worked(b) - before
	return sample{work: float64(work.Nanoseconds()) / 1e3 / float64(n), rate: float64(n) / took.Seconds()}
}

// worked is the processor time of all threads so far.
func (s *server) worked(b *testing.B) time.Duration {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.pid))
	if err != nil || len(threads) == 0 {
		b.Fatalf("no process %d", s.pid)
	}
	var sum int64
	for _, t := range threads {
		text, err := os.ReadFile(t)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum)
}

// anonymous is the memory that no file stands behind, in bytes.
func (s *server) anonymous(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb * 1024
}
