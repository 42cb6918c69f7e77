package postgres

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/internal/textfile"
)

// Config is the section `postgres` of a store: a schema of a PostgreSQL database, which any number of gateways share.
type Config struct {
	// DSN says where the database is, as a URL or in pairs, in place of `hosts`, `database`, `user` and `tls`; the password has its own key.
	DSN string `mapstructure:"dsn" example:"postgres://vaultferry@db.example.com/secrets"`
	// Hosts are where the servers are; the first that `target_session_attrs` allows is used.
	Hosts []string `mapstructure:"hosts" example:"[db-1.example.com:5432, db-2.example.com:5432]"`
	// Database is the name of the database.
	Database string `mapstructure:"database" default:"vaultferry" example:"secrets"`
	// User is the role that the gateway logs in as.
	User string `mapstructure:"user" default:"vaultferry" example:"gateway"`
	// Password is where the password of `user` is; it is read anew for each connection.
	Password Password `mapstructure:"password" example:"{ file: /run/secrets/db-password }"`
	// TLS is how the connections are protected.
	TLS TLS `mapstructure:"tls" example:"{ ca_file: tls/db-ca.pem }"`
	// Schema is the schema of the database that holds the store and nothing else.
	Schema string `mapstructure:"schema" default:"vaultferry" example:"payments"`
	// TargetSessionAttrs says which of several servers is fit, in the words of libpq.
	TargetSessionAttrs string `mapstructure:"target_session_attrs" default:"read-write" example:"any"`
	// Pooler says that a pooler stands before the database which lends connections for a transaction.
	Pooler string `mapstructure:"pooler" default:"none" example:"transaction"`
	// MaxConnections is how many connections this gateway holds at most, 2 to 500.
	MaxConnections int `mapstructure:"max_connections" default:"16" example:"32"`
	// Upgrade is the role that "vaultferry store upgrade" logs in as, where it is another one.
	Upgrade *UpgradeRole `mapstructure:"upgrade" example:"{ user: vaultferry_owner, password: { env: DB_OWNER_PASSWORD } }"`
}

// Password names where a password is. One of the two is given, or neither.
type Password struct {
	// File is a file that holds the password alone.
	File string `mapstructure:"file" path:"true" example:"/run/secrets/db-password"`
	// Env is the environment variable that holds it.
	Env string `mapstructure:"env" example:"DB_PASSWORD"`
}

// TLS is how connections are protected. Files are read for each connection.
type TLS struct {
	// Mode is what is verified of the server; `off` sends everything in clear, and is refused beyond loopback and Unix sockets.
	Mode string `mapstructure:"mode" default:"verify-full" example:"verify-ca"`
	// CAFile is a PEM file of the only certificate authorities to trust.
	CAFile string `mapstructure:"ca_file" path:"true" default:"the system's" example:"tls/db-ca.pem"`
	// CertFile is the PEM file of the gateway's certificate, if the server asks for one.
	CertFile string `mapstructure:"cert_file" path:"true" example:"tls/gateway.pem"`
	// KeyFile is the PEM file of the key of `cert_file`.
	KeyFile string `mapstructure:"key_file" path:"true" example:"tls/gateway-key.pem"`
}

// UpgradeRole is the role that may change the schema.
type UpgradeRole struct {
	// User is the role.
	User string `mapstructure:"user" required:"true" example:"vaultferry_owner"`
	// Password is where its password is.
	Password Password `mapstructure:"password" example:"{ env: DB_OWNER_PASSWORD }"`
}

// The words of pooler and of tls.mode.
const (
	poolerNone        = "none"
	poolerTransaction = "transaction"
	tlsVerifyFull     = "verify-full"
	tlsVerifyCA       = "verify-ca"
	tlsOff            = "off"
)

// Choices lists the words that a key takes.
func (*Config) Choices() map[string][]string {
	return map[string][]string{
		"pooler":               {poolerNone, poolerTransaction},
		"target_session_attrs": {"any", "read-write", "primary", "prefer-standby", "standby", "read-only"},
	}
}

// Choices lists the words that a key takes.
func (*TLS) Choices() map[string][]string {
	return map[string][]string{"mode": {tlsVerifyFull, tlsVerifyCA, tlsOff}}
}

// SetDefaults implements backends.Config.
func (c *Config) SetDefaults() {
	c.Database, c.User, c.Schema, c.TLS.Mode = "vaultferry", "vaultferry", "vaultferry", tlsVerifyFull
	c.TargetSessionAttrs, c.Pooler, c.MaxConnections = "read-write", poolerNone, 16
}

// schemaName is what needs no thought in SQL, in a shell or in a message.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// maxPool bounds what one gateway may ask for: the server has a process for
// each connection.
const maxPool = 500

// Validate implements backends.Config.
func (c *Config) Validate() error {
	return errors.Join(c.checkPlace(), c.checkTLS(), c.checkPasswords(), c.checkRest())
}

func (c *Config) checkPlace() error {
	def := new(Config)
	def.SetDefaults()
	switch given := len(c.Hosts) > 0 || c.Database != def.Database || c.User != def.User || c.TLS != def.TLS; {
	case c.DSN == "" && len(c.Hosts) == 0:
		return errors.New("hosts: missing; or give dsn")
	case c.DSN != "" && given:
		return errors.New("dsn: goes without hosts, database, user and tls, which say the same")
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, " ,@'\\") {
			return errors.New("hosts: want HOST, HOST:PORT or the folder of a Unix socket")
		}
	}
	return c.checkDSN()
}

// otherURL is a URL that is not of PostgreSQL's own form, such as jdbc:postgresql://.
var otherURL = regexp.MustCompile(`^[^='?]*://`)

// checkDSN refuses what cannot be read. It reads no certificates.
func (c *Config) checkDSN() error {
	if c.DSN == "" {
		return nil
	}
	if otherURL.MatchString(c.DSN) && !isURL(c.DSN) { // else read as a pair, with the local socket for what is missing
		return errors.New("dsn: want a URL that begins with postgres://, or pairs such as host=db.example.com dbname=secrets")
	}
	text, err := c.connString("")
	if err != nil || strings.Contains(c.DSN, "sslrootcert") || strings.Contains(c.DSN, "sslcert") {
		return err
	}
	_, err = c.parse(text)
	return err
}

func (c *Config) checkTLS() error {
	switch {
	case (c.TLS.CertFile == "") != (c.TLS.KeyFile == ""):
		return errors.New("tls: cert_file and key_file go together")
	case !slices.Contains(c.TLS.Choices()["mode"], c.TLS.Mode):
		return fmt.Errorf("tls.mode: want one of %s", strings.Join(c.TLS.Choices()["mode"], ", "))
	}
	for _, h := range c.Hosts {
		if host, _ := split(h); c.TLS.Mode == tlsOff && !onThisMachine(host) {
			return fmt.Errorf("tls.mode: off would send everything to %s in clear, which is not loopback", host)
		}
	}
	return nil
}

func (c *Config) checkPasswords() error {
	err := c.Password.validate("password")
	if c.Upgrade == nil {
		return err
	}
	if c.Upgrade.User == "" {
		err = errors.Join(err, errors.New("upgrade.user: missing"))
	}
	return errors.Join(err, c.Upgrade.Password.validate("upgrade.password"))
}

func (c *Config) checkRest() error {
	var errs []error
	if !schemaName.MatchString(c.Schema) || strings.HasPrefix(c.Schema, "pg_") || c.Schema == "information_schema" {
		errs = append(errs, errors.New("schema: want 1 to 63 of a-z, 0-9 and _, not of the database's own"))
	}
	for key, word := range map[string]string{"pooler": c.Pooler, "target_session_attrs": c.TargetSessionAttrs} {
		if words := c.Choices()[key]; !slices.Contains(words, word) {
			errs = append(errs, fmt.Errorf("%s: want one of %s", key, strings.Join(words, ", ")))
		}
	}
	if c.MaxConnections < 2 || c.MaxConnections > maxPool {
		errs = append(errs, fmt.Errorf("max_connections: want 2 to %d: the server has a process for each; put a pooler before it if you need more", maxPool))
	}
	return errors.Join(errs...)
}

func (p Password) validate(key string) error {
	if p.File != "" && p.Env != "" {
		return fmt.Errorf("%s: is either file or env", key)
	}
	return nil
}

// maxPassword bounds a file that is taken for a password.
const maxPassword = 64 << 10

// read returns the password as it is now; empty where none is configured.
func (p Password) read() (string, error) {
	switch {
	case p.Env != "":
		s, set := os.LookupEnv(p.Env)
		if !set {
			return "", fmt.Errorf("password: the environment variable %q is not set", p.Env)
		}
		b, err := textfile.Credential([]byte(s))
		if err != nil {
			return "", fmt.Errorf("password: the environment variable %q: %w", p.Env, err)
		}
		return string(b), nil
	case p.File != "":
		b, err := os.ReadFile(p.File)
		if err != nil {
			return "", fmt.Errorf("password: %w", err)
		}
		if len(b) > maxPassword {
			return "", fmt.Errorf("password: %s is larger than %d bytes", p.File, maxPassword)
		}
		if b, err = textfile.Credential(b); err != nil {
			return "", fmt.Errorf("password: %s: %w", p.File, err)
		}
		return string(b), nil
	}
	return "", nil
}
