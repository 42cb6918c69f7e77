package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// failure makes any error one of ours. Of what the database says its codes
// remain: its text may quote what it was given.
func failure(op string, name secret.Name, err error) error {
	if known, ok := errors.AsType[*secret.Error](err); ok {
		e := *known
		e.Op, e.Name = op, name
		return &e
	}
	e := &secret.Error{Kind: secret.Internal, Op: op, Name: name, Err: cause(err)}
	pg, answered := errors.AsType[*pgconn.PgError](err)
	_, network := errors.AsType[net.Error](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	switch {
	case errors.Is(err, sealed.ErrUnseal):
		e.Err = sealed.ErrUnseal
	case answered:
		e.Kind, e.Detail = kindOf(pg.Code)
	case errors.Is(err, puddle.ErrClosedPool):
		e.Kind, e.Detail = secret.Unavailable, "the store is closed"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Kind = secret.Unavailable
	case unfit(err):
		e.Kind, e.Detail = secret.Unavailable, "no database is fit for target_session_attrs: a read replica, a failover under way, or default_transaction_read_only is on"
	case untrusted:
		e.Kind, e.Detail = secret.Unavailable, "the database's certificate is not of an authority in tls.ca_file, or names another host"
	case network, connecting, pgconn.SafeToRetry(err), errors.Is(err, errBroken):
		e.Kind, e.Detail = secret.Unavailable, "the database cannot be reached"
	}
	return e
}

// errBroken is of a connection that ended under a call.
var errBroken = errors.New("the connection to the database broke")

// codeError is what the database refused, less its text.
type codeError struct{ code, constraint string }

func (e *codeError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the database answered %s %s", e.code, e.constraint))
}

// cause keeps of an error what is surely no value.
func cause(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, sealed.ErrUnseal, errBroken} {
		if errors.Is(err, known) {
			return known
		}
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &codeError{pg.Code, pg.ConstraintName}
	}
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok { // nothing was asked yet: it tells of places and certificates
		return errors.New(strings.ReplaceAll(c.Unwrap().Error(), "\n", "; "))
	}
	if n, ok := errors.AsType[*net.OpError](err); ok {
		return n
	}
	if d, ok := errors.AsType[*recordError](err); ok {
		return d
	}
	return fmt.Errorf("%T from the client of the database", err)
}

// unfit reports whether a database let the gateway in that target_session_attrs does not allow.
func unfit(err error) bool {
	return errors.Is(err, pgconn.ErrReadOnlyConnection) || errors.Is(err, pgconn.ErrReadWriteConnection) ||
		errors.Is(err, pgconn.ErrPrimaryConnection) || errors.Is(err, pgconn.ErrStandbyConnection)
}

// recordError is of rows that do not fit each other.
type recordError struct{ what string }

func (e *recordError) Error() string { return e.what }

// kindOf is what a code of the database means to a caller.
func kindOf(code string) (secret.Kind, string) {
	switch code {
	case "25006":
		return secret.Unavailable, "the database takes no writes: it is a read replica, or a failover is under way"
	case "53100":
		return secret.Unavailable, "the database has no space left"
	case "53300":
		return secret.Unavailable, "the database takes no more connections"
	case "42501":
		return secret.Upstream, "the gateway's role in the database lacks a right: see the GRANTs in docs/postgres.md"
	case "57014", "55P03", "25P03", "25P04":
		return secret.Unavailable, "the database ended what took long: a limit such as statement_timeout or lock_timeout is set for the gateway's role, or an administrator ended it"
	case "3D000":
		return secret.Upstream, "there is no such database"
	case "42P01", "42703", "3F000":
		return secret.Upstream, upgradeFirst
	case "28P01", "28000":
		return secret.Upstream, "the database does not accept the gateway's login"
	}
	switch code[:min(2, len(code))] {
	case "40", "53", "55", "57", "58", "08":
		return secret.Unavailable, "the database is not ready"
	case "P0":
		return secret.Upstream, "a trigger of the database's own refused it: see the log of the database"
	case "28":
		return secret.Upstream, "the database does not accept the gateway's login"
	}
	return secret.Internal, ""
}

const upgradeFirst = `the database holds no store of this release: run "vaultferry store upgrade" first`

// openError is for whoever starts the program.
func openError(cause error, format string, args ...any) error {
	return &secret.Error{Kind: secret.Invalid, Op: "postgres.open", Detail: fmt.Sprintf(format, args...), Err: cause}
}

// unreadable is of the files that a connection needs. Clients do not see their paths.
func unreadable(cause error) error {
	return &secret.Error{
		Kind: secret.Upstream, Op: "postgres.connect", Err: cause,
		Detail: "the password or the certificates for the database cannot be read",
	}
}

// isCode reports whether the database refused with one of the codes.
func isCode(err error, codes ...string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	for _, code := range codes {
		if ok && pg.Code == code {
			return true
		}
	}
	return false
}

// isTakenUID reports whether a version of the secret has the UID already.
func isTakenUID(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "23505" && pg.ConstraintName == "version_uid"
}

// uncertain reports whether a statement that was to commit may have done so: what
// became of no such statement, such as a row that does not open, is certain. What the
// database refuses by ERROR it has rolled back; by FATAL it may have ended the session
// just after a commit.
func uncertain(err error) bool {
	if _, ok := errors.AsType[*committing](err); !ok {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.SeverityUnlocalized != "ERROR" || pg.Code == "40003" || pg.Code == "08007"
	}
	return !pgconn.SafeToRetry(err)
}

// committing is of a statement that was to commit, and got a connection.
type committing struct{ err error }

func (e *committing) Error() string { return e.err.Error() }
func (e *committing) Unwrap() error { return e.err }

func asCommitting(err error) error {
	if err == nil {
		return nil
	}
	return &committing{err}
}
