package postgres_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkImport compares the import of 500 versions with COPY of the very rows that
// it makes, into tables like those that it makes them in, in one transaction.
func BenchmarkImport(b *testing.B) {
	home, err := os.MkdirTemp("", "pgspeed") // with syncs, as in earnest
	if err != nil {
		b.Fatal(err)
	}
	server := postgrestest.Start(b, postgrestest.Options{Home: home})
	s := newPlaceAt(b, server, "postgres").made(b).open(b)
	server.Exec(b, "postgres", "CREATE SCHEMA bare", "CREATE TABLE bare.secret (LIKE vaultferry.secret INCLUDING ALL)", "CREATE TABLE bare.version (LIKE vaultferry.version INCLUDING ALL)")
	in := &secret.Secret{Current: 500}
	for o := range secret.Ordinal(500) {
		in.Versions = append(in.Versions, secret.Version{Ordinal: o + 1, UID: secret.NewUID(), Value: secret.TextValue(strings.Repeat("v", 100)), Created: time.Now(), Updated: time.Now()})
	}
	conn, err := pgx.Connect(b.Context(), server.DSN("postgres"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	imported := func(name secret.Name) time.Duration {
		in.Name = name
		begun := time.Now()
		if _, err := s.Import(b.Context(), in, ""); err != nil {
			b.Fatal(err)
		}
		return time.Since(begun)
	}
	imported("s0")
	var head []byte
	if err := conn.QueryRow(b.Context(), "SELECT head FROM vaultferry.secret WHERE name = 's0'").Scan(&head); err != nil {
		b.Fatal(err)
	}
	rows, err := conn.Query(b.Context(), "SELECT name, ordinal, uid, attributes, value FROM vaultferry.version WHERE name = 's0' ORDER BY ordinal")
	if err != nil {
		b.Fatal(err)
	}
	made, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) ([]any, error) { return r.Values() })
	if err != nil || len(made) != len(in.Versions) {
		b.Fatal(len(made), err)
	}
	copied := func(name string) time.Duration {
		for _, row := range made {
			row[0] = name
		}
		begun := time.Now()
		err := pgx.BeginFunc(b.Context(), conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(b.Context(), "INSERT INTO bare.secret VALUES ($1, false, $2)", name, head); err != nil {
				return err
			}
			_, err := tx.CopyFrom(b.Context(), pgx.Identifier{"bare", "version"}, []string{"name", "ordinal", "uid", "attributes", "value"}, pgx.CopyFromRows(made))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		return time.Since(begun)
	}
	ballast := make([]byte, 16<<20) // as the gateway has
	defer runtime.KeepAlive(ballast)
	var ours, bare []time.Duration
	n := 0
	for b.Loop() {
		for range 50 {
			n++
			ours = append(ours, imported(secret.Name(fmt.Sprint("s", n))))
			bare = append(bare, copied(fmt.Sprint("s", n)))
		}
	}
	b.ReportMetric(float64(median(ours).Microseconds()), "import-µs")
	b.ReportMetric(float64(median(ours))/float64(median(bare)), "copy-ratio")
	b.ReportMetric(0, "ns/op")
}

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}
