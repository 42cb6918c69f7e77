package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/secret"
)

// TestEnvironment: variables and files of libpq's, which are there for others, change
// nothing, and what a DSN leaves to them is refused.
func TestEnvironment(t *testing.T) {
	server := startSecured(t)
	p := server.place(t).made(t)
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".postgresql"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"root.crt", "postgresql.crt", "postgresql.key"} {
		write(t, filepath.Join(home, ".postgresql", name), []byte("no certificate"))
	}
	for name, value := range map[string]string{
		"HOME": home, "PGHOST": "nowhere.invalid", "PGPORT": "1", "PGDATABASE": "other", "PGUSER": "other", "PGPASSWORD": "other",
		"PGOPTIONS": "-c synchronous_commit=off", "PGTZ": "nowhere", "PGAPPNAME": "other", "PGSSLMODE": "disable", "PGSSLROOTCERT": server.other,
		"PGSSLCERT": "absent", "PGSSLKEY": "absent", "PGSSLCERTMODE": "wrong", "PGSSLNEGOTIATION": "direct", "PGSSLSNI": "0",
		"PGTARGETSESSIONATTRS": "standby", "PGREQUIREAUTH": "none", "PGCHANNELBINDING": "wrong", "PGCONNECT_TIMEOUT": "wrong",
		"PGMINPROTOCOLVERSION": "9", "PGMAXPROTOCOLVERSION": "9", "PGPASSFILE": "absent", "PGSERVICEFILE": "absent",
	} {
		t.Setenv(name, value)
	}
	if err := p.open(t).Check(t.Context()); err != nil {
		t.Errorf("fields: %v", err)
	}
	dsn := p
	dsn.config.Hosts, dsn.config.TLS = nil, postgres.TLS{Mode: "verify-full"}
	for _, text := range []string{
		fmt.Sprintf("postgres://vaultferry@localhost:%d/vaultferry?sslrootcert=%s", server.Port, server.ca),
		fmt.Sprintf("host=localhost port = %d dbname=vaultferry user=vaultferry sslrootcert = '%s'", server.Port, server.ca),
	} {
		dsn.config.DSN = text
		if err := errors.Join(dsn.config.Validate(), dsn.open(t).Check(t.Context())); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"postgres://u@h/d": "PGPORT", "postgres://u@[::1]/d": "PGPORT", "postgres://u@h:1/": "PGDATABASE", "postgres://h:1/d": "PGUSER",
		"postgres://u@/d?port=1": "PGHOST", "user=u port=1 dbname=d": "PGHOST", "host=h user=u dbname=d": "PGPORT",
		"host=h port=1 user=u": "PGDATABASE", "host=h port=1 dbname=d": "PGUSER", "service=s": "PGSERVICEFILE",
	} {
		dsn.config.DSN = text
		if err := dsn.config.Validate(); err == nil || !strings.Contains(err.Error(), "variable "+want+" ") {
			t.Errorf("%s: the error is %v, want one of %s", text, err, want)
		}
	}
	t.Setenv("PGSERVICE", "other")
	p.mustRefuse(t, "a service of the environment's", secret.Invalid, "PGSERVICE")
}

// TestSavedByOthers: certificates are read as other tools save them, and what cannot be
// read is named, with what to do.
func TestSavedByOthers(t *testing.T) {
	server := startSecured(t)
	p := server.place(t).made(t)
	saved := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...)
		return write(t, file+".saved", text)
	}
	p.config.TLS = postgres.TLS{Mode: "verify-full", CAFile: saved(server.ca), CertFile: saved(server.cert), KeyFile: saved(server.key)}
	p.config.User = "certified"
	s := p.open(t)
	p.config.TLS.Mode = "verify-ca"
	p.open(t)

	bad := p
	bad.config.TLS.CAFile = server.key
	bad.mustRefuse(t, "a key for a certificate", secret.Invalid, "tls.ca_file: "+server.key)
	bad = p
	bad.config.TLS.KeyFile = server.ca
	bad.mustRefuse(t, "a certificate for a key", secret.Invalid, "holds no private key")
	bad = p
	bad.config.Password.File = filepath.Join(server.dir, "absent")
	bad.mustRefuse(t, "no password", secret.Upstream, "absent")

	write(t, p.config.TLS.CAFile, nil)
	server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'certified'")
	waitFor(t, func() bool {
		err := s.Check(t.Context())
		return errors.Is(err, secret.Upstream) && strings.Contains(secret.DetailOf(err), "certificates") && strings.Contains(err.Error(), "it is empty")
	})
	saved(server.ca)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("with the file back: %v", err)
	}
}
