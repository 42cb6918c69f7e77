package examples

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// stranger has the program and nothing else.
type stranger struct {
	t              *testing.T
	root           string // of /backup, /safe and /mnt, and of the machines
	dir            string // where the shell is
	env            []string
	machines       int
	token, port    string
	serving        *exec.Cmd
	served         sync.WaitGroup
	said, answered strings.Builder // by all commands; by the last one
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	s := &stranger{t: t, root: t.TempDir()}
	for _, dir := range []string{"backup", "safe", "mnt"} {
		s.makeDir(filepath.Join(s.root, dir))
	}
	s.machine()
	t.Cleanup(s.interrupt)
	return s
}

func (s *stranger) makeDir(dir string) string {
	s.t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// machine is another one, empty; nothing of the last one is left.
func (s *stranger) machine() {
	s.t.Helper()
	s.interrupt()
	bin, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.machines++; s.machines > 1 {
		for _, gone := range []string{"backup", fmt.Sprint("machine", s.machines-1)} {
			if err := os.RemoveAll(filepath.Join(s.root, gone)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	machine := s.makeDir(filepath.Join(s.root, fmt.Sprint("machine", s.machines)))
	s.dir = s.makeDir(filepath.Join(machine, "work"))
	s.env = []string{
		"PATH=" + filepath.Dir(bin) + ":" + os.Getenv("PATH"), "HOME=" + s.makeDir(filepath.Join(machine, "home")), "TMPDIR=" + s.makeDir(filepath.Join(machine, "tmp")),
		"VAULTFERRY_ADMIN_ADDRESS=127.0.0.1:0",
		"CURL_CA_BUNDLE=/dev/null", "SSL_CERT_FILE=/dev/null", // set to something else, as behind a proxy that opens TLS
	}
}

// here puts in a line what only this machine knows.
func (s *stranger) here(line string) string {
	pairs := []string{"TOKEN=...", "TOKEN=" + s.token}
	for _, dir := range []string{"backup", "safe", "mnt"} {
		pairs = append(pairs, " /"+dir+"/", " "+filepath.Join(s.root, dir)+"/")
	}
	if s.port != "" {
		pairs = append(pairs, ":8443", ":"+s.port)
	}
	return strings.NewReplacer(pairs...).Replace(line)
}

func (s *stranger) do(st step) {
	s.t.Helper()
	switch {
	case st.do == stop:
		s.interrupt()
	case st.do == another:
		s.machine()
	case st.kind == "yaml":
		s.edit(st.do)
	case strings.HasPrefix(st.do, "vaultferry serve"):
		s.serve(s.here(st.do))
	default:
		s.sh(s.here(st.do))
	}
}

// sh runs a line as the next one of the same shell, and keeps what it says.
func (s *stranger) sh(line string) {
	s.t.Helper()
	state := filepath.Join(s.root, "state")
	cmd := exec.CommandContext(s.t.Context(), "/bin/sh", "-euac", line+"\n{ pwd; env -0; } > '"+state+"'")
	cmd.Dir, cmd.Env = s.dir, s.env
	s.answered.Reset()
	out := io.MultiWriter(&s.said, &s.answered)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s: %v: %s", line, err, s.answered.String())
	}
	if m := regexp.MustCompile(`(?m)^  token +([0-9a-f]{40})$`).FindStringSubmatch(s.answered.String()); m != nil {
		s.token = m[1]
	}
	dir, env, _ := strings.Cut(read(s.t, state), "\n")
	s.dir, s.env = dir, strings.Split(strings.TrimSuffix(env, "\x00"), "\x00")
}

// edit puts an item of YAML below the key that the last line named.
func (s *stranger) edit(line string) {
	s.t.Helper()
	if !strings.HasPrefix(line, " ") {
		s.answered.Reset()
		s.answered.WriteString(line)
		return
	}
	file := filepath.Join(s.dir, "vaultferry.yaml")
	key := "\n" + s.answered.String() + "\n"
	before, after, ok := strings.Cut(read(s.t, file), key)
	if !ok {
		s.t.Fatalf("the configuration has no %q", s.answered.String())
	}
	if err := os.WriteFile(file, []byte(before+key+line+"\n"+after), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

var servingAt = regexp.MustCompile(`(?:serving on |msg=serving address=)127\.0\.0\.1:([0-9]+)`)

// serve runs the gateway beside the shell, until it serves.
func (s *stranger) serve(line string) {
	s.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), "/bin/sh", "-euc", "exec "+line+" --address 127.0.0.1:0")
	cmd.Dir, cmd.Env = s.dir, s.env
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.serving = cmd
	s.served.Go(func() { _ = cmd.Wait(); _ = w.Close() })    // interrupt looks at its code
	port, said := make(chan string, 1), make(chan string, 1) // the first port alone
	s.served.Go(func() {
		var all strings.Builder
		for lines := bufio.NewScanner(r); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if m := servingAt.FindStringSubmatch(lines.Text()); m != nil && len(port) == 0 {
				port <- m[1]
			}
		}
		said <- all.String()
	})
	select {
	case s.port = <-port:
	case all := <-said:
		s.t.Fatalf("%s ended: %s", line, all)
	case <-time.After(5 * time.Minute): // the machine may be busy
		s.t.Fatalf("%s does not serve", line)
	}
}

// interrupt is Ctrl-C in the terminal of the gateway.
func (s *stranger) interrupt() {
	if s.serving == nil {
		return
	}
	if err := s.serving.Process.Signal(os.Interrupt); err != nil {
		s.t.Error(err)
	}
	s.served.Wait()
	if code := s.serving.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("the gateway ended with %d", code)
	}
	s.serving, s.port = nil, ""
}

// shows fails unless the gateway shows this certificate to a client that trusts the CA of
// the configuration.
func (s *stranger) shows(file string) {
	s.t.Helper()
	trusted := x509.NewCertPool()
	block, _ := pem.Decode([]byte(read(s.t, filepath.Join(s.dir, file))))
	if !trusted.AppendCertsFromPEM([]byte(read(s.t, filepath.Join(s.dir, "ca.pem")))) || block == nil {
		s.t.Fatalf("ca.pem or %s holds no certificate", file)
	}
	d := tls.Dialer{Config: &tls.Config{RootCAs: trusted, ServerName: "main.vault.localhost", MinVersion: tls.VersionTLS12}}
	conn, err := d.DialContext(s.t.Context(), "tcp", "127.0.0.1:"+s.port)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // only looked at
	if !bytes.Equal(conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw, block.Bytes) {
		s.t.Errorf("the gateway shows another certificate than %s", file)
	}
}

// heard fails unless some command said each of these.
func (s *stranger) heard(wants ...string) {
	s.t.Helper()
	for _, want := range wants {
		if !strings.Contains(s.said.String(), want) {
			s.t.Errorf("nothing said %q: %s", want, s.said.String())
		}
	}
}

// answers fails unless the last command said this.
func (s *stranger) answers(want string) {
	s.t.Helper()
	if got := s.answered.String(); !strings.Contains(got, want) {
		s.t.Errorf("the answer is %q, want %q", got, want)
	}
}
