package hashivault

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Config is the section `hashivault` of a store.
type Config struct {
	Address   string `mapstructure:"address"`
	Mount     string `mapstructure:"mount"`     // of a KV engine
	KV        any    `mapstructure:"kv"`        // its version: 1, 2, or auto
	Prefix    string `mapstructure:"prefix"`    // the folder that is the whole store
	Field     string `mapstructure:"field"`     // of a single value
	Namespace string `mapstructure:"namespace"` // Enterprise

	Token      secret.Value `mapstructure:"token"`
	AppRole    *AppRole     `mapstructure:"approle"`
	Kubernetes *Kubernetes  `mapstructure:"kubernetes"`
	JWT        *JWT         `mapstructure:"jwt"`
	Cert       *Cert        `mapstructure:"cert"`

	TLS TLS `mapstructure:"tls"`
}

// TLS says whom to trust and, where the server asks, who we are.
type TLS struct {
	// CAFile is a PEM file of the only certificate authorities that are trusted.
	CAFile string `mapstructure:"ca_file" path:"true"`
	// ExtraCAFile is a PEM file of certificate authorities that are trusted
	// beside the system's.
	ExtraCAFile string `mapstructure:"extra_ca_file" path:"true"`
	CertFile    string `mapstructure:"cert_file" path:"true"`
	KeyFile     string `mapstructure:"key_file" path:"true"`
	ServerName  string `mapstructure:"server_name"`
}

func (c *TLS) roots() kit.Roots {
	return kit.Roots{CAFile: c.CAFile, ExtraCAFile: c.ExtraCAFile}
}

// SetDefaults implements backends.Config.
func (c *Config) SetDefaults() { c.Mount, c.Field = "secret", "value" }

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
	case nil, "auto", 1, 2, "1", "2":
		return nil
	}
	return errors.New("kv: want 1, 2 or auto")
}

// engine is the version that is asked for, or empty: as the mount says.
func (c *Config) engine() string {
	switch c.KV {
	case 1, "1":
		return "1"
	case 2, "2":
		return "2"
	}
	return ""
}

// checkFolder refuses what would not be the path that it says.
func checkFolder(key, path string, needed bool) error {
	path = strings.Trim(path, "/")
	switch {
	case path == "" && needed:
		return errors.New(key + ": missing")
	case path != "" && !naturalPath(path):
		return errors.New(key + `: want segments parted by "/", none of them empty, ".", ".." or ` + companionFolder)
	}
	return nil
}

func (c *Config) checkField() error {
	if c.Field == "" || len(c.Field) > 128 || !printable(c.Field) {
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
