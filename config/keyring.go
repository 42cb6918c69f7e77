package config

import (
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backends/hashivault/transit"
)

// Keyring is where the keys are that encrypt backups and bolt stores. Keep a copy
// elsewhere: without it no backup can be opened.
type Keyring struct {
	// File is the file that `vaultferry init` or `vaultferry keys new` wrote, a JSON Web Key Set.
	File string `mapstructure:"file" path:"true" example:"keys/keyring.json"`
	// Credential is the name of a credential that systemd hands to the service (`LoadCredential=`, `LoadCredentialEncrypted=`),
	// which holds what the file would.
	Credential string `mapstructure:"credential" example:"keyring.json"`
	// Env is the name of an environment variable that holds what the file would. The gateway takes it out of its
	// environment. Of all places this is the weakest.
	Env string `mapstructure:"env" example:"KEYRING"`
	// Transit opens a file that a key of Vault's transit engine sealed as a whole.
	Transit *Transit `mapstructure:"transit" default:"none" example:"{ file: keyring.sealed, address: 'https://vault.example.com:8200', key: vaultferry, approle: { role_id: 6d2f1c5e-9c9e-4b1c-8a57-1a2b3c4d5e6f, secret_id: { env: VAULT_SECRET_ID } } }"`
	// RequireProof refuses to restore a backup that is sealed with an asymmetric key and not signed by one of the
	// keyring's keys: whoever holds the public half of the former can make it, and choose where it came from.
	RequireProof bool `mapstructure:"require_proof" example:"true"`
}

// Transit is a keyring that a key of Vault's transit engine seals as a whole. The
// gateway asks Vault for it when it starts, and when the file has changed.
type Transit struct {
	// File holds the keyring as Vault sealed it; `vaultferry keys seal` writes it.
	File           string `mapstructure:"file" path:"true" required:"true" example:"keyring.sealed"`
	transit.Config `mapstructure:",squash"`
}

// AtMostOne lists the keys of which one is given, or none.
func (Keyring) AtMostOne() []string { return []string{"file", "credential", "env", "transit"} }

// SetDefaults fills what is empty.
func (k *Keyring) SetDefaults() {
	if k.Credential == "" && k.Env == "" && k.Transit == nil && k.File == "" {
		k.File = "keyring.json"
	}
}

// Key is the one that says where the keyring is.
func (k *Keyring) Key() string {
	switch {
	case k.Transit != nil:
		return "keyring.transit"
	case k.Env != "":
		return "keyring.env"
	case k.Credential != "":
		return "keyring.credential"
	}
	return "keyring.file"
}

// CredentialPath is where systemd puts the credential of that name; empty: there is
// none, or this process is no service of systemd's.
func (k *Keyring) CredentialPath() string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" || k.Credential == "" {
		return ""
	}
	return filepath.Join(dir, k.Credential)
}

// PlainPath is the file that holds the keyring as it is; empty: none does.
func (k *Keyring) PlainPath() string {
	if k.Credential != "" {
		return k.CredentialPath()
	}
	return k.File
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (c *Config) validateKeyring(rep *report) {
	k, n := &c.Keyring, 0
	for _, given := range []bool{k.File != "", k.Credential != "", k.Env != "", k.Transit != nil} {
		if given {
			n++
		}
	}
	if k.Env != "" && !variableName.MatchString(k.Env) {
		rep.bad("keyring.env", "not the name of an environment variable; the keyring itself never stands here")
	}
	if k.Credential == "." || k.Credential == ".." || strings.ContainsAny(k.Credential, "/\x00") {
		rep.bad("keyring.credential", "not the name of a credential, which LoadCredential= has before the colon")
	}
	if t := k.Transit; t != nil && !rep.wrongBelow("keyring.transit") {
		if t.File == "" {
			rep.bad("keyring.transit.file", "missing: vaultferry keys seal makes it")
		}
		if err := t.Validate(); err != nil {
			rep.addTree("keyring.transit", "", err)
		} else if u, err := url.Parse(t.Address); err == nil && u.Scheme == "http" && !Loopback(net.JoinHostPort(u.Hostname(), "")) {
			rep.warn("keyring.transit.address", "plain HTTP: whoever listens on the way to %s reads the keyring, and opens every backup; use https", u.Host)
		}
	}
	switch {
	case n == 0:
		rep.bad("keyring.file", "missing")
	case n > 1:
		rep.bad("keyring", "it is in one place: choose one of %s", anyOf(k.AtMostOne()))
	}
}

// CheckKeyring returns an *Error with all that keeps the keyring from being opened,
// for a configuration of LoadUnresolved.
func (c *Config) CheckKeyring() error {
	var open []Problem
	for _, key := range slices.Sorted(maps.Keys(c.unresolved)) {
		if strings.HasPrefix(key, "keyring.") {
			open = append(open, Problem{Severity: Bad, Path: key, Message: c.unresolved[key]})
		}
	}
	if len(open) > 0 {
		return &Error{File: c.refs.file, Problems: open}
	}
	return nil
}
