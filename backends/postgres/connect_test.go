package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/internal/pki"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

// secured is a server that takes TLS alone, with a database and two roles.
type secured struct {
	*postgrestest.Server
	dir, ca, cert, key, password string
	other                        string // an authority that nobody trusts
	database                     string
}

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startSecured makes the roles as docs/postgres.md tells.
func startSecured(t *testing.T) *secured {
	t.Helper()
	ca, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &secured{dir: t.TempDir(), database: "vaultferry"}
	s.ca, s.other = write(t, filepath.Join(s.dir, "ca.pem"), ca.Cert()), write(t, filepath.Join(s.dir, "other.pem"), stranger.Cert())
	cert, key := clientPair(t)
	s.cert, s.key = write(t, filepath.Join(s.dir, "cert.pem"), cert), write(t, filepath.Join(s.dir, "key.pem"), key)
	s.password = write(t, filepath.Join(s.dir, "password"), []byte("first\n"))
	s.Server = postgrestest.Start(t, postgrestest.Options{
		TCP:      true,
		Settings: []string{"ssl = on", "ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'", "ssl_ca_file = 'ca.pem'"},
		HBA:      []string{"hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-ca", "hostssl all all 127.0.0.1/32 scram-sha-256", "hostnossl all all 127.0.0.1/32 reject"},
		Files:    map[string][]byte{"server.pem": pair.Cert, "server.key": pair.Key, "ca.pem": cert},
	})
	s.Exec(t, "postgres", "CREATE ROLE vaultferry_owner LOGIN PASSWORD 'owner'", "CREATE ROLE vaultferry LOGIN PASSWORD 'first'",
		"CREATE ROLE certified LOGIN PASSWORD 'first' IN ROLE vaultferry", "CREATE DATABASE vaultferry OWNER vaultferry_owner ENCODING 'UTF8' TEMPLATE template0")
	s.Exec(t, s.database, "CREATE SCHEMA vaultferry AUTHORIZATION vaultferry_owner", "GRANT USAGE ON SCHEMA vaultferry TO vaultferry",
		"ALTER DEFAULT PRIVILEGES FOR ROLE vaultferry_owner IN SCHEMA vaultferry GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO vaultferry")
	return s
}

// clientPair is a certificate for a client, its own authority.
func clientPair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "certified"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func (s *secured) place(t *testing.T) place {
	t.Helper()
	t.Setenv("OWNER_PASSWORD", "owner\r") // as docker has it of a file with line ends of Windows
	p := place{env: backends.Env{Store: "payments", Keys: keyring(t)}}
	p.config.SetDefaults()
	p.config.Hosts = []string{"localhost:" + strconv.Itoa(s.Port)}
	p.config.TLS.CAFile, p.config.Password.File = s.ca, s.password
	p.config.Upgrade = &postgres.UpgradeRole{User: "vaultferry_owner", Password: postgres.Password{Env: "OWNER_PASSWORD"}}
	return p
}

func (p place) mustRefuse(t *testing.T, what string, kind secret.Kind, words string) {
	t.Helper()
	b, err := postgres.Open(t.Context(), p.env, &p.config)
	if err == nil {
		_ = b.Close()
		t.Errorf("%s: it opens", what)
		return
	}
	if secret.KindOf(err) != kind || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "first") {
		t.Errorf("%s: the error is %v, want %v and %q", what, err, kind, words)
	}
}

// TestSecured: the two roles of the manual, over TLS that is verified in full, with
// a password that changes and a certificate that is asked for.
func TestSecured(t *testing.T) {
	server := startSecured(t)
	p := server.place(t).made(t)
	s := p.open(t)
	if err := errors.Join(s.Check(t.Context()), putOne(t.Context(), s)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Export(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}

	untrusted, misnamed, bare, dsn := p, p, p, p
	untrusted.config.TLS.CAFile = server.other
	untrusted.mustRefuse(t, "another authority", secret.Unavailable, "tls.ca_file")
	untrusted.mustRefuse(t, "another authority, in the log", secret.Unavailable, "unknown authority")
	misnamed.config.Hosts = []string{"127.0.0.1:" + strconv.Itoa(server.Port)}
	misnamed.mustRefuse(t, "another name", secret.Unavailable, "names another host")
	misnamed.config.TLS.Mode = "verify-ca"
	misnamed.open(t)
	misnamed.config.TLS.CAFile = server.other
	misnamed.mustRefuse(t, "another authority, whatever the name", secret.Unavailable, "unknown authority")
	bare.config.TLS = postgres.TLS{Mode: "off"}
	bare.mustRefuse(t, "no TLS", secret.Upstream, "login")
	dsn.config.Hosts, dsn.config.TLS = nil, postgres.TLS{Mode: "verify-full"}
	dsn.config.DSN = fmt.Sprintf("postgres://vaultferry@localhost:%d/vaultferry?sslrootcert=%s", server.Port, server.ca)
	dsn.open(t)

	certified := p
	certified.config.User = "certified"
	certified.mustRefuse(t, "no certificate", secret.Upstream, "login")
	certified.config.TLS.CertFile, certified.config.TLS.KeyFile = server.cert, server.key
	if got := certified.open(t).Credentials(); len(got) != 1 || got[0].Kind != backends.CredentialCertificate || got[0].Key != "tls.cert_file" || got[0].Ends.IsZero() {
		t.Errorf("of a certificate it reports %+v", got)
	}

	if got := s.Credentials(); len(got) != 0 {
		t.Errorf("of a role for ever it reports %+v", got)
	}
	server.Exec(t, "postgres", "ALTER ROLE vaultferry VALID UNTIL '2100-01-01 00:00:00+00'")
	want := []backends.Credential{{Kind: backends.CredentialPassword, Key: "password", Ends: time.Unix(4102444800, 0)}}
	if err := s.Check(t.Context()); err != nil || !slices.Equal(s.Credentials(), want) {
		t.Errorf("of a role that ends it reports %+v, %v", s.Credentials(), err)
	}
	server.Exec(t, "postgres", "ALTER ROLE vaultferry VALID UNTIL 'infinity'")
	if err := s.Check(t.Context()); err != nil || len(s.Credentials()) != 0 {
		t.Errorf("of a role for ever it reports %+v, %v", s.Credentials(), err)
	}
	server.Exec(t, "postgres", "ALTER ROLE vaultferry PASSWORD 'second'")
	p.mustRefuse(t, "a password of before", secret.Upstream, "login")
	write(t, server.password, []byte("second"))
	p.open(t)
	server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'vaultferry'")
	if err := putOne(t.Context(), s); err != nil {
		t.Errorf("a store that was open when the password changed: %v", err)
	}

	server.Exec(t, server.database, "REVOKE INSERT ON vaultferry.version FROM vaultferry")
	if err := putOne(t.Context(), s); !errors.Is(err, secret.Upstream) || !strings.Contains(secret.DetailOf(err), "GRANT") {
		t.Errorf("a role without a right: %v", err)
	}
	server.Exec(t, server.database, "GRANT INSERT ON vaultferry.version TO vaultferry", "REVOKE SELECT ON vaultferry.secret FROM vaultferry")
	if _, err := s.Describe(t.Context(), "s"); !errors.Is(err, secret.Upstream) || !strings.Contains(secret.DetailOf(err), "GRANT") {
		t.Errorf("a role that may not read: %v", err)
	}
	server.Exec(t, server.database, "GRANT SELECT ON vaultferry.secret TO vaultferry")
	served := p
	served.config.Upgrade, served.config.Schema = nil, "another"
	if _, err := postgres.Upgrade(t.Context(), served.env, &served.config); !errors.Is(err, secret.Upstream) || !strings.Contains(secret.DetailOf(err), "GRANT") {
		t.Errorf("an upgrade by the role that serves: %v", err)
	}

	for setting, word := range map[string]string{"fsync = off": "fsync", "synchronous_commit = off": "synchronous_commit"} {
		server.Exec(t, "postgres", "ALTER SYSTEM SET "+setting, "SELECT pg_reload_conf()")
		waitFor(t, func() bool {
			err := s.Check(t.Context())
			return err != nil && strings.Contains(secret.DetailOf(err), word)
		})
		server.Exec(t, "postgres", "ALTER SYSTEM RESET "+word, "SELECT pg_reload_conf()")
		waitFor(t, func() bool { return s.Check(t.Context()) == nil })
	}
	server.Exec(t, "postgres", "ALTER ROLE vaultferry CONNECTION LIMIT 0")
	if err := p.openRefused(t, server, "too many connections for role"); !errors.Is(err, secret.Unavailable) || !strings.Contains(secret.DetailOf(err), "connections") {
		t.Errorf("no connection is left: %v", err)
	}
}

// openRefused opens until the server has refused it twice: then the first refusal is known
// here, and whatever the second try has come to, that is the reason to be told.
func (p place) openRefused(t *testing.T, server *secured, words string) error {
	t.Helper()
	before := strings.Count(server.Said(), words)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	opened := make(chan error, 1)
	go func() {
		b, err := postgres.Open(ctx, p.env, &p.config)
		if err == nil {
			_ = b.Close()
		}
		opened <- err
	}()
	waitFor(t, func() bool { return strings.Count(server.Said(), words) >= before+2 })
	leave()
	return <-opened
}

func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(5 * time.Minute) // the machine may be busy
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-deadline.C:
			t.Fatal("it does not come to that")
		case <-again.C:
		}
	}
}

// TestBadConfig: what cannot be right is refused before anything is reached, and
// says what to do.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*postgres.Config){
		"hosts: missing":    func(c *postgres.Config) { c.Hosts = nil },
		"dsn: goes without": func(c *postgres.Config) { c.DSN = "postgres://h/d" },
		"use password":      func(c *postgres.Config) { c.Hosts, c.DSN = nil, "postgres://u:canary@h/d" },
		"password, which":   func(c *postgres.Config) { c.Hosts, c.DSN = nil, "host=h password=canary" },
		"proves nothing":    func(c *postgres.Config) { c.Hosts, c.DSN = nil, "postgres://h/d?sslmode=prefer" },
		"tls.mode: off": func(c *postgres.Config) {
			c.Hosts, c.TLS.Mode = []string{"/run/postgresql", "127.0.0.1:5432", "db:5432"}, "off"
		},
		"its sslmode proves":    func(c *postgres.Config) { c.Hosts, c.DSN = nil, "host=h sslmode='require'" },
		"in clear":              func(c *postgres.Config) { c.Hosts, c.DSN = nil, "postgres://localhost,db/d?sslmode=disable" },
		"to db in":              func(c *postgres.Config) { c.Hosts, c.DSN = nil, "host=/run/postgresql,db sslmode=disable" },
		"begins with":           func(c *postgres.Config) { c.Hosts, c.DSN = nil, " postgres://h/d?sslmode=verify-ca" },
		"pairs such as":         func(c *postgres.Config) { c.Hosts, c.DSN = nil, "jdbc:postgresql://h/d?ssl=true" },
		"dsn: ":                 func(c *postgres.Config) { c.Hosts, c.DSN = nil, "postgres://h:port/d" },
		"go together":           func(c *postgres.Config) { c.TLS.CertFile = "c" },
		"tls.mode":              func(c *postgres.Config) { c.TLS.Mode = "require" },
		"either file or env":    func(c *postgres.Config) { c.Password = postgres.Password{File: "a", Env: "b"} },
		"upgrade.user":          func(c *postgres.Config) { c.Upgrade = &postgres.UpgradeRole{} },
		"schema: want":          func(c *postgres.Config) { c.Schema = `x"; DROP TABLE` },
		"of the database's own": func(c *postgres.Config) { c.Schema = "pg_catalog" },
		"pooler: want":          func(c *postgres.Config) { c.Pooler = "session" },
		"target_session_attrs":  func(c *postgres.Config) { c.TargetSessionAttrs = "master" },
		"put a pooler before":   func(c *postgres.Config) { c.MaxConnections = 10000 },
		"hosts: want":           func(c *postgres.Config) { c.Hosts = []string{"user@h"} },
	} {
		c := &postgres.Config{}
		c.SetDefaults()
		c.Hosts = []string{"db"}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}

// TestDSN: a URL and pairs are taken, with or without parameters of their own.
func TestDSN(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"postgres://vaultferry@db.example.com/secrets", "postgresql://db/d?", "postgres://db/d?connect_timeout=3",
		"postgres://db/d?sslmode=verify-ca&target_session_attrs=any", "host=db dbname=d", "host=db dbname='a://b'", "host=db sslmode=verify-full",
	} {
		c := &postgres.Config{}
		c.SetDefaults()
		c.DSN = dsn
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// TestInClear: nothing leaves the machine.
func TestInClear(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*postgres.Config){
		"hosts": func(c *postgres.Config) {
			c.Hosts, c.TLS.Mode = []string{"/run/postgresql", "localhost", "127.0.0.2:5432", "[::1]:5432", "::1"}, "off"
		},
		"pairs": func(c *postgres.Config) { c.DSN = "host=/run/postgresql,127.0.0.1 sslmode=disable" },
		"URL":   func(c *postgres.Config) { c.DSN = "postgres://[::1],localhost:1/d?sslmode=disable" },
	} {
		c := &postgres.Config{}
		c.SetDefaults()
		change(c)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestPooler: through PgBouncer, which lends a connection for a transaction, every
// call works, whichever connection of the server it meets.
func TestPooler(t *testing.T) {
	t.Parallel()
	bouncer, err := exec.LookPath("/usr/sbin/pgbouncer")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("PgBouncer is not installed: run .ci/deps")
	}
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	p := newPlace(t, database).made(t)
	p.config.Pooler = "transaction"
	p.config.DSN = server.StartPooler(t, bouncer, database)
	s := p.open(t)
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			name := secret.Name(fmt.Sprint("s", w%4))
			for range 25 {
				if _, err := s.Put(t.Context(), name, draft("x")); err != nil {
					t.Error(err)
				}
				if _, err := s.Get(t.Context(), name, secret.Current); err != nil {
					t.Error(err)
				}
			}
			if _, err := s.List(t.Context(), secret.Query{}); err != nil {
				t.Error(err)
			}
			sec, err := s.Export(t.Context(), name)
			if err == nil {
				sec.Name = secret.Name(fmt.Sprint("copy", w))
				_, err = s.Import(t.Context(), sec, "")
			}
			if err == nil {
				_, mark, _ := s.DescribeMarked(t.Context(), sec.Name)
				_, err = s.Append(t.Context(), sec.Name, mark, []secret.Draft{draft("y"), draft("z")})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	for n := range 4 {
		sec, err := s.Describe(t.Context(), secret.Name(fmt.Sprint("s", n)))
		if err != nil || len(sec.Versions) != 100 {
			t.Errorf("s%d: not 100 versions, or %v", n, err)
		}
	}
}
