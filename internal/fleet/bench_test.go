package fleet

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/vaultferry/vaultferry/internal/freeport"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
)

// bareVariable has the test binary serve a bare handler over a database.
const bareVariable = "FLEET_BARE"

// What a bare handler does in one statement: it reads the row that the gateway
// reads, and commits the rows that the gateway commits.
const (
	bareTables = `CREATE SCHEMA bare; CREATE TABLE bare.secret (name text COLLATE "C" PRIMARY KEY, deleted boolean NOT NULL, head bytea NOT NULL) WITH (fillfactor = 70);
CREATE TABLE bare.version (name text COLLATE "C" NOT NULL, ordinal bigint NOT NULL, uid bytea NOT NULL, attributes bytea NOT NULL, value bytea, PRIMARY KEY (name, ordinal), UNIQUE (name, uid));
CREATE TABLE bare.operation (id bytea PRIMARY KEY, uid bytea NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())`
	bareGet = `SELECT s.head, v.ordinal, v.uid, v.attributes, v.value FROM bare.secret s LEFT JOIN LATERAL
(SELECT ordinal, uid, attributes, value FROM bare.version WHERE name = s.name ORDER BY ordinal DESC LIMIT 1) v ON true WHERE s.name = $1`
	bareSet = `WITH h AS (INSERT INTO bare.secret VALUES ($1, false, $2) ON CONFLICT (name) DO UPDATE SET head = excluded.head),
v AS (INSERT INTO bare.version SELECT $1, coalesce(max(ordinal), 0) + 1, $3::bytea, $2, $2 FROM bare.version WHERE name = $1)
INSERT INTO bare.operation (id, uid) VALUES ($3, $3)`
)

// serveBare never returns.
func serveBare(dsn string) error {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	c.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		return err
	}
	record := bytes.Repeat([]byte("x"), 200)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/secrets/")
		var head, uid, attributes, value []byte
		var ordinal int64
		if r.Method == http.MethodPut {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			id := make([]byte, 16)
			_, _ = rand.Read(id)
			_, err = pool.Exec(r.Context(), bareSet, name, record, id)
		} else {
			err = pool.QueryRow(r.Context(), bareGet, name).Scan(&head, &ordinal, &uid, &attributes, &value)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(value)
	})
	l, err := net.Listen("tcp", os.Getenv(bareVariable+"_ADDRESS"))
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "msg=serving")
	dir := os.Getenv(bareVariable + "_DIR")
	return http.ServeTLS(l, nil, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
}

// BenchmarkSpeed prints, side by side in one run, how the gateway over PostgreSQL
// compares with a bare handler, each on one processor: requests a second at the
// number of connections that saturates it.
func BenchmarkSpeed(b *testing.B) {
	home, err := os.MkdirTemp("", "pgspeed") // the disk that the gateway's audit is on
	must(b, err)
	server := postgrestest.Start(b, postgrestest.Options{Home: home})
	f := newFleet(b, 1, fmt.Sprintf("postgres, postgres: { dsn: %q }", server.DSN("postgres")), "taskset", "-c", "0")
	must(b, server.Run("postgres", strings.Split(bareTables, ";")...))
	bare := &process{file: os.Args[0], wrap: []string{"taskset", "-c", "0"}, dir: f.dir, address: freeport.Keep(b), env: []string{
		bareVariable + "=" + server.DSN("postgres"), bareVariable + "_DIR=" + f.dir,
	}}
	bare.env = append(bare.env, bareVariable+"_ADDRESS="+bare.address)
	must(b, bare.start())
	b.Cleanup(bare.kill)
	hosts := map[string]*loader{"gateway": f.loader(b, f.gateways[0].address), "bare": f.loader(b, bare.address)}
	for _, l := range hosts {
		l.warm(b)
	}
	for b.Loop() {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			best := map[string]float64{}
			for _, connections := range []int{4, 16, mostConnections} {
				for name, l := range hosts {
					best[name] = max(best[name], l.run(b, method, connections, time.Second))
				}
			}
			b.ReportMetric(best["gateway"], method+"/s")
			b.ReportMetric(best["gateway"]/best["bare"], method+"-ratio")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// loader asks one address for one secret after the other.
type loader struct {
	client *http.Client
	base   string
}

func (f *fleet) loader(t testing.TB, address string) *loader {
	t.Helper()
	_, port, _ := net.SplitHostPort(address)
	return &loader{&http.Client{Transport: f.steady(t, address)}, "https://" + storeHost + ":" + port + "/secrets/"}
}

// ask makes one request, about the secret of one connection.
func (l *loader) ask(ctx context.Context, method string, c int, value string) error {
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("%sbench-%d?api-version=7.4", l.base, c), strings.NewReader(`{"value":"`+value+`"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", l.base, resp.Status, said)
	}
	return err
}

// mostConnections is how many a loader has.
const mostConnections = 48

// warm makes the secrets.
func (l *loader) warm(t testing.TB) {
	t.Helper()
	for c := range mostConnections {
		must(t, l.ask(t.Context(), http.MethodPut, c, "warm"))
	}
}

// run returns how many requests a second were answered.
func (l *loader) run(t testing.TB, method string, connections int, d time.Duration) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var answered, failed atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for c := range connections {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				switch err := l.ask(ctx, method, c, fmt.Sprintf("%d.%d.%d", begun.UnixNano(), c, i)); {
				case err == nil:
					answered.Add(1)
				case ctx.Err() == nil && failed.Add(1) == 1:
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	return float64(answered.Load()) / time.Since(begun).Seconds()
}

// BenchmarkScale: with the database ten milliseconds away and 16 calls at once at
// each gateway, three do several times what one does.
func BenchmarkScale(b *testing.B) {
	server := postgrestest.Start(b, postgrestest.Options{})
	proxy := server.NewProxy(b, 10*time.Millisecond)
	f := newFleet(b, 3, fmt.Sprintf("postgres, concurrency: 16, postgres: { dsn: %q }", server.DSN("postgres")))
	for _, g := range f.gateways {
		g.kill()
		config, err := os.ReadFile(g.config())
		must(b, err)
		must(b, os.WriteFile(g.config(), bytes.ReplaceAll(config, []byte("host="+server.Socket+" "), []byte("host="+proxy.Dir+" ")), 0o600))
		must(b, g.start())
	}
	var loaders []*loader
	for _, g := range f.gateways {
		loaders = append(loaders, f.loader(b, g.address))
		loaders[len(loaders)-1].warm(b)
	}
	together := func(of []*loader) (sum float64) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, l := range of {
			all.Go(func() {
				n := l.run(b, http.MethodGet, 32, 2*time.Second)
				mu.Lock()
				defer mu.Unlock()
				sum += n
			})
		}
		all.Wait()
		return sum
	}
	for b.Loop() {
		one, three := together(loaders[:1]), together(loaders)
		b.ReportMetric(one, "one/s")
		b.ReportMetric(three, "three/s")
		b.ReportMetric(three/one, "three-ratio")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdle: what a gateway holds that has nothing to do, in memory that is resident:
// of the program's file, which the system has in its cache, and of its own. At first as it
// has started, then as it has given back what the start needed.
func BenchmarkIdle(b *testing.B) {
	server := postgrestest.Start(b, postgrestest.Options{})
	f := newFleet(b, 1, fmt.Sprintf("postgres, postgres: { dsn: %q }", server.DSN("postgres")))
	started := residentMiB(b, f.gateways[0].cmd.Process.Pid)
	for b.Loop() {
		now := started
		for look, n := time.NewTicker(time.Second), 0; now["RssFile"] >= started["RssFile"]; n++ {
			if n > 60 {
				b.Fatal("it gives nothing back")
			}
			<-look.C
			now = residentMiB(b, f.gateways[0].cmd.Process.Pid)
		}
		for of, name := range map[string]string{"RssFile": "program", "RssAnon": "made", "VmRSS": "all"} {
			b.ReportMetric(started[of], name+"-started-MiB")
			b.ReportMetric(now[of], name+"-MiB")
		}
	}
	b.ReportMetric(0, "ns/op")
}

func residentMiB(b *testing.B, pid int) map[string]float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(b, err)
	out := map[string]float64{}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if name, rest, _ := strings.Cut(line, ":"); strings.HasSuffix(line, " kB\n") {
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				out[name] = kib / 1024
			}
		}
	}
	return out
}
