package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/internal/sdktest"
)

// program is clients of an SDK of another language: test/sdk/js/fleet.mjs, or
// test/sdk/python/fleet.py.
type program struct {
	language string
	answers  []chan told // of each lane
	said     strings.Builder
	ended    chan struct{}

	mu sync.Mutex
	in io.WriteCloser
}

// told is a line of the program's.
type told struct {
	Lane    int    `json:"lane"`
	Value   string `json:"value"`
	Error   string `json:"error"`
	Status  int    `json:"status"`
	Tries   int    `json:"tries"`
	Request string `json:"request"`
}

// start runs the program of a language with a client for each token, which find the
// fleet where it is. It returns when they are ready.
func (f *fleet) program(t *testing.T, language string, tokens ...string) *program {
	t.Helper()
	sdktest.Need(t, language)
	dir := sdktest.Copy(t, language)
	args := []string{"node", "--import", "./resolve.mjs", "fleet.mjs"}
	if language == "python" {
		args = []string{sdktest.Python, "fleet.py"}
	}
	_, port, _ := net.SplitHostPort(f.balancer.address)
	world, err := json.Marshal(map[string]any{"url": "https://" + storeHost + ":" + port, "tokens": tokens})
	must(t, err)
	ca := filepath.Join(f.dir, "ca.pem")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", "PYTHONPATH=" + dir, "PYTHONDONTWRITEBYTECODE=1",
		"WORLD=" + string(world), "NODE_EXTRA_CA_CERTS=" + ca, "REQUESTS_CA_BUNDLE=" + ca,
	}
	p := &program{language: language, ended: make(chan struct{})}
	for range tokens {
		p.answers = append(p.answers, make(chan told, 1))
	}
	p.in, err = cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = &p.said
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = p.in.Close()
		_ = cmd.Process.Kill() // may have ended
		<-p.ended
	})
	ready := make(chan struct{})
	go func() {
		defer close(p.ended)
		p.read(out, ready)
		_ = cmd.Wait()
	}()
	select {
	case <-ready:
	case <-p.ended:
		t.Fatalf("the %s program does not start: %s", language, &p.said)
	}
	return p
}

// read hands each line to its lane.
func (p *program) read(out io.Reader, ready chan<- struct{}) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line told
		if lines.Text() == "ready" {
			close(ready)
		} else if json.Unmarshal(lines.Bytes(), &line) == nil {
			p.answers[line.Lane] <- line
		}
	}
}

// lane is one client of a program's.
type lane struct {
	*program
	number int
}

func (lane) adds(bool) verb { return doPut }
func (lane) shares() []verb { return azureVerbs }

func (l lane) call(name string, in input) (a answer) {
	line, err := json.Marshal(map[string]any{"lane": l.number, "verb": in.verb, "name": name, "value": in.value})
	if err == nil {
		l.mu.Lock()
		_, err = l.in.Write(append(line, '\n'))
		l.mu.Unlock()
	}
	if err != nil {
		return answer{output: output{result: unknown}, err: err, refused: true}
	}
	var got told
	select {
	case got = <-l.answers[l.number]:
	case <-l.ended:
		return answer{output: output{result: unknown}, err: fmt.Errorf("the %s program has ended: %s", l.language, &l.said), refused: true}
	}
	a = answer{refused: got.Status != 0, tries: got.Tries, request: got.Request}
	switch a.value = got.Value; {
	case got.Error == "":
		a.result = done
		return a
	case a.refused:
		a.output = ofAzure(in.verb, got.Status)
	default:
		a.result = unknown
	}
	a.err = errors.New(l.language + ": " + got.Error)
	return a
}
