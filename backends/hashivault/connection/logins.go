package connection

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"strings"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/textfile"
	"github.com/vaultferry/vaultferry/secret"
)

// AppRole logs in with a role and its secret.
type AppRole struct {
	// RoleID is the role's id.
	RoleID string `mapstructure:"role_id" required:"true" example:"6d2f1c5e-9c9e-4b1c-8a57-1a2b3c4d5e6f"`
	// SecretID is the role's secret id.
	SecretID secret.Value `mapstructure:"secret_id" required:"true"`
	// Mount is the path at which the login method is mounted.
	Mount string `mapstructure:"mount" example:"approle-ci"`
}

// SetDefaults fills what is empty.
func (a *AppRole) SetDefaults() { a.Mount = cmp.Or(a.Mount, "approle") }

// Kubernetes logs in with the token of the pod's service account.
type Kubernetes struct {
	// Role is the role to log in as.
	Role string `mapstructure:"role" required:"true" example:"vaultferry"`
	// Mount is the path at which the login method is mounted.
	Mount string `mapstructure:"mount" example:"kubernetes-eu"`
	// TokenFile is the file with the service account's token, which is read at each login.
	TokenFile string `mapstructure:"token_file" path:"true" loaded:"false" example:"/var/run/secrets/tokens/vault"`
}

// SetDefaults fills what is empty.
func (k *Kubernetes) SetDefaults() {
	k.Mount, k.TokenFile = cmp.Or(k.Mount, "kubernetes"), cmp.Or(k.TokenFile, ofPod)
}

// JWT logs in with a token that somebody else signed.
type JWT struct {
	// Role is the role to log in as.
	Role string `mapstructure:"role" default:"the login method's own" example:"vaultferry"`
	// Mount is the path at which the login method is mounted.
	Mount string `mapstructure:"mount" example:"jwt-spiffe"`
	// Token is the signed token.
	Token secret.Value `mapstructure:"token"`
	// TokenFile is a file with the signed token, which is read at each login.
	TokenFile string `mapstructure:"token_file" path:"true" loaded:"false" example:"/run/spiffe/vault.jwt"`
}

// SetDefaults fills what is empty.
func (j *JWT) SetDefaults() { j.Mount = cmp.Or(j.Mount, "jwt") }

// ExactlyOne lists the keys of which one is given.
func (*JWT) ExactlyOne() []string { return []string{"token", "token_file"} }

// Cert logs in with the certificate of the section tls.
type Cert struct {
	// Role is the role to log in as.
	Role string `mapstructure:"role" default:"the one that fits" example:"vaultferry"`
	// Mount is the path at which the login method is mounted.
	Mount string `mapstructure:"mount" example:"cert-eu"`
}

// SetDefaults fills what is empty.
func (c *Cert) SetDefaults() { c.Mount = cmp.Or(c.Mount, "cert") }

// ofPod is where Kubernetes puts the token of a pod's service account.
const ofPod = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// method returns the configured login, or nil with a fixed token.
func (c *Access) method() *Login {
	switch {
	case c.AppRole != nil:
		a := *c.AppRole
		a.SetDefaults()
		return methodAt("approle", a.Mount, func() (map[string]any, error) {
			return map[string]any{"role_id": a.RoleID, "secret_id": string(a.SecretID.Reveal())}, nil
		})
	case c.Kubernetes != nil:
		k := *c.Kubernetes
		k.SetDefaults()
		return methodAt("kubernetes", k.Mount, func() (map[string]any, error) { return signed(k.Role, secret.Value{}, k.TokenFile) })
	case c.JWT != nil:
		j := *c.JWT
		j.SetDefaults()
		return methodAt("jwt", j.Mount, func() (map[string]any, error) { return signed(j.Role, j.Token, j.TokenFile) })
	case c.Cert != nil:
		cert := *c.Cert
		cert.SetDefaults()
		return methodAt("cert", cert.Mount, func() (map[string]any, error) { return named("name", cert.Role), nil })
	}
	return nil
}

func methodAt(key, mount string, body func() (map[string]any, error)) *Login {
	return &Login{Key: key, Mount: strings.Trim(mount, "/"), Body: body}
}

// loginEnds is the end of what the configuration itself holds for a login. A file
// is replaced by whoever wrote it.
func (c *Access) loginEnds() (e backends.Credential) {
	if c.JWT != nil && c.JWT.Token.Len() > 0 {
		e = backends.Credential{Kind: backends.CredentialToken, Key: "jwt.token", Ends: kit.TokenEnd(string(bytes.TrimSpace(c.JWT.Token.Reveal())))}
	}
	return e
}

func named(key, role string) map[string]any {
	if role == "" {
		return map[string]any{}
	}
	return map[string]any{key: role}
}

// signed is a login with a signed token. A file is read anew at each login:
// whoever put it there changes it before it ends.
func signed(role string, token secret.Value, file string) (map[string]any, error) {
	raw := token.Reveal()
	if file != "" {
		var err error
		if raw, err = os.ReadFile(file); err == nil {
			raw, err = textfile.Decode(raw)
		}
		if err != nil {
			return nil, &secret.Error{Kind: secret.Upstream, Detail: "the gateway's token for its login at Vault cannot be read", Err: err}
		}
	}
	body := named("role", role)
	body["jwt"] = string(bytes.TrimSpace(raw))
	return body, nil
}

func (c *Access) checkLogin() error {
	n := 0
	for _, set := range []bool{!c.Token.IsNone(), c.AppRole != nil, c.Kubernetes != nil, c.JWT != nil, c.Cert != nil} {
		if set {
			n++
		}
	}
	var errs []error
	if n != 1 {
		errs = append(errs, errors.New("want exactly one of token, approle, kubernetes, jwt and cert"))
	}
	if a := c.AppRole; a != nil {
		errs = append(errs, needed("approle.role_id", a.RoleID != ""), needed("approle.secret_id", a.SecretID.Len() > 0), checkMount("approle", a.Mount))
	}
	if k := c.Kubernetes; k != nil {
		errs = append(errs, needed("kubernetes.role", k.Role != ""), checkMount("kubernetes", k.Mount))
	}
	if j := c.JWT; j != nil {
		if (j.Token.Len() > 0) == (j.TokenFile != "") {
			errs = append(errs, errors.New("jwt: want exactly one of token and token_file"))
		}
		errs = append(errs, checkMount("jwt", j.Mount))
	}
	if c.Cert != nil {
		if c.TLS.CertFile == "" || !strings.HasPrefix(c.Address, "https:") {
			errs = append(errs, errors.New("cert: needs tls.cert_file, tls.key_file and an address of https"))
		}
		errs = append(errs, checkMount("cert", c.Cert.Mount))
	}
	return errors.Join(errs...)
}

func needed(key string, there bool) error {
	if !there {
		return errors.New(key + ": missing")
	}
	return nil
}

func checkMount(key, mount string) error {
	if mount == "" {
		return nil
	}
	return CheckFolder(key+".mount", mount, true)
}
