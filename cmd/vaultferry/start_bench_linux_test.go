package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// realProgram builds the program, as a release is built, and has commands of this
// test find it first.
func realProgram(b *testing.B) {
	b.Helper()
	dir := b.TempDir()
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "vaultferry"), ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// BenchmarkStart is from the start of the program to its first answer by HTTPS,
// from a store in a file: the goal is 100 ms. cpu-ms is the processor time of the
// whole of such a life, its end too, and anonymous-MB what it holds after its answer.
func BenchmarkStart(b *testing.B) {
	realProgram(b)
	r := &reloaded{t: b, dir: filepath.Join(b.TempDir(), "gw"), token: randomText()}
	a, _, errOut := testApp(nil)
	if code := a.run(b.Context(), []string{"init", r.dir}); code != exitDone {
		b.Fatal(errOut)
	}
	r.configure(0)
	replaceIn(b, filepath.Join(r.dir, "vaultferry.yaml"), "{ name: main, backend: memory }", "{ name: main, backend: bolt, bolt: { path: main.db } }")
	const lives = 21
	for b.Loop() {
		var took, worked, anonymous []float64
		for i := range lives + 1 {
			begun := time.Now()
			cmd, said := r.begin(b)
			status, err := r.ask(http.MethodGet, "")
			first := time.Since(begun)
			if i == 0 { // which makes the store, and what the others ask for
				status, err = r.ask(http.MethodPut, `{"value":"kept"}`)
			}
			if err != nil || status != http.StatusOK {
				b.Fatal(status, err)
			}
			held := anonymousOf(b, cmd.Process.Pid)
			r.client.CloseIdleConnections()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_, _ = io.Copy(io.Discard, said)
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			if i > 0 {
				took = append(took, first.Seconds()*1e3)
				worked = append(worked, (cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()*1e3)
				anonymous = append(anonymous, held)
			}
		}
		for name, all := range map[string][]float64{"ms": took, "cpu-ms": worked, "anonymous-MB": anonymous} {
			slices.Sort(all)
			b.ReportMetric(all[len(all)/2], name)
		}
		b.ReportMetric(took[0], "least-ms")
	}
}

// begin starts the program, until it says that it serves.
func (r *reloaded) begin(b *testing.B) (*exec.Cmd, io.Reader) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "vaultferry", "serve", "--address", "127.0.0.1:0")
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), "VAULTFERRY_ADMIN_ADDRESS=127.0.0.1:0")
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	in := bufio.NewReader(said)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			b.Fatal("it does not serve")
		}
		if m := regexp.MustCompile(`msg=serving address=(\S+)`).FindStringSubmatch(line); m != nil {
			r.dial(m[1])
			return cmd, in
		}
	}
}

func replaceIn(b *testing.B, file, old, by string) {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(text, []byte(old)) {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte(old), []byte(by), 1), 0o600); err != nil {
		b.Fatal(err)
	}
}

func anonymousOf(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb * 1024 / 1e6
}

// BenchmarkRestart restarts a gateway whose socket is systemd's, while clients ask
// 1,000 times a second at even times, whether they were answered or not. No request
// may fail; the goal for the longest is 300 ms.
func BenchmarkRestart(b *testing.B) {
	realProgram(b)
	const every, restarts, between = time.Millisecond, 5, 2 * time.Second
	m := newManaged(b)
	address, socket := listenFile(b)
	stop := m.start("vaultferry.socket", socket)
	clients := manyClients(16) // one address has a quarter of the connections
	if status, err := m.ask(clients[0], http.MethodPut, address, `{"value":"kept"}`); err != nil || status != http.StatusOK {
		b.Fatal(status, err)
	}
	for b.Loop() {
		var mu sync.Mutex
		var took, ended, begins []time.Duration
		var failed atomic.Int64
		var asked sync.WaitGroup
		done := make(chan struct{})
		asked.Go(func() {
			n := 0
			for at, end := time.Now(), false; !end; at = at.Add(every) {
				n++
				client := clients[n%len(clients)]
				select {
				case <-done:
					end = true
				case <-time.After(time.Until(at)):
				}
				asked.Go(func() {
					status, err := m.ask(client, http.MethodGet, address, "")
					if err != nil || status != http.StatusOK {
						failed.Add(1)
						b.Errorf("a restart shows: %d %v", status, err)
					}
					mu.Lock()
					defer mu.Unlock()
					took = append(took, time.Since(at))
				})
			}
		})
		for range restarts {
			<-time.After(between)
			begun := time.Now()
			stop()
			over := time.Now()
			ended = append(ended, over.Sub(begun))
			stop = m.start("vaultferry.socket", socket)
			if status, err := m.ask(&http.Client{Timeout: startTimeout}, http.MethodGet, address, ""); err != nil || status != http.StatusOK {
				b.Errorf("after a restart: %d %v", status, err)
			}
			begins = append(begins, time.Since(over))
		}
		<-time.After(between)
		close(done)
		asked.Wait()
		slices.Sort(took)
		slices.Sort(ended)
		slices.Sort(begins)
		b.ReportMetric(ended[len(ended)/2].Seconds()*1e3, "stop-ms")
		b.ReportMetric(begins[len(begins)/2].Seconds()*1e3, "start-ms")
		at := func(share float64) float64 { return took[int(float64(len(took)-1)*share)].Seconds() * 1e3 }
		b.ReportMetric(float64(len(took)), "requests")
		b.ReportMetric(float64(failed.Load()), "failed")
		b.ReportMetric(at(.5), "p50-ms")
		b.ReportMetric(at(.99), "p99-ms")
		b.ReportMetric(at(1), "longest-ms")
	}
	stop()
}

// manyClients have an address each.
func manyClients(n int) (all []*http.Client) {
	for i := range n {
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}}
		all = append(all, &http.Client{Timeout: startTimeout, Transport: &http.Transport{DialContext: from.DialContext, MaxIdleConnsPerHost: 64}})
	}
	return all
}
