package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/vaultferry/vaultferry/internal/pemfile"
)

// How long a connection may take to come about, to be idle, and to live.
const (
	connectTimeout = 5 * time.Second
	idleTime       = 5 * time.Minute
	lifeTime       = time.Hour
	// startPatience is how long the first connection is tried again: what leads to
	// the database may start later than the gateway.
	startPatience = 20 * time.Second
)

// user is who the gateway logs in as; empty: the DSN says it.
func (c *Config) user() string {
	if c.DSN != "" {
		return ""
	}
	return c.User
}

// connection is how to connect. Certificates and the password are read anew for
// each connection, so they may be replaced at any time.
func (c *Config) connection(user string, password Password) (*pgxpool.Config, error) {
	text, err := c.connString(user)
	if err != nil {
		return nil, err
	}
	pool, err := c.parse(text)
	if err != nil {
		return nil, err
	}
	pool.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		fresh, err := c.parse(text)
		if err != nil {
			return unreadable(err)
		}
		*cc = *fresh.ConnConfig
		c.shape(cc, user)
		cc.Password, err = password.read()
		if err != nil {
			return unreadable(err)
		}
		return nil
	}
	c.shape(pool.ConnConfig, user)
	pool.MaxConns = int32(c.MaxConnections)
	pool.MaxConnIdleTime, pool.MaxConnLifetime, pool.MaxConnLifetimeJitter = idleTime, lifeTime, lifeTime/10
	return pool, nil
}

// shape sets what the text of a connection does not say.
func (c *Config) shape(cc *pgx.ConnConfig, user string) {
	cc.User, cc.Password, cc.ConnectTimeout = cmp.Or(user, cc.User), "", connectTimeout
	c.ownParams(cc)
	cc.RuntimeParams["application_name"] = "vaultferry"
	if c.Pooler == poolerTransaction { // a prepared statement would stay with one connection of the pooler's
		cc.DefaultQueryExecMode, cc.StatementCacheCapacity = pgx.QueryExecModeCacheDescribe, 0
	}
}

// parse refuses what would go to another machine in clear. Its errors do not hold the
// DSN.
func (c *Config) parse(text string) (*pgxpool.Config, error) {
	pool, err := pgxpool.ParseConfig(text)
	if e, ok := errors.AsType[*pgconn.ParseConfigError](err); ok && e.Unwrap() != nil {
		return nil, fmt.Errorf("dsn: %w", e.Unwrap())
	}
	if err != nil {
		return nil, errors.New("dsn: cannot be read")
	}
	first := &pgconn.FallbackConfig{Host: pool.ConnConfig.Host, TLSConfig: pool.ConnConfig.TLSConfig}
	for _, f := range append(pool.ConnConfig.Fallbacks, first) {
		if f.TLSConfig == nil && !onThisMachine(f.Host) {
			return nil, fmt.Errorf("dsn: would send everything to %s in clear, which is not loopback: use verify-full or verify-ca", f.Host)
		}
		if t := f.TLSConfig; t != nil {
			if t.InsecureSkipVerify && t.VerifyPeerCertificate == nil {
				return nil, errors.New("dsn: its sslmode proves nothing about the server; use verify-full or verify-ca")
			}
			if err := c.TLS.apply(t); err != nil {
				return nil, err
			}
		}
	}
	return pool, nil
}

// apply reads the files, as other tools may have saved them.
func (t *TLS) apply(to *tls.Config) error {
	if t.CAFile != "" {
		to.RootCAs = x509.NewCertPool()
		if err := pemfile.AddTo(to.RootCAs, t.CAFile); err != nil {
			return fmt.Errorf("tls.ca_file: %w", err)
		}
	}
	if t.CertFile != "" {
		pair, err := pemfile.Pair(t.CertFile, t.KeyFile)
		if err != nil {
			return fmt.Errorf("tls.cert_file: %w", err)
		}
		to.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// onThisMachine reports whether it is loopback, or the folder of a Unix socket.
func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback()
}

// split parts a host of Config.Hosts from its port.
func split(h string) (host, port string) {
	host, port, err := net.SplitHostPort(h)
	if err != nil || strings.HasPrefix(h, "/") {
		return h, "5432"
	}
	return host, port
}

// isURL reports whether a DSN is one, and not in pairs.
func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// connString is the DSN with what it leaves open, or one of the fields.
func (c *Config) connString(user string) (string, error) {
	text, mode := c.DSN, c.TLS.Mode
	if err := c.refuseEnvironment(); err != nil {
		return "", err
	}
	hasPassword := strings.Contains(text, "password")
	if u, err := url.Parse(text); err == nil && !hasPassword {
		_, hasPassword = u.User.Password()
	}
	if hasPassword {
		return "", errors.New("dsn: holds a password, which is never written here; use password: {env: NAME} or {file: PATH}")
	}
	for _, word := range []string{"sslmode=prefer", "sslmode=allow", "sslmode=require"} {
		if strings.Contains(text, word) {
			return "", errors.New("dsn: " + word + " proves nothing about the server; use verify-full or verify-ca, or disable on loopback")
		}
	}
	if mode == tlsOff {
		mode = "disable"
	}
	fields := [][2]string{{"sslmode", mode}, {"target_session_attrs", c.TargetSessionAttrs}}
	if c.DSN == "" {
		var hosts, ports []string
		for _, h := range c.Hosts {
			host, port := split(h)
			hosts, ports = append(hosts, host), append(ports, port)
		}
		fields = append(fields, [][2]string{
			{"host", strings.Join(hosts, ",")},
			{"port", strings.Join(ports, ",")},
			{"dbname", c.Database},
			{"user", user},
		}...)
	}
	if !c.says("service") {
		fields = append(fields, closed...)
	}
	pairs, before := !isURL(text), " "
	if !pairs {
		text = strings.TrimSuffix(text, "?")
		before = "?"
		if strings.Contains(text, "?") {
			before = "&"
		}
	}
	for _, f := range fields {
		if key, value := f[0], f[1]; !c.says(key) {
			if pairs {
				value = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
			}
			text += before + key + "=" + value
			if !pairs {
				before = "&"
			}
		}
	}
	return text, nil
}

// connect returns a pool that has reached the database once.
func (c *Config) connect(ctx context.Context, user string, password Password) (*pgxpool.Pool, error) {
	config, err := c.connection(user, password)
	if err != nil {
		return nil, openError(nil, "%s", err.Error())
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, openError(err, "the connection cannot be made")
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	var said error // by the last try that came to its end
	for delay := 50 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		err := pool.Ping(ctx)
		if err == nil {
			return pool, nil
		}
		if said == nil || ctx.Err() == nil {
			said = err
		}
		if !mayComeUp(err) || !pause(ctx, delay) {
			pool.Close()
			return nil, failure("postgres.open", "", said)
		}
	}
}

// mayComeUp reports whether a connection that failed may do better later.
func mayComeUp(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "57P") || e.Code == "53300" || strings.HasPrefix(e.Code, "08")
	}
	if o, ok := errors.AsType[*net.OpError](err); ok && o.Op == "remote error" { // an alert of TLS
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	_, ok := errors.AsType[net.Error](err)
	return ok || unfit(err) || errors.Is(err, context.DeadlineExceeded)
}

// pause waits, and returns false where ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
