package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
)

const (
	traceSlices   = 60
	traceSlice    = 300 * time.Millisecond
	traceConns    = 8
	samplePercent = 10
	// traceClientEnv is the token of the client process; without it BenchmarkTraceClient
	// does nothing.
	traceClientEnv = "TRACES_TOKEN"
)

const traceConfig = `
server: { address: "127.0.0.1:0", tls: { off: true } }
admin: { address: "" }
control: { socket: "" }
keyring: { file: ../keyring.json }
audit: { file: audit.jsonl }
stores: [ { name: main, backend: memory } ]
dialects:
  azure: { authority: "https://login.vault.localhost/adfs", routes: [ { host: main.vault.localhost, store: main } ] }
  huawei: { routes: [ { project: "0123456789abcdef0123456789abcdef", store: main } ] }
login: { host: login.vault.localhost }
callers: [ { name: bench, tokens: [ { file: ../token } ], client: { id: bench, secret: { file: ../token } } } ]
policy: [ { callers: [bench], allow: ["*"], stores: ["*"], names: ["*"] } ]
`

// BenchmarkTraces prints what traces of a tenth of the requests cost a GET: the
// processor time of a gateway that sends them, to that of one that sends none. The
// goal is 1.05. A second one that sends none tells what the figure is worth: 1.00.
//
// All of them are in this process, on one core, and take turns of a third of a second,
// so that what disturbs one disturbs all. The client is another process. What a turn
// leaves to be sent is sent in the next turn of the same gateway.
func BenchmarkTraces(b *testing.B) {
	var sent atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		sent.Add(n)
	}))
	defer collector.Close()
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(1))
	dir, token := b.TempDir(), rand.Text()+rand.Text()
	if err := errors.Join(backup.NewKeyring().Create(filepath.Join(dir, "keyring.json")), os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600)); err != nil {
		b.Fatal(err)
	}
	kinds := []string{"off", "on", "off again"}
	var addresses []string
	for i, kind := range kinds {
		text := traceConfig
		if kind == "on" {
			text += fmt.Sprintf("traces: { endpoint: %q, sample_percent: %d }\n", collector.URL+"/v1/traces", samplePercent)
		}
		addresses = append(addresses, serveHere(b, filepath.Join(dir, strconv.Itoa(i)), text))
	}
	client := startTraceClient(b, token, addresses)
	for b.Loop() {
		work := make([][]float64, len(kinds))
		for slice := range traceSlices + 1 {
			for j := range kinds {
				i := (slice + j) % len(kinds)
				before := processorTime()
				n := client.turn(b, i)
				if used := processorTime() - before; slice > 0 { // the first one warms up
					work[i] = append(work[i], float64(used.Nanoseconds())/1e3/float64(n))
				}
			}
		}
		middle := func(f []float64) float64 { f = slices.Clone(f); slices.Sort(f); return f[len(f)/2] }
		ratio := func(i int) float64 { // of each round, for a machine that others use drifts within a run
			var all []float64
			for slice, w := range work[i] {
				all = append(all, w/work[0][slice])
			}
			return middle(all)
		}
		fmt.Fprintf(os.Stdout, "\n%-28s %10s %8s\n", "traces of a GET", "us/request", "of off")
		for i, kind := range kinds {
			fmt.Fprintf(os.Stdout, "%-28s %10.2f %8.3f\n", kind, middle(work[i]), ratio(i))
		}
		b.ReportMetric(ratio(1), "on-of-off")
		b.ReportMetric(ratio(2), "off-of-off")
	}
	if sent.Load() == 0 {
		b.Error("no trace was sent")
	}
}

// serveHere starts a gateway in this process, which ends with b.
func serveHere(b *testing.B, dir, config string) (address string) {
	b.Helper()
	file := filepath.Join(dir, "vaultferry.yaml")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, []byte(config), 0o600)); err != nil {
		b.Fatal(err)
	}
	h := &heard{serving: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- (&app{out: io.Discard, errOut: h, now: time.Now, configFile: file}).serve(ctx, "", nil)
	}()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	select {
	case <-h.serving:
	case err := <-ended:
		b.Fatalf("%v: %s", err, h)
	}
	return regexp.MustCompile(`msg=serving address=(\S+)`).FindStringSubmatch(h.String())[1]
}

// traceClient is a process that asks.
type traceClient struct {
	in  io.Writer
	out *bufio.Scanner
}

func startTraceClient(b *testing.B, token string, addresses []string) *traceClient {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkTraceClient$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), traceClientEnv+"="+token, "TRACES_ADDRESSES="+strings.Join(addresses, " "))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close() // which ends it
		_ = cmd.Wait()
	})
	return &traceClient{in, bufio.NewScanner(out)}
}

// turn has the client ask gateway i for the length of a turn, and returns how many
// answers it got.
func (c *traceClient) turn(b *testing.B, i int) int64 {
	b.Helper()
	if _, err := fmt.Fprintln(c.in, i); err != nil {
		b.Fatal(err)
	}
	for c.out.Scan() {
		if said, ok := strings.CutPrefix(c.out.Text(), "answers: "); ok {
			n, err := strconv.ParseInt(said, 10, 64)
			if err != nil || n == 0 {
				b.Fatal(n, err)
			}
			return n
		}
	}
	b.Fatal("the client has ended")
	return 0
}

// BenchmarkTraceClient is the process of traceClient.
func BenchmarkTraceClient(b *testing.B) {
	token := os.Getenv(traceClientEnv)
	if token == "" {
		b.Skip("a part of BenchmarkTraces")
	}
	message := func(method, body string) []byte {
		return fmt.Appendf(nil, "%s /secrets/bench?api-version=7.6 HTTP/1.1\r\nHost: main.vault.localhost\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, token, len(body), body)
	}
	var all [][]*asking
	for address := range strings.FieldsSeq(os.Getenv("TRACES_ADDRESSES")) {
		var conns []*asking
		for range traceConns {
			conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			conns = append(conns, &asking{conn, bufio.NewReader(conn)})
		}
		if err := conns[0].exchange(message("PUT", `{"value":"a value of some length, as passwords are"}`)); err != nil {
			b.Fatal(err)
		}
		all = append(all, conns)
	}
	get := message("GET", "")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		i, err := strconv.Atoi(lines.Text())
		if err != nil {
			b.Fatal(err)
		}
		var n atomic.Int64
		var asked sync.WaitGroup
		end := time.Now().Add(traceSlice)
		for _, c := range all[i] {
			asked.Go(func() {
				for time.Now().Before(end) {
					if err := c.exchange(get); err != nil {
						b.Error(err)
						return
					}
					n.Add(1)
				}
			})
		}
		asked.Wait()
		fmt.Fprintf(os.Stdout, "\nanswers: %d\n", n.Load())
	}
}

// asking is a connection of the client's, which is frugal.
type asking struct {
	net.Conn
	in *bufio.Reader
}

func (c *asking) exchange(message []byte) error {
	if _, err := c.Write(message); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("answered %q", line)
		case len(line) == 2:
			_, err := c.in.Discard(length)
			return err
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(string(v))); err != nil {
				return err
			}
		}
	}
}
