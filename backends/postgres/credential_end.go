package postgres

import (
	"context"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// ends are when what the gateway logs in with is over.
type ends struct {
	certFile string
	password atomic.Int64 // of the role, in Unix seconds; zero: never, or not known
}

// askPasswordEnd asks until when the role may log in. A database that does not
// say lacks nothing else.
func (s *Store) askPasswordEnd(ctx context.Context) {
	var until pgtype.Timestamptz
	if err := s.pool.QueryRow(ctx, "SELECT rolvaliduntil FROM pg_catalog.pg_roles WHERE rolname = session_user").Scan(&until); err != nil {
		return
	}
	var end int64
	if until.Valid && until.InfinityModifier == pgtype.Finite {
		end = until.Time.Unix()
	}
	s.ends.password.Store(end)
}

// Credentials implements backends.CredentialReporter.
func (s *Store) Credentials() (all []backends.Credential) {
	if end := kit.CertificateEnd(s.ends.certFile); !end.IsZero() {
		all = append(all, backends.Credential{Kind: backends.CredentialCertificate, Key: "tls.cert_file", Ends: end})
	}
	if end := s.ends.password.Load(); end != 0 {
		all = append(all, backends.Credential{Kind: backends.CredentialPassword, Key: "password", Ends: time.Unix(end, 0)})
	}
	return all
}

// inDSN is the certificate's file in a DSN of either form.
var inDSN = regexp.MustCompile(`\bsslcert=(?:'([^']*)'|([^&\s]*))`)

// certFile is where the client's certificate is, if it has one.
func (c *Config) certFile() string {
	if found := inDSN.FindStringSubmatch(c.DSN); found != nil {
		return found[1] + found[2]
	}
	return c.TLS.CertFile
}
