package attack

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var benchFor = flag.Duration("benchfor", 3*time.Second, "how long BenchmarkHonest attacks")

// A flood is refused requests from one address. It runs in a process of its
// own, so that what it costs is not the honest client's.
const (
	floodVariable    = "ATTACK_FLOOD" // how, address, file of the CA
	floodConnections = 200
	floodPerSecond   = 2000
)

// flood offers refused requests, and returns once the first was answered. Stop
// ends it, and tells how many were. It runs on the given processor, or on any if
// that is negative.
func (x *target) flood(t testing.TB, how string, processor int) (stop func() int64) {
	t.Helper()
	command := []string{os.Args[0]}
	if processor >= 0 {
		command = []string{"taskset", "-c", strconv.Itoa(processor), os.Args[0]}
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), floodVariable+"="+how+" "+x.address+" "+filepath.Join(x.dir, "ca.pem"))
	cmd.Stderr = os.Stderr
	running, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	said := bufio.NewReader(out)
	_, err = said.ReadString('\n') // the first one
	must(t, err)
	return func() int64 {
		_ = running.Close()
		number, err := io.ReadAll(said)
		must(t, errors.Join(err, cmd.Wait()))
		n, err := strconv.ParseInt(string(number), 10, 64)
		must(t, err)
		return n
	}
}

// pin has the gateway and this process run on one processor.
func (x *target) pin(t testing.TB, processor int) {
	t.Helper()
	for _, pid := range []int{x.pid, os.Getpid()} {
		out, err := exec.CommandContext(t.Context(), "taskset", "-apc", strconv.Itoa(processor), strconv.Itoa(pid)).CombinedOutput()
		if err != nil {
			t.Skipf("the attacker needs a processor of his own: %v: %s", err, out)
		}
	}
}

// runFlood is the process of a flood: it ends with its input.
func runFlood(what string) error {
	parts := strings.Fields(what)
	how, address := parts[0], parts[1]
	pem, err := os.ReadFile(parts[2])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	f := &flooder{how: how, address: address, tls: &tls.Dialer{NetDialer: dialerAt(hostile), Config: &tls.Config{
		RootCAs: roots, ServerName: vaultHost, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
	}}}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range floodConnections {
		all.Go(func() {
			for ctx.Err() == nil {
				f.connection(ctx)
			}
		})
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	all.Wait()
	_, err = fmt.Fprint(os.Stdout, f.refused.Load())
	return err
}

type flooder struct {
	how, address string
	tls          *tls.Dialer
	refused      atomic.Int64
}

const refusedRequest = "GET /secrets/n?api-version=7.4 HTTP/1.1\r\nHost: " + vaultHost + "\r\nAuthorization: Bearer nobody's\r\n\r\n"

// connection sends requests, whether they are answered or not, until the
// connection or ctx ends.
func (f *flooder) connection(ctx context.Context) {
	tick := time.NewTicker(time.Second * floodConnections / floodPerSecond)
	defer tick.Stop()
	c, err := f.tls.DialContext(ctx, "tcp", f.address)
	if err != nil {
		<-tick.C
		return
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if f.how == "connections" {
		_, _ = io.WriteString(c, refusedRequest)
		f.answer(bufio.NewReader(c))
		<-tick.C
		return
	}
	go f.answers(c)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := io.WriteString(c, refusedRequest); err != nil {
				return
			}
		}
	}
}

func (f *flooder) answers(c net.Conn) {
	defer func() { _ = c.Close() }()
	for r := bufio.NewReader(c); f.answer(r); {
		continue
	}
}

func (f *flooder) answer(r *bufio.Reader) bool {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return false
	}
	if resp.StatusCode >= http.StatusBadRequest && f.refused.Add(1) == 1 {
		_, _ = fmt.Fprintln(os.Stdout)
	}
	return !resp.Close
}
