package connection

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Access is how a configuration names a server of Vault, and says who the gateway
// is there and whom it trusts.
type Access struct {
	// Address is the URL of the server.
	Address string `mapstructure:"address" required:"true" example:"https://vault.example.com:8200"`
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

// ExactlyOne lists the keys of which one is given.
func (*Access) ExactlyOne() []string {
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

// Roots are the authorities to trust.
func (c *TLS) Roots() kit.Roots {
	return kit.Roots{CAFile: c.CAFile, ExtraCAFile: c.ExtraCAFile}
}

// Validate returns all problems joined.
func (c *Access) Validate() error {
	return errors.Join(c.checkAddress(), c.checkLogin(), c.checkTLS())
}

// Options are those of a client that has this access.
func (c *Access) Options() Options {
	return Options{
		Address: c.Address, Namespace: c.Namespace, Token: c.Token, Login: c.method(), LoginEnds: c.loginEnds(),
		Transport: kit.Transport{Roots: c.TLS.Roots(), CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, ServerName: c.TLS.ServerName},
	}
}

func (c *Access) checkAddress() error {
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

// CheckFolder refuses what would not be the path that it says.
func CheckFolder(key, path string, needed bool) error {
	path = strings.Trim(path, "/")
	switch {
	case path == "" && needed:
		return errors.New(key + ": missing")
	case path != "" && !NaturalPath(path):
		return errors.New(key + `: want segments parted by "/", none of them empty, ".", ".." or ` + CompanionFolder)
	}
	return nil
}

func (c *Access) checkTLS() error {
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		return errors.New("tls: cert_file and key_file go together")
	}
	if err := c.TLS.Roots().Validate(); err != nil {
		return fmt.Errorf("tls.%w", err)
	}
	return nil
}
