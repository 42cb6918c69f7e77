package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/control"
)

// reloaded is a gateway of its own process whose configuration changes again and
// again.
type reloaded struct {
	t       testing.TB
	dir     string
	url     string
	token   string
	client  *http.Client
	control *control.Client
}

func newReloaded(t testing.TB) *reloaded {
	t.Helper()
	r := &reloaded{t: t, dir: filepath.Join(t.TempDir(), "gw"), token: randomText()}
	a, _, errOut := testApp(nil)
	if code := a.run(t.Context(), []string{"init", r.dir}); code != exitDone {
		t.Fatal(errOut)
	}
	r.configure(0)
	cmd := exec.CommandContext(context.Background(), "vaultferry", "serve", "--address", "127.0.0.1:0")
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "VAULTFERRY_ADMIN_ADDRESS=127.0.0.1:0")
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway: %v", err)
		}
	})
	address := ""
	lines := bufio.NewScanner(said)
	for address == "" && lines.Scan() {
		if m := regexp.MustCompile(`msg=serving address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	r.connect(address)
	return r
}

func (r *reloaded) connect(address string) {
	r.t.Helper()
	r.dial(address)
	var err error
	if r.control, err = control.Connect(r.t.Context(), filepath.Join(r.dir, "vaultferry.sock")); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = r.control.Close() })
	if status, err := r.ask(http.MethodPut, `{"value":"kept"}`); err != nil || status != http.StatusOK {
		r.t.Fatalf("%d %v", status, err)
	}
}

// dial has requests go to the address.
func (r *reloaded) dial(address string) {
	r.t.Helper()
	pem, err := os.ReadFile(filepath.Join(r.dir, caFile))
	if err != nil {
		r.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.url = "https://main.vault.localhost:" + port + "/secrets/one?api-version=7.4"
	r.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
	r.t.Cleanup(r.client.CloseIdleConnections)
}

// configure writes the n-th configuration: callers, the policy and a store come and
// go.
func (r *reloaded) configure(n int) {
	r.t.Helper()
	text := fmt.Sprintf(`server: { tls: { cert_file: cert.pem, key_file: key.pem } }
stores: [ { name: main, backend: memory }, { name: "extra-%d", backend: memory } ]
dialects: { azure: { routes: [ { host: main.vault.localhost, store: main }, { host: extra.vault.localhost, store: "extra-%d" } ] } }
callers:
  - { name: app, tokens: [ { sha256: "%x" } ] }
  - { name: "guest-%d", tokens: [ { sha256: "%x" } ] }
policy:
  - { callers: [app], allow: ["*"], stores: ["*"], names: ["*"] }
  - { callers: ["guest-%d"], allow: [get], stores: [main], names: ["public-%d-*"] }
`, n%2, n%2, sha256.Sum256([]byte(r.token)), n, sha256.Sum256(fmt.Append(nil, "guest", n)), n, n)
	file := filepath.Join(r.dir, "vaultferry.yaml")
	if err := writeFile(file, []byte(text), true); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reloaded) reload(n int) {
	r.t.Helper()
	r.configure(n)
	a, _, _ := testApp(nil)
	done, err := r.control.Reload(r.t.Context(), a.call("reload"))
	if err != nil || len(done.Changed) < 4 || nothingTaken(done) {
		r.t.Fatalf("reload %d: %+v %v", n, done, err)
	}
}

func (r *reloaded) ask(method, body string) (int, error) {
	q, err := http.NewRequestWithContext(r.t.Context(), method, r.url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := r.client.Do(q)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, err
}

// load asks from so many clients at once until stop is closed, each with a pause
// between two requests, and returns how long each took. It calls served after each.
func (r *reloaded) load(clients int, pause time.Duration, stop <-chan struct{}, served func()) (took []time.Duration) {
	var mu sync.Mutex
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			var mine []time.Duration
			tick := time.NewTicker(max(pause, time.Microsecond))
			defer tick.Stop()
			for {
				select {
				case <-stop:
					mu.Lock()
					took = append(took, mine...)
					mu.Unlock()
					return
				case <-tick.C:
				}
				start := time.Now()
				status, err := r.ask(http.MethodGet, "")
				mine = append(mine, time.Since(start))
				if err != nil || status != http.StatusOK {
					r.t.Errorf("a request was lost: %d %v", status, err)
				}
				served()
			}
		})
	}
	running.Wait()
	return took
}

// TestReloadsLoseNothing: while the configuration changes, each request is served.
func TestReloadsLoseNothing(t *testing.T) {
	t.Parallel()
	r := newReloaded(t)
	stop, more := make(chan struct{}), make(chan struct{}, 1)
	var asking sync.WaitGroup
	var asked atomic.Int64
	asking.Go(func() {
		r.load(4, 0, stop, func() {
			asked.Add(1)
			select {
			case more <- struct{}{}:
			default:
			}
		})
	})
	for n := range 60 {
		for until := asked.Load() + 4; asked.Load() < until; { // however busy the machine is, each is met by some
			<-more
		}
		r.reload(n + 1)
	}
	close(stop)
	asking.Wait()
}

// BenchmarkReloadsUnderLoad: what 1,000 reloads cost those who are served: at most 5
// per cent of the usual time, and 50 ms of the worst one.
func BenchmarkReloadsUnderLoad(b *testing.B) {
	r := newReloaded(b)
	const rounds, perRound, every, clients, pause = 10, 100, 20 * time.Millisecond, 8, 4 * time.Millisecond
	n := 0
	for b.Loop() {
		var without, with []time.Duration
		for range rounds {
			stop := make(chan struct{})
			time.AfterFunc(perRound*every, func() { close(stop) })
			without = append(without, r.load(clients, pause, stop, func() {})...)
			stop = make(chan struct{})
			go func() {
				defer close(stop)
				tick := time.NewTicker(every)
				defer tick.Stop()
				for range perRound {
					n++
					r.reload(n)
					<-tick.C
				}
			}()
			with = append(with, r.load(clients, pause, stop, func() {})...)
		}
		slices.Sort(without)
		slices.Sort(with)
		at := func(all []time.Duration, share float64) time.Duration { return all[int(float64(len(all)-1)*share)] }
		b.ReportMetric(float64(at(with, .5))/float64(at(without, .5)), "p50-ratio")
		b.ReportMetric(float64(at(with, .999)-at(without, .999))/float64(time.Millisecond), "p99.9-ms-above")
		b.ReportMetric(float64(at(without, .5))/float64(time.Millisecond), "p50-ms")
		b.ReportMetric(float64(at(without, .999))/float64(time.Millisecond), "p99.9-ms")
		b.ReportMetric(float64(len(with)), "requests")
	}
}
