package hashivault

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Config is the section `hashivault` of a store: a KV engine of HashiCorp Vault.
type Config struct {
	// Address is the URL of the server.
	Address string `mapstructure:"address" required:"true" example:"https://vault.example.com:8200"`
	// Mount is the path at which the KV engine is mounted.
	Mount string `mapstructure:"mount" example:"kv"`
	// KV is the version of the KV engine; `auto` asks the mount when the gateway starts.
	KV any `mapstructure:"kv" default:"auto" example:"1"`
	// Prefix is the folder of the mount that is the whole store.
	Prefix string `mapstructure:"prefix" default:"the whole mount" example:"teams/payments"`
	// Field is the field that holds a secret's value if it is a single text.
	Field string `mapstructure:"field" example:"password"`
	// Namespace is the namespace of the mount, in Vault Enterprise and HCP Vault.
	Namespace string `mapstructure:"namespace" example:"payments"`

	// Token is a fixed token.
	Token secret.Value `mapstructure:"token" example:"{ env: VAULT_TOKEN }"`
	// AppRole logs in with a role and its secret.
	AppRole *AppRole `mapstructure:"approle" example:"{ role_id: 6d2f1c5e-9c9e-4b1c-8a57-1a2b3c4d5e6f, secret_id: { env: VAULT_SECRET_ID } }"`
	// Kubernetes logs in with the token of the pod's service account.
	Kubernetes *Kubernetes `mapstructure:"kubernetes" example:"{ role: vaultferry }"`
	// JWT logs in with a token that somebody else signed.
	JWT *JWT `mapstructure:"jwt" example:"{ role: vaultferry, token_file: /run/spiffe/vault.jwt }"`
	// Cert logs in with the certificate in `tls`.
	Cert *Cert `mapstructure:"cert" example:"{ role: vaultferry }"`

	// TLS is which authorities to trust, and which certificate to show.
	TLS TLS `mapstructure:"tls" example:"{ ca_file: tls/vault-ca.pem }"`
}

// The words of kv.
const (
	engineAuto = "auto"
	engine1    = "1"
	engine2    = "2"
)

// Choices lists the words that a key takes.
func (*Config) Choices() map[string][]string {
	return map[string][]string{"kv": {engine1, engine2, engineAuto}}
}

// ExactlyOne lists the keys of which one is given.
func (*Config) ExactlyOne() []string {
	return []string{"token", "approle", "kubernetes", "jwt", "cert"}
}

// TLS is which authorities to trust, and which certificate to show. The
// certificate is read at each connection, so it may be replaced at any time.
type TLS struct {
	// CAFile is a PEM file of the only certificate authorities to trust.
	CAFile string `mapstructure:"ca_file" path:"true" default:"the system's" example:"tls/vault-ca.pem"`
	// ExtraCAFile is a PEM file of certificate authorities to trust beside the system's.
	ExtraCAFile string `mapstructure:"extra_ca_file" path:"true" example:"tls/vault-ca.pem"`
	// CertFile is the PEM file of the gateway's certificate, if the server asks for one.
	CertFile string `mapstructure:"cert_file" path:"true" example:"tls/gateway.pem"`
	// KeyFile is the PEM file of the key of `cert_file`.
	KeyFile string `mapstructure:"key_file" path:"true" example:"tls/gateway-key.pem"`
	// ServerName is the name that the server's certificate must have.
	ServerName string `mapstructure:"server_name" default:"the host in address" example:"vault.internal"`
}

func (c *TLS) roots() kit.Roots {
	return kit.Roots{CAFile: c.CAFile, ExtraCAFile: c.ExtraCAFile}
}

// SetDefaults implements backends.Config.
func (c *Config) SetDefaults() { c.Mount, c.Field = "secret", connection.DefaultField }

// Validate implements backends.Config.
func (c *Config) Validate() error {
	return errors.Join(c.checkAddress(), checkFolder("mount", c.Mount, true), c.checkEngine(), checkFolder("prefix", c.Prefix, false),
		c.checkField(), c.checkLogin(), c.checkTLS())
}

func (c *Config) checkAddress() error {
	u, err := url.Parse(c.Address)
	switch {
	case c.Address == "":
		return errors.New("address: missing")
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return errors.New("address: want http://HOST:PORT or https://HOST:PORT")
	case u.User != nil, u.RawQuery != "", u.Fragment != "", strings.Trim(u.Path, "/") != "":
		return errors.New("address: want no user, path or query in it")
	}
	return nil
}

// checkEngine refuses what is no version. YAML reads a bare one as a number.
func (c *Config) checkEngine() error {
	switch c.KV {
	case nil, engineAuto, 1, 2, engine1, engine2:
		return nil
	}
	return errors.New("kv: want 1, 2 or auto")
}

// engine is the version that is asked for, or empty: as the mount says.
func (c *Config) engine() string {
	switch c.KV {
	case 1, engine1:
		return engine1
	case 2, engine2:
		return engine2
	}
	return ""
}

// checkFolder refuses what would not be the path that it says.
func checkFolder(key, path string, needed bool) error {
	path = strings.Trim(path, "/")
	switch {
	case path == "" && needed:
		return errors.New(key + ": missing")
	case path != "" && !connection.NaturalPath(path):
		return errors.New(key + `: want segments parted by "/", none of them empty, ".", ".." or ` + connection.CompanionFolder)
	}
	return nil
}

func (c *Config) checkField() error {
	if c.Field == "" || len(c.Field) > 128 || !connection.Printable(c.Field) {
		return errors.New("field: want 1 to 128 printable characters")
	}
	return nil
}

func (c *Config) checkTLS() error {
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		return errors.New("tls: cert_file and key_file go together")
	}
	if err := c.TLS.roots().Validate(); err != nil {
		return fmt.Errorf("tls.%w", err)
	}
	return nil
}
