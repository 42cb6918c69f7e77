package attack

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

var soakFor = flag.Duration("soak", 5*time.Second, "how long TestSoak runs; `make soak` runs ten minutes")

// soak is a gateway before a Vault that fails now and then, and what its
// clients were told.
type soak struct {
	*target
	proxy *faultproxy.Proxy
	until time.Time
	seen  atomic.Bool // often enough to be judged

	calls, failed, refused, hostile, faults atomic.Int64
	mu                                      sync.Mutex
	answered                                map[string]bool // request ids of calls by proved callers
}

// TestSoak: under a mixed load through both APIs, of which one call in a hundred
// is hostile, with a product that fails, and an audit that rotates, the gateway
// stays as large as it is; each answered call has its line; and the audit is
// whole.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := newSoak(t)
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() { s.azureWorker(t, w) })
		all.Go(func() { s.huaweiWorker(t, w) })
	}
	all.Go(func() { s.fail(t) })
	sizes := s.watch(t)
	all.Wait()
	t.Logf("%d calls, of which %d failed and %d were refused, %d hostile ones, %d faults of the product",
		s.calls.Load(), s.failed.Load(), s.refused.Load(), s.hostile.Load(), s.faults.Load())
	if n := s.failed.Load() + s.refused.Load(); n > s.calls.Load()/20+20 {
		t.Errorf("%d of %d calls came to nothing", n, s.calls.Load())
	}
	sizes.judge(t)
	eventually(t, "the audit rotates", func() bool { return len(s.auditFiles(t)) > 1 })
	s.end(syscall.SIGTERM)
	s.verifies(t, true)
	s.linesAreThere(t)
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	server := vaulttest.Start(t)
	host := server.Address[len("http://"):]
	upstream := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(upstream.CloseIdleConnections)
	s := &soak{proxy: faultproxy.Start(t, faultproxy.Options{Scheme: "http", Host: host, Upstream: upstream, Aside: vaulttest.KeepsToken}), answered: map[string]bool{}}
	vault := fmt.Sprintf("{ name: vault, backend: hashivault, timeout: 3s, on_loss: accept, hashivault: { address: %q, mount: %q, token: { env: VAULT_TOKEN } } }",
		s.proxy.URL, server.NewMount(t))
	s.target = start(t, extra{
		Store: vault, More: "audit: { max_size: 1MiB }\n",
		Azure: ", { host: vault.vault.localhost, store: vault }", Huawei: `      - { project: "` + third + `", name: vault, store: vault }`,
	})
	s.until = time.Now().Add(*soakFor)
	return s
}

// third is the project that leads to the store which fails.
const third = "33333333333333333333333333333333"

// over is not before the gateway was looked at as often as is asked for, however
// long that takes.
func (s *soak) over() bool { return s.seen.Load() && !time.Now().Before(s.until) }

// tell sends a request of an honest client, and remembers what it was told.
func (s *soak) tell(t *testing.T, client *http.Client, r *http.Request) (code int, body []byte) {
	t.Helper()
	s.calls.Add(1)
	resp, err := client.Do(r)
	if err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	id := resp.Header.Get("X-Ms-Request-Id") + resp.Header.Get("X-Request-Id")
	switch {
	case resp.StatusCode == http.StatusUnauthorized || id == "":
		t.Errorf("%s %s: %d %.200s", r.Method, r.URL.Path, resp.StatusCode, body)
	case resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests:
		s.failed.Add(1)
	case resp.StatusCode >= http.StatusBadRequest: // what a fault left behind
		s.refused.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered[id] = true
	return resp.StatusCode, body
}

// azureWorker moves secrets through their lives, as the SDKs' requests do.
func (s *soak) azureWorker(t *testing.T, w int) {
	client := s.from(t, honest)
	host := []string{vaultHost, "vault.vault.localhost"}[w%2]
	for i := 0; !s.over(); i++ {
		path := fmt.Sprintf("/secrets/soak-%d-%d", w, i%20)
		ask := func(method, path string, body any) []byte {
			var sent io.Reader = http.NoBody
			switch b := body.(type) {
			case string:
				sent = bytes.NewReader([]byte(b))
			case []byte:
				sent = bytes.NewReader(b)
			}
			_, answer := s.tell(t, client, s.at(t, host, method, path, appToken, sent))
			s.attackAtTimes(t, client)
			return answer
		}
		gone := "/deleted" + path[1:]
		for range 3 {
			ask("PUT", path, `{"value":"a value of some length","tags":{"a":"b"}}`)
			ask("GET", path, nil)
		}
		ask("PATCH", path, `{"attributes":{"enabled":true}}`)
		ask("GET", "/secrets", nil)
		ask("GET", path+"/versions", nil)
		blob := ask("POST", path+"/backup", nil)
		ask("DELETE", path, nil)
		ask("GET", gone, nil)
		ask("POST", gone+"/recover", nil)
		ask("DELETE", path, nil)
		ask("DELETE", gone, nil)
		ask("POST", "/secrets/restore", blob)
		ask("DELETE", path, nil)
		ask("DELETE", gone, nil)
	}
}

// huaweiWorker is the same in the other API.
func (s *soak) huaweiWorker(t *testing.T, w int) {
	client := s.from(t, honest)
	at := "/v1/" + []string{project, third}[w%2]
	for i := 0; !s.over(); i++ {
		name := fmt.Sprintf("soak-h-%d-%d", w, i%20)
		ask := func(method, path, body string) []byte {
			_, answer := s.tell(t, client, s.request(t, call{method: method, path: at + path, body: body, claim: i%2 == 0}))
			s.attackAtTimes(t, client)
			return answer
		}
		ask("POST", "/secrets", secretBody(name, "a value of some length"))
		for range 3 {
			ask("POST", "/secrets/"+name+"/versions", `{"secret_string":"another"}`)
			ask("GET", "/secrets/"+name+"/versions/latest", "")
		}
		ask("GET", "/secrets", "")
		ask("PUT", "/secrets/"+name, `{"description":"d"}`)
		blob := ask("POST", "/secrets/"+name+"/backup", "")
		ask("DELETE", "/secrets/"+name, "")
		ask("POST", "/secrets/restore", string(blob))
		ask("DELETE", "/secrets/"+name, "")
	}
}

// attackAtTimes is one call in a hundred.
func (s *soak) attackAtTimes(t *testing.T, client *http.Client) {
	t.Helper()
	if rand.IntN(100) > 0 {
		return
	}
	s.hostile.Add(1)
	want := http.StatusUnauthorized
	var r *http.Request
	switch rand.IntN(5) {
	case 0:
		r = s.azure(t, "GET", "/secrets/n", "nobody's", http.NoBody)
	case 1:
		r = s.request(t, call{method: "POST", path: "/secrets", body: secretBody("n", "v"), sk: "wrong", key: appKey})
	case 2:
		r, want = s.azure(t, "GET", "/secrets/soak-0-1", guestToken, http.NoBody), http.StatusForbidden
	case 3:
		r, want = s.azure(t, "POST", "/secrets/restore", appToken, bytes.NewReader([]byte(`{"value":"AAAA"}`))), http.StatusBadRequest
	case 4:
		c := s.raw(t, hostile) // and never another byte
		_, _ = io.WriteString(c, forged("/secrets", 1<<20)+"x")
		time.AfterFunc(min(10*time.Second, time.Until(s.until)), func() { _ = c.Close() })
		return
	}
	if code, body := do(t, client, r); code != want && code != http.StatusTooManyRequests {
		t.Errorf("hostile: %d %s, want %d", code, body, want)
	}
}

// fail has one request after the other meet a fault.
func (s *soak) fail(t *testing.T) {
	faults := faultproxy.Faults()
	for !s.over() {
		met := s.proxy.Arm(faults[rand.IntN(len(faults))], func(*http.Request) bool { return true }, 1+rand.IntN(300))
		select {
		case <-met.Began:
			<-met.Settled
			s.faults.Add(1)
		case <-time.After(5 * time.Second):
		case <-t.Context().Done():
			return
		}
	}
	s.proxy.Disarm()
}

// sizes are the gateway's, one after the other.
type sizes struct{ memory, goroutines, files []float64 }

// rotateEvery is after how many samples another file of the audit is asked for.
const rotateEvery = 20

// watch samples until the end, and asks for other files of the audit.
func (s *soak) watch(t *testing.T) *sizes {
	t.Helper()
	all := &sizes{}
	tick := time.NewTicker(max(*soakFor/200, time.Second/4))
	defer tick.Stop()
	defer s.seen.Store(true)
	for n := 1; !s.over(); n++ {
		<-tick.C
		all.memory = append(all.memory, s.memory(t))
		all.goroutines = append(all.goroutines, s.metric(t, "go_goroutines"))
		all.files = append(all.files, s.metric(t, "process_open_fds"))
		if n%rotateEvery == 0 {
			must(t, syscall.Kill(s.pid, syscall.SIGHUP))
			s.seen.Store(true)
		}
	}
	return all
}

// judge compares the last third with the one before, by their medians.
func (a *sizes) judge(t *testing.T) {
	t.Helper()
	for what, c := range map[string]struct {
		sizes []float64
		more  float64 // that may be
	}{"MB of memory": {a.memory, 15}, "goroutines": {a.goroutines, 60}, "open files": {a.files, 60}} {
		n := len(c.sizes) / 3
		before, after := median(c.sizes[n:2*n]), median(c.sizes[2*n:])
		t.Logf("%s: %.0f, then %.0f", what, before, after)
		if after > before*1.15+c.more {
			t.Errorf("%s grow from %.0f to %.0f", what, before, after)
		}
	}
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

func (s *soak) auditFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "audit*.jsonl"))
	must(t, err)
	return files
}

// linesAreThere wants an outcome in the audit for every answered call.
func (s *soak) linesAreThere(t *testing.T) {
	t.Helper()
	files, lines := s.auditFiles(t), 0
	for _, name := range files {
		f, err := os.Open(name)
		must(t, err)
		for in := bufio.NewScanner(f); in.Scan(); lines++ {
			_, rest, _ := bytes.Cut(in.Bytes(), []byte(`"request_id":"`))
			id, _, _ := bytes.Cut(rest, []byte(`"`))
			if bytes.Contains(in.Bytes(), []byte(`"phase":"outcome"`)) {
				delete(s.answered, string(id))
			}
		}
		must(t, f.Close())
	}
	t.Logf("%d lines in %d files", lines, len(files))
	for id := range s.answered {
		t.Errorf("call %s was answered, and no line tells of it", id)
	}
}
