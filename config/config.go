// Package config reads and checks the configuration of the gateway. Load
// returns every problem at once, each with its key path; what it returns
// without one is ready to be opened.
package config

import (
	"cmp"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Config is the whole file. Keys of capabilities that do not exist yet are
// read too: Load notes which do nothing.
//
// docs/configuration.md and schema.json are made from these structs and those
// of the backends: from the comments, the defaults, Choices and the tags
// example, required, min, max and default (in words, where the code has none).
type Config struct {
	// Gateway says which backups are this gateway's own.
	Gateway Gateway `mapstructure:"gateway" example:"{ id: 00112233445566778899aabbccddeeff }"`
	// Server is the listener that clients of both APIs use.
	Server Server `mapstructure:"server" example:"{ address: 0.0.0.0:8443, tls: { cert_file: tls/cert.pem, key_file: tls/key.pem } }"`
	// Admin is the listener for operators: liveness, readiness and metrics.
	Admin Admin `mapstructure:"admin"`
	// Control is the socket on which commands on this machine use the running gateway.
	Control Control `mapstructure:"control"`
	// Reload is how a running gateway comes by a change of its configuration, beside `vaultferry reload`.
	Reload Reload `mapstructure:"reload" example:"{ watch: 5s }"`
	// Keyring holds the keys that encrypt backups and bolt stores.
	Keyring Keyring `mapstructure:"keyring"`
	// Audit is the log of every request.
	Audit Audit `mapstructure:"audit"`
	// Log is what the program says on standard error.
	Log Log `mapstructure:"log" example:"{ level: debug, format: json }"`
	// Traces are sent to a collector of OpenTelemetry.
	Traces Traces `mapstructure:"traces" example:"{ endpoint: 'https://otel.example.com:4318/v1/traces', sample_percent: 1 }"`
	// Archive is where whole backups are kept when a store cannot hold all of them.
	Archive Archive `mapstructure:"archive"`
	// Stores are the places where secrets lie; each has a name of its own.
	Stores []Store `mapstructure:"stores" required:"true" example:"[ { name: payments, backend: bolt, bolt: { path: data/payments.db } } ]"`
	// Dialects are the two APIs, and which of their addresses leads to which store.
	Dialects Dialects `mapstructure:"dialects" example:"{ azure: { routes: [ { host: payments.vault.localhost, store: payments } ] } }"`
	// Login gives tokens to programs built on Azure's SDKs, without a cloud.
	Login Login `mapstructure:"login"`
	// Issuers are those whose tokens prove callers: Entra, Kubernetes, GitHub, GitLab, SPIFFE and others.
	Issuers []Issuer `mapstructure:"issuers" example:"[ { name: github, issuer: 'https://token.actions.githubusercontent.com' } ]"`
	// ManagedIdentity gives tokens to programs on this machine, as Azure's App Service does.
	ManagedIdentity IdentityEndpoint `mapstructure:"managed_identity" example:"{ address: 127.0.0.1:8445 }"`
	// CallersFile is a file of the program's own, in which `vaultferry callers` keeps tokens and access keys of the callers,
	// beside those that stand here; the secrets in it are sealed with the keyring, or hashed.
	CallersFile string `mapstructure:"callers_file" path:"true" example:"callers.json"`
	// Callers are the programs and people that may call, with their credentials.
	Callers []Caller `mapstructure:"callers" example:"[ { name: app, tokens: [ { env: APP_TOKEN } ] } ]"`
	// Groups are callers under one name, for rules of the policy.
	Groups []Group `mapstructure:"groups" example:"[ { name: payments, callers: [app] } ]"`
	// Policy is the list of what callers may do; what no rule allows is denied.
	Policy []Rule `mapstructure:"policy" example:"[ { callers: [app], allow: [get, list], stores: [payments], names: ['app-*'] } ]"`

	refs *refs
	// unresolved says what is wrong with the keys that Unresolved is about.
	unresolved map[string]string
}

// Gateway says which gateway this is. Which backups are its own goes by `id`: a rule of
// the policy without `from` restores no others.
type Gateway struct {
	// ID is 32 lower-case hex digits that backups carry as the gateway that they came from; `vaultferry init` writes
	// fresh ones. Replicas have the same, and other gateways with the same keyring have others.
	ID string `mapstructure:"id" default:"that of the keyring" example:"00112233445566778899aabbccddeeff"`
	// Name is what `vaultferry status` calls this one of several gateways over a store of kind `postgres`; at most 64 bytes.
	Name string `mapstructure:"name" default:"that of the machine" example:"gw-1"`
}

// Server is the listener that clients of both APIs use.
type Server struct {
	// Address is the HOST:PORT that the gateway listens on.
	Address string `mapstructure:"address" example:"0.0.0.0:8443"`
	// TLS is the certificate of the listener.
	TLS TLS `mapstructure:"tls" example:"{ cert_file: tls/cert.pem, key_file: tls/key.pem }"`
	// ClientCAFile is a PEM file of certificate authorities, from which certificates of clients must come.
	ClientCAFile string `mapstructure:"client_ca_file" path:"true" example:"tls/clients-ca.pem"`
	// ClientAuth is what `client_ca_file` means to clients: `require` lets nobody in without a certificate, `request` asks
	// for one. A certificate proves its caller, if one has it in `certificates`, and needs no other credential.
	ClientAuth string `mapstructure:"client_auth" example:"request"`
	// MaxBody is the largest request that restores a backup; other requests have smaller limits of their own.
	MaxBody Size `mapstructure:"max_body" min:"1MiB" example:"128MiB"`
	// MaxBlobs is how many backups and restores run at once; more wait.
	MaxBlobs int `mapstructure:"max_blobs" min:"1" example:"8"`
	// MaxConnections is how many connections of clients are open at once, of which one address, or in IPv6 one /64, may
	// have a quarter; more are closed at once.
	MaxConnections int `mapstructure:"max_connections" min:"16" example:"10000"`
	// ShutdownDelay is how long a gateway that was told to stop goes on to serve while `/readyz` answers 503, so that
	// load balancers find out first. Requests that run then have 30 seconds to finish.
	ShutdownDelay time.Duration `mapstructure:"shutdown_delay" example:"5s"`
	// TrustedProxies are the addresses and networks of proxies in front of the gateway: who they say that the client is
	// goes to the audit and is slowed where it fails to log in. They say it in `X-Forwarded-For`, unless
	// `proxy_protocol` is true. Nobody else is believed.
	TrustedProxies []string `mapstructure:"trusted_proxies" example:"[10.0.0.5, 10.0.1.0/24]"`
	// ProxyProtocol expects each connection of a trusted proxy to begin with a header of the PROXY protocol, version 1
	// or 2, as proxies that pass TLS on write it. Others connect as they would without.
	ProxyProtocol bool `mapstructure:"proxy_protocol"`
}

// Choices lists the words that a key takes.
func (Server) Choices() map[string][]string {
	return map[string][]string{"client_auth": {ClientAuthRequire, ClientAuthRequest}}
}

// What server.client_auth may be.
const (
	ClientAuthRequire = "require"
	ClientAuthRequest = "request"
)

// TLS is a certificate with its key, or one of an ACME server, or Off, on loopback
// alone.
type TLS struct {
	// CertFile is the PEM file of the certificate and its chain; needed unless `off` is true.
	CertFile string `mapstructure:"cert_file" path:"true" example:"tls/cert.pem"`
	// KeyFile is the PEM file of the private key; needed unless `off` is true.
	KeyFile string `mapstructure:"key_file" path:"true" example:"tls/key.pem"`
	// ACME gets the certificate from an ACME server, in the place of `cert_file` and `key_file`.
	ACME ACME `mapstructure:"acme" example:"{ directory: 'https://acme-v02.api.letsencrypt.org/directory', accept_terms: true }"`
	// Off serves plain HTTP, which is allowed on a loopback address alone.
	Off bool `mapstructure:"off"`
}

// ACME gets certificates from an ACME server (RFC 8555), and renews them, by
// tls-alpn-01: the server connects to port 443 of each host, which must lead to this
// gateway.
type ACME struct {
	// Directory is the URL of the server's directory; empty is no ACME.
	Directory string `mapstructure:"directory" example:"https://acme-v02.api.letsencrypt.org/directory"`
	// AcceptTerms says that you accept the server's terms of service; needed.
	AcceptTerms bool `mapstructure:"accept_terms" example:"true"`
	// Email is where the server writes about certificates that it has trouble with.
	Email string `mapstructure:"email" example:"ops@example.com"`
	// Hosts get a certificate beside those of the routes and `login.host`, each its own.
	Hosts []string `mapstructure:"hosts" example:"[csms.vault.example.com]"`
	// Dir is the folder for the account's key, the certificates and their keys; its parent must exist.
	Dir string `mapstructure:"dir" path:"true" loaded:"false" example:"/var/lib/vaultferry/acme"`
	// CAFile is a PEM file of the certificate authorities that the server's own certificate must come from; the system's, if
	// it is empty.
	CAFile string `mapstructure:"ca_file" path:"true" example:"tls/acme-ca.pem"`
}

// Control is the unix socket on which commands on this machine use the running
// gateway. The gateway's own user and root may use it.
type Control struct {
	// Socket is the path of the socket; `""` turns it off.
	Socket string `mapstructure:"socket" path:"true" loaded:"false" example:"/run/vaultferry/vaultferry.sock"`
}

// Reload is how a running gateway comes by a change of its configuration, beside
// `vaultferry reload` and SIGHUP.
type Reload struct {
	// Watch is how often the gateway looks whether its configuration or a file that this names has changed, through links;
	// 0 is never. It takes what has stayed as it is for a second, as `vaultferry reload` does.
	Watch time.Duration `mapstructure:"watch" default:"0s" example:"5s"`
}

// Archive is where whole backups are kept when a store cannot hold all of them.
type Archive struct {
	// Dir is the folder for stores with `on_loss: archive`, which need it; its parent must exist.
	Dir string `mapstructure:"dir" path:"true" loaded:"false" example:"archive"`
}

// Store is one configured, named backend. Beside these keys each has a section
// that is called like its backend.
type Store struct {
	// Name is what the rest of the configuration, the commands and the audit call the store.
	Name string `mapstructure:"name" required:"true" example:"payments"`
	// Backend is the kind of product that holds the secrets.
	Backend string `mapstructure:"backend" required:"true"`
	// ReadOnly refuses every write to the store.
	ReadOnly bool `mapstructure:"read_only"`
	// RetentionDays is how many days a deleted secret can be recovered, or fewer where the product keeps it for less.
	RetentionDays int `mapstructure:"retention_days" min:"7" max:"90" example:"30"`
	// PurgeProtection refuses to purge a deleted secret before its retention is over.
	PurgeProtection bool `mapstructure:"purge_protection"`
	// OnLoss is what a restore does if the product cannot hold all of the secret: `fail` refuses it, `accept` writes
	// what fits, `trim-oldest` leaves out the oldest versions that are too many, unless a role or stage names them, and
	// refuses any other loss, `archive` keeps the whole backup in `archive.dir` first.
	OnLoss string `mapstructure:"on_loss" example:"archive"`
	// Timeout is how long a client's request may wait for the store, retries included. Commands have --timeout.
	Timeout time.Duration `mapstructure:"timeout" example:"10s"`
	// Concurrency is how many calls the product gets at once; more wait.
	Concurrency int `mapstructure:"concurrency" min:"0" example:"16"`
	// Sections hold what only the backend's driver understands, by its kind.
	Sections map[string]any `mapstructure:",remain"`

	refs *refs
}

// Choices lists the words that a key takes.
func (Store) Choices() map[string][]string {
	var words []string
	for _, w := range gateway.OnLosses() {
		words = append(words, string(w))
	}
	return map[string][]string{"on_loss": words}
}

// SetDefaults fills what is empty.
func (s *Store) SetDefaults() {
	s.OnLoss = cmp.Or(s.OnLoss, string(gateway.LossFail))
	s.Timeout = cmp.Or(s.Timeout, gateway.DefaultTimeout)
	s.Concurrency = cmp.Or(s.Concurrency, gateway.DefaultConcurrency)
	s.RetentionDays = cmp.Or(s.RetentionDays, gateway.DefaultRetentionDays)
}

// Dialects are the two APIs in front. Their routes say which address leads to
// which store.
type Dialects struct {
	// Azure is the API of Azure Key Vault secrets.
	Azure Azure `mapstructure:"azure" example:"{ routes: [ { host: payments.vault.localhost, store: payments } ] }"`
	// Huawei is the API of Huawei Cloud CSMS.
	Huawei Huawei `mapstructure:"huawei" example:"{ routes: [ { project: '0123456789abcdef0123456789abcdef', store: payments } ] }"`
}

// Azure is the API of Azure Key Vault secrets. The host name that a client asks
// chooses the store.
type Azure struct {
	// Authority is the URL at which clients are told to get their token; with `login.host` it is the login, unless it is
	// set here. On that host, clients are told the port that they asked, unless a port is given.
	Authority string `mapstructure:"authority" example:"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555"`
	// Resource is the URL that clients are told to ask a token for, which must be a parent domain of their host.
	Resource string `mapstructure:"resource" default:"the parent domain of the host" example:"https://vault.azure.net"`
	// Routes are the host names, and the store that each leads to.
	Routes []AzureRoute `mapstructure:"routes"`
}

// AzureRoute gives a host name its store.
type AzureRoute struct {
	// Host is the host name of the vault's URL; `"*.NAME"` takes every host with one label more than NAME, and `"*"`
	// every host that no other route takes.
	Host string `mapstructure:"host" required:"true" example:"payments.vault.localhost"`
	// Store is the `name` of the store that the host leads to.
	Store string `mapstructure:"store" required:"true" example:"payments"`
	// Resource is what `dialects.azure.resource` is, for this host alone.
	Resource string `mapstructure:"resource" default:"that of dialects.azure" example:"https://vault.example.com"`
	// Prefix is a folder of the store that clients of this host take for all of it; `{1}` stands for the label that
	// `*` took.
	Prefix string `mapstructure:"prefix" default:"the whole store" example:"teams/red/"`
}

// Huawei is the API of Huawei Cloud CSMS. The project id in a request's path
// chooses the store.
type Huawei struct {
	// Domain is the name of the account that users of IAM log in to.
	Domain string `mapstructure:"domain" example:"example"`
	// RequireSignedHost refuses a signature that leaves out the header `Host`. Without it a request that was signed for
	// one gateway is good at every other one with the same key. The
	// vendor's own SDKs and Terraform leave it out, so this is for clients of your own.
	RequireSignedHost bool `mapstructure:"require_signed_host"`
	// Routes are the projects, and the store that each leads to.
	Routes []HuaweiRoute `mapstructure:"routes"`
}

// HuaweiRoute gives a project id its store.
type HuaweiRoute struct {
	// Project is the project id that clients put into the path: up to 64 letters, digits, `-` and `_`.
	Project string `mapstructure:"project" required:"true" example:"'0123456789abcdef0123456789abcdef'"`
	// Name is the project's name, by which clients look up the id: that of their region.
	Name string `mapstructure:"name" default:"the project id" example:"cn-north-4"`
	// Store is the `name` of the store that the project leads to.
	Store string `mapstructure:"store" required:"true" example:"payments"`
}

// Login gives tokens to programs built on Azure's SDKs, without a cloud. Each
// logs in as the `client` of a caller.
type Login struct {
	// Host is the host name of the login; without it there is none.
	Host string `mapstructure:"host" example:"login.vault.localhost"`
}

// IdentityEndpoint is a listener for programs on the gateway's own machine, plain
// HTTP on a loopback address. Azure's SDKs find it by their environment and get
// tokens of the login from it.
type IdentityEndpoint struct {
	// Address is the HOST:PORT of the listener, on loopback; empty is none. Clients have `http://HOST:PORT/msi/token` as
	// `IDENTITY_ENDPOINT`.
	Address string `mapstructure:"address" example:"127.0.0.1:8445"`
}

// Caller is a program or person that may call, with its credentials. What it
// may do stands in `policy`.
type Caller struct {
	// Name is what the policy and the audit call the caller; it cannot begin with `local:` or `group:`, or hold `*` or `?`.
	Name string `mapstructure:"name" required:"true" example:"app"`
	// Client is a client id and secret for `login.host`, and a user with its password for Huawei's IAM.
	Client *Client `mapstructure:"client" example:"{ id: app, secret: { env: APP_SECRET } }"`
	// Tokens are bearer tokens, for the headers `Authorization` and `X-Auth-Token`: each as `{ env: NAME }`,
	// `{ file: PATH }`, or as its SHA-256 in hex, `{ sha256: HEX }`. Beside that may stand a `name` for the audit, and `expires`
	// and `addresses` as every credential may have them.
	Tokens []Token `mapstructure:"tokens" example:"[ { env: APP_TOKEN } ]"`
	// AccessKeys are the keys that sign requests to the API of Huawei Cloud CSMS.
	AccessKeys []AccessKey `mapstructure:"access_keys" example:"[ { id: AKAPP, secret: { env: APP_SK } } ]"`
	// Identities say which tokens of `issuers` are the caller's. A token that is two callers' is refused.
	Identities []Identity `mapstructure:"identities" example:"[ { issuer: github, bound_claims: [ { claim: repository_id, values: ['123456789'] } ] } ]"`
	// Certificates are what certificates of the caller are known by; see `server.client_ca_file`.
	Certificates []Certificate `mapstructure:"certificates" example:"[ { uri: 'spiffe://corp.example/payments/app' } ]"`
	// ManagedIdentity is the caller's identity at `managed_identity.address`.
	ManagedIdentity *ManagedIdentity `mapstructure:"managed_identity" example:"{ id: app, header: { env: APP_IDENTITY_HEADER } }"`
	// RateLimit is how many requests the caller may send, by all of its credentials together.
	RateLimit *RateLimit `mapstructure:"rate_limit" default:"none" example:"{ requests: 600, per: 1m }"`
	// Attributes are what rules of the policy may take from the caller, as `{caller.NAME}` in their `names`.
	Attributes Attributes `mapstructure:"attributes" example:"{ team: payments }"`
}

// Attributes are texts by name, of small letters, digits, `-` and `_`.
type Attributes map[string]string

// Pattern is the regular expression of a name.
func (Attributes) Pattern() string { return `^[a-z][a-z0-9_-]*$` }

// Client is who logs in at login. It proves itself by its secret, by an
// assertion that one of its keys signed, or by a token that is one of the
// caller's identities. With a secret it is also a user of IAM.
type Client struct {
	// ID is the client id, or the user name.
	ID string `mapstructure:"id" required:"true" example:"app"`
	// Secret is the client secret, or the password. A client with keys, or a caller with identities, may do without.
	Secret secret.Value `mapstructure:"secret"`
	// Keys are public keys: their private halves sign assertions that prove the client.
	// What the client is bound to holds for each of them, beside what the key itself is bound to.
	Keys  []ClientKey `mapstructure:"keys" example:"[ { file: keys/app-cert.pem } ]"`
	Bound `mapstructure:",squash"`
}

// AccessKey is an AK/SK pair, or a sealed one.
type AccessKey struct {
	// ID is the access key id (AK).
	ID string `mapstructure:"id" example:"AKAPP"`
	// Secret is the secret key (SK).
	Secret secret.Value `mapstructure:"secret"`
	// Sealed is an access key that is sealed with the keyring, in the place of id and secret: `vaultferry callers key seal`
	// prints it.
	Sealed string `mapstructure:"sealed" example:"eyJhbGciOi..."`
	Bound  `mapstructure:",squash"`
}

// ExactlyOne lists the keys of which one is given.
func (AccessKey) ExactlyOne() []string { return []string{"id", "sealed"} }

// Group is callers under one name. A rule of the policy takes it as `group:NAME`.
type Group struct {
	// Name is what rules call the group; it cannot hold `*` or `?`.
	Name string `mapstructure:"name" required:"true" example:"payments"`
	// Callers are patterns of names of callers.
	Callers []string `mapstructure:"callers" example:"[app, 'ci-*']"`
	// Claims are values of the claim that `identities[].groups_claim` names: a caller whose token has one is in the group.
	Claims []GroupClaim `mapstructure:"claims" example:"[ { issuer: entra, value: '77777777-6666-5555-4444-333333333333' } ]"`
}

// Rule allows callers to do something. In its patterns `*` stands for any text,
// slashes included, and `?` for one character.
//
// See access.Rule.
type Rule struct {
	// Callers are patterns of names of callers, and `group:NAME` is those of a group; `local:USER` is a person who runs
	// commands beside the configuration, and may do everything unless a rule names `local:`.
	Callers []string `mapstructure:"callers" required:"true" example:"[app]"`
	// Allow is what the rule allows: `get` values, `list` names and attributes, `set` new secrets and new versions, `update`
	// attributes, `delete` into the trash, `recover` from it, `purge` for ever, `backup`, `restore`; `"*"` is everything. Roles of Key
	// Vault and actions of Huawei stand for some of these.
	Allow []string `mapstructure:"allow" required:"true" example:"[get, list]"`
	// Stores are patterns of names of stores.
	Stores []string `mapstructure:"stores" required:"true" example:"[payments]"`
	// Names are patterns of names of secrets, as the commands and the audit spell them, and of events of CSMS.
	// `{caller.name}` and `{caller.ATTRIBUTE}` stand for what the caller has, letter by letter; a pattern grants nothing
	// to a caller who lacks what it takes.
	Names []string `mapstructure:"names" required:"true" example:"['app-*']"`
	// From is patterns of names of this gateway's stores whose backups a restore may bring in, beside those in `stores`; `"*"`
	// is any store of any gateway. A store that is not configured any more is written as a pattern: `legacy*`.
	From []string `mapstructure:"from" example:"[legacy]"`
}

// Choices lists the words that a key takes.
func (Rule) Choices() map[string][]string { return map[string][]string{"allow": access.Words()} }

// Default returns what holds where the file says nothing.
func Default() *Config {
	return &Config{
		Server: Server{Address: "127.0.0.1:8443", TLS: TLS{ACME: ACME{Dir: "acme"}}, MaxBody: 64 << 20, MaxBlobs: gateway.DefaultMaxBlobs, MaxConnections: 4096, ClientAuth: ClientAuthRequire},
		Admin:  Admin{Address: "127.0.0.1:8444"},
		Control: Control{
			Socket: "vaultferry.sock",
		},
		Audit:    Audit{File: "audit.jsonl", MaxSize: 256 << 20, LowWater: 128 << 20},
		Log:      Log{Level: "info", Format: "text"},
		Traces:   Traces{SamplePercent: 10},
		Dialects: Dialects{Azure: Azure{Authority: "https://login.vault.localhost/adfs"}, Huawei: Huawei{Domain: "vaultferry"}},
	}
}
