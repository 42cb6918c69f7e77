// Package config reads and checks the configuration of the gateway. Load
// returns every problem at once, each with its key path; what it returns
// without one is ready to be opened.
package config

import (
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Config is the whole file. Keys of capabilities that do not exist yet are
// read too: Load notes which do nothing.
type Config struct {
	Server   Server   `mapstructure:"server"`
	Admin    Admin    `mapstructure:"admin"`
	Keyring  Keyring  `mapstructure:"keyring"`
	Audit    Audit    `mapstructure:"audit"`
	Archive  Archive  `mapstructure:"archive"`
	Stores   []Store  `mapstructure:"stores"`
	Dialects Dialects `mapstructure:"dialects"`
	Login    Login    `mapstructure:"login"`
	Callers  []Caller `mapstructure:"callers"`
	Policy   []Rule   `mapstructure:"policy"`
}

// Server is the listener of the dialects.
type Server struct {
	Address      string `mapstructure:"address"`
	TLS          TLS    `mapstructure:"tls"`
	ClientCAFile string `mapstructure:"client_ca_file" path:"true"`
	MaxBody      Size   `mapstructure:"max_body"`
	MaxBlobs     int    `mapstructure:"max_blobs"`
}

// TLS is a certificate with its key, or Off, on loopback alone.
type TLS struct {
	CertFile string `mapstructure:"cert_file" path:"true"`
	KeyFile  string `mapstructure:"key_file" path:"true"`
	Off      bool   `mapstructure:"off"`
}

// Admin is the listener for operators. An empty address: none.
type Admin struct {
	Address string `mapstructure:"address"`
}

// Keyring is the JWK set that seals blobs and stores.
type Keyring struct {
	File string `mapstructure:"file" path:"true"`
}

// Audit is where the audit lines go.
type Audit struct {
	File string `mapstructure:"file" path:"true"`
}

// Archive is the folder for documents that a store could not hold all of. An
// empty Dir: none.
type Archive struct {
	Dir string `mapstructure:"dir" path:"true"`
}

// Store is one configured, named backend. Sections holds the part that only
// the backend's driver understands, under the backend's name.
type Store struct {
	Name            string         `mapstructure:"name"`
	Backend         string         `mapstructure:"backend"`
	ReadOnly        bool           `mapstructure:"read_only"`
	RetentionDays   int            `mapstructure:"retention_days"`
	PurgeProtection bool           `mapstructure:"purge_protection"`
	OnLoss          string         `mapstructure:"on_loss"`
	Timeout         time.Duration  `mapstructure:"timeout"`
	Concurrency     int            `mapstructure:"concurrency"`
	Sections        map[string]any `mapstructure:",remain"`

	refs *refs
}

// Dialects are the wire APIs in front.
type Dialects struct {
	Azure  Azure  `mapstructure:"azure"`
	Huawei Huawei `mapstructure:"huawei"`
}

// Azure is the dialect of Azure Key Vault.
type Azure struct {
	Authority string       `mapstructure:"authority"`
	Resource  string       `mapstructure:"resource"`
	Routes    []AzureRoute `mapstructure:"routes"`
}

// AzureRoute gives a host name its store. Host "*" takes every other host, and
// "*.NAME" every one with one label more, which {1} in Prefix stands for.
// Prefix is a folder of the store that clients take for all of it.
type AzureRoute struct {
	Host     string `mapstructure:"host"`
	Store    string `mapstructure:"store"`
	Resource string `mapstructure:"resource"`
	Prefix   string `mapstructure:"prefix"`
}

// Huawei is the dialect of Huawei Cloud CSMS. Domain is the name of the account
// that IAM's users log in to; a caller's client is a user with its password.
type Huawei struct {
	Domain string        `mapstructure:"domain"`
	Routes []HuaweiRoute `mapstructure:"routes"`
}

// HuaweiRoute gives a project id its store. Name is the project's name, which
// clients that do not know the id look up: that of their region. Default: the
// id.
type HuaweiRoute struct {
	Project string `mapstructure:"project"`
	Name    string `mapstructure:"name"`
	Store   string `mapstructure:"store"`
}

// Login hands out tokens where there is no cloud. An empty host: none.
type Login struct {
	Host string `mapstructure:"host"`
}

// Caller is one who may call, and how the gateway knows it.
type Caller struct {
	Name       string      `mapstructure:"name"`
	Client     *Client     `mapstructure:"client"`
	Tokens     []Token     `mapstructure:"tokens"`
	AccessKeys []AccessKey `mapstructure:"access_keys"`
}

// Client is a pair of client credentials for login, and a user name with its
// password for IAM.
type Client struct {
	ID     string       `mapstructure:"id"`
	Secret secret.Value `mapstructure:"secret"`
}

// AccessKey is an AK/SK pair, or a sealed one.
type AccessKey struct {
	ID     string       `mapstructure:"id"`
	Secret secret.Value `mapstructure:"secret"`
	Sealed string       `mapstructure:"sealed"`
}

// Rule grants; see access.Rule.
type Rule struct {
	Callers []string `mapstructure:"callers"`
	Allow   []string `mapstructure:"allow"`
	Stores  []string `mapstructure:"stores"`
	Names   []string `mapstructure:"names"`
	From    []string `mapstructure:"from"`
}

// Default returns what holds where the file says nothing.
func Default() *Config {
	return &Config{
		Server: Server{Address: "127.0.0.1:8443", MaxBody: 64 << 20, MaxBlobs: 4},
		Admin:  Admin{Address: "127.0.0.1:8444"},
		Keyring: Keyring{
			File: "keyring.json",
		},
		Audit:    Audit{File: "audit.jsonl"},
		Dialects: Dialects{Azure: Azure{Authority: "https://login.vault.localhost/adfs"}, Huawei: Huawei{Domain: "vaultferry"}},
	}
}
