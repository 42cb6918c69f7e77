package fleet

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// process is one gateway.
type process struct {
	file, dir, address string
	wrap               []string // a command that runs it
	env                []string // nil: a gateway's
	cmd                *exec.Cmd
	ended              chan struct{}
	log                *logged
}

// logged is what a gateway has said since it started.
type logged struct {
	mu    sync.Mutex
	text  strings.Builder
	heard map[string]chan struct{} // what somebody waits for
}

func (l *logged) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(line + "\n")
	for text, c := range l.heard {
		if strings.Contains(line, text) {
			close(c)
			delete(l.heard, text)
		}
	}
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait returns what is closed once the text was said. One at a time waits for a text.
func (l *logged) wait(text string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan struct{})
	if strings.Contains(l.text.String(), text) {
		close(c)
	} else {
		l.heard[text] = c
	}
	return c
}

func (g *process) config() string { return filepath.Join(g.dir, "vaultferry.yaml") }

func (g *process) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(append(slices.Clone(g.wrap), g.file), args...)
	if g.env != nil {
		cmd := exec.CommandContext(ctx, args[0], args[1:len(args)-1]...)
		cmd.Env = append(os.Environ(), g.env...)
		return cmd
	}
	args = append(args, "--config", g.config())
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	_, callers := callersOf()
	cmd.Env = append(append(os.Environ(), "APP_TOKEN="+token, "APP_SK="+secretKey, "APP_CLIENT="+clientKey, "VAULT_TOKEN="+vaulttest.RootToken), callers...)
	return cmd
}

// start returns when the gateway serves.
func (g *process) start() error {
	g.cmd = g.command(context.Background(), "serve")
	pipe, err := g.cmd.StderrPipe()
	if err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	said := &logged{heard: map[string]chan struct{}{}}
	g.ended, g.log = ended, said
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			said.add(lines.Text())
		}
		_ = g.cmd.Wait()
	}()
	return g.says("msg=serving")
}

// patienceToStart is more than the slowest machine needs.
const patienceToStart = 2 * time.Minute

// says waits until the gateway has said so.
func (g *process) says(text string) error {
	select {
	case <-g.log.wait(text):
		return nil
	case <-g.ended:
		return fmt.Errorf("the gateway ends before it says %q:\n%s", text, g.log)
	case <-time.After(patienceToStart):
		return fmt.Errorf("the gateway does not say %q:\n%s", text, g.log)
	}
}

// kill ends it as a machine that loses its power does.
func (g *process) kill() {
	if g.cmd != nil && g.cmd.Process != nil {
		_ = g.cmd.Process.Kill()
		<-g.ended
	}
}
