package fleet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends"
	rules "github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

// filled is a store in a database of its own, with a gateway over it.
type filled struct {
	*postgres.Store
	gateway *process
	n       int // secrets that it was filled with
	more    int // made since
	took    map[string][]time.Duration
	anon    float64 // MiB that the idle gateway holds for itself
}

func fill(b *testing.B, server *postgrestest.Server, database string, n int) *filled {
	b.Helper()
	server.Exec(b, "postgres", "CREATE DATABASE "+database)
	f := newFleet(b, 1, fmt.Sprintf("postgres, postgres: { dsn: %q }", server.DSN(database)))
	raw, err := os.ReadFile(filepath.Join(f.dir, "keyring.json"))
	must(b, err)
	keys, err := backup.ParseKeyring(raw)
	must(b, err)
	copyRows(b, server.DSN(database), keys, n)
	c := &postgres.Config{}
	c.SetDefaults()
	c.DSN = server.DSN(database)
	store, err := postgres.Open(b.Context(), backends.Env{Store: "fleet", Keys: keys}, c)
	must(b, err)
	b.Cleanup(func() { _ = store.Close() })
	s, ok := store.(*postgres.Store)
	if !ok {
		b.Fatalf("open returned a %T", store)
	}
	return &filled{Store: s, gateway: f.gateways[0], n: n, took: map[string][]time.Duration{}}
}

func manyName(i int) secret.Name { return secret.Name(fmt.Sprintf("n%07d", i)) }

// copyRows writes secrets with one version each, as the store seals them.
func copyRows(b *testing.B, dsn string, keys backends.KeyWrapper, n int) {
	b.Helper()
	ctx := b.Context()
	conn, err := pgx.Connect(ctx, dsn)
	must(b, err)
	defer func() { _ = conn.Close(ctx) }()
	var wrapped []byte
	must(b, conn.QueryRow(ctx, "SELECT key FROM vaultferry.store").Scan(&wrapped))
	sealer, err := sealed.OpenKey(keys, wrapped, "postgres", "fleet")
	must(b, err)
	versions := make([][]any, 0, 10000)
	for i := 0; i < n; {
		versions = versions[:0]
		secrets := make([][]any, 0, cap(versions))
		for ; i < n && len(secrets) < cap(secrets); i++ {
			name, batch := manyName(i), sealer.Batch()
			h := rules.NewHead(name)
			v := h.Append(&secret.Draft{Value: secret.TextValue("canary")}, secret.NewUID(), time.Now())
			attributes, value, err := batch.SealVersion(name, &v)
			must(b, err)
			head, err := batch.SealHead(h)
			must(b, err)
			secrets = append(secrets, []any{string(name), false, head})
			versions = append(versions, []any{string(name), int64(v.Ordinal), v.UID[:], attributes, value})
		}
		_, err = conn.CopyFrom(ctx, pgx.Identifier{"vaultferry", "secret"}, []string{"name", "deleted", "head"}, pgx.CopyFromRows(secrets))
		must(b, err)
		_, err = conn.CopyFrom(ctx, pgx.Identifier{"vaultferry", "version"}, []string{"name", "ordinal", "uid", "attributes", "value"}, pgx.CopyFromRows(versions))
		must(b, err)
	}
	_, err = conn.Exec(ctx, "VACUUM ANALYZE") // as autovacuum does in time
	must(b, err)
}

// usual is how many secrets clients ask for again and again, in either store: the caches of
// the gateway and of the database hold them.
const usual = 1000

// measure takes the times of each kind of call, one after the other.
func (f *filled) measure(b *testing.B) {
	b.Helper()
	deep := (f.n - usual) * 9 / 10
	draft := secret.Draft{Value: secret.TextValue("x")}
	list := func(after secret.Name) error {
		p, err := f.List(b.Context(), secret.Query{After: after, Limit: 25})
		if err == nil && len(p.Secrets) != 25 {
			err = fmt.Errorf("a page of %d", len(p.Secrets))
		}
		return err
	}
	for what, call := range map[string]func() error{
		"SET-new": func() error {
			f.more++
			_, err := f.Put(b.Context(), secret.Name(fmt.Sprint("m", f.more)), draft)
			return err
		},
		"SET": func() error { _, err := f.Put(b.Context(), manyName(deep+rand.IntN(usual)), draft); return err },
		"GET": func() error {
			_, err := f.Get(b.Context(), manyName(deep+rand.IntN(usual)), secret.Current)
			return err
		},
		"list-first": func() error { return list("") },
		"list-deep":  func() error { return list(manyName(deep)) },
	} {
		f.time(b, what, call)
	}
}

func (f *filled) time(b *testing.B, what string, call func() error) {
	b.Helper()
	begun := time.Now()
	for range 20 {
		must(b, call())
	}
	f.took[what] = append(f.took[what], time.Since(begun)/20)
}

// measureAny reads any of all secrets, which no cache holds where they are many.
func (f *filled) measureAny(b *testing.B) {
	b.Helper()
	f.time(b, "GET-any", func() error { _, err := f.Get(b.Context(), manyName(rand.IntN(f.n)), secret.Current); return err })
}

// restart takes the time from the start of the gateway until it serves, and what it
// holds then.
func (f *filled) restart(b *testing.B) {
	b.Helper()
	f.gateway.kill()
	begun := time.Now()
	must(b, f.gateway.start())
	f.took["start"] = append(f.took["start"], time.Since(begun))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.gateway.cmd.Process.Pid))
	must(b, err)
	for _, line := range strings.Split(string(status), "\n") {
		if _, err := fmt.Sscanf(line, "RssAnon: %f", &f.anon); err == nil {
			f.anon /= 1024
			return
		}
	}
}

// BenchmarkMany compares a store of a million secrets with one of a thousand, in one
// run: what writes, reads, lists and starts take, as the ratio of the medians, and what
// an idle gateway holds.
func BenchmarkMany(b *testing.B) {
	server := postgrestest.Start(b, postgrestest.Options{Settings: []string{"max_wal_size = 4GB"}})
	few, many := fill(b, server, "few", usual), fill(b, server, "many", 1_000_000)
	for _, f := range []*filled{few, many} {
		f.measure(b) // statements are prepared, pages are read once
		f.took = map[string][]time.Duration{}
	}
	for b.Loop() {
		for range 40 {
			few.measure(b)
			many.measure(b)
		}
		for range 40 {
			few.measureAny(b)
			many.measureAny(b)
		}
		for range 10 {
			few.restart(b)
			many.restart(b)
		}
		for what, took := range many.took {
			b.ReportMetric(float64(middle(took))/float64(middle(few.took[what])), what+"-ratio")
		}
		b.ReportMetric(many.anon/few.anon, "idle-ratio")
		b.ReportMetric(many.anon, "idle-MiB")
	}
	b.ReportMetric(0, "ns/op")
}

func middle(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}
