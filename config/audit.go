package config

import "time"

// Audit is the log of every request.
type Audit struct {
	// File is the file that gets one JSON line or two for each request; a request whose line cannot be written fails.
	File string `mapstructure:"file" path:"true" loaded:"false" example:"log/audit.jsonl"`
	// MaxSize is the size of the file at which the gateway moves it to a name with the time and goes on in another one; 0
	// is never. The gateway removes no file.
	MaxSize Size `mapstructure:"max_size" min:"0" example:"1GiB"`
	// MaxAge is the age at which it does the same; 0 is never.
	MaxAge time.Duration `mapstructure:"max_age" example:"24h"`
	// LowWater is the room on the disk below which the gateway warns, in its log, its metrics and `/readyz`: on a full disk
	// it refuses every request.
	LowWater Size `mapstructure:"low_water" min:"0" example:"1GiB"`
	// Syslog is a collector that gets each line as well, as RFC 5424 over TLS.
	Syslog Syslog `mapstructure:"syslog" example:"{ address: logs.example.com:6514 }"`
	// Witnesses are other gateways, or witnesses of C2SP's tlog-witness protocol, that sign each checkpoint as well.
	Witnesses []AuditWitness `mapstructure:"witnesses" example:"[ { url: 'https://gw2.example.com:8443', gateway: 0123456789abcdef0123456789abcdef, key_file: gw2-keys.json } ]"`
	// Witness makes this gateway sign the checkpoints of others.
	Witness Witness `mapstructure:"witness" example:"{ key_file: gw1-keys.json, file: witness.json }"`
}

// AuditWitness is one that signs this gateway's checkpoints as well.
type AuditWitness struct {
	// URL is where the witness listens; the gateway adds `/audit-witness/add-checkpoint`.
	URL string `mapstructure:"url" required:"true" example:"https://gw2.example.com:8443"`
	// Gateway is the witness's `gateway.id`; without one, the id that `vaultferry keys list` prints there.
	Gateway string `mapstructure:"gateway" required:"true" example:"0123456789abcdef0123456789abcdef"`
	// KeyFile holds the witness's public keys, as `vaultferry keys public --signing` writes them there.
	KeyFile string `mapstructure:"key_file" path:"true" required:"true" example:"gw2-keys.json"`
	// CAFile is a PEM file of the certificate authorities that the witness's certificate must come from; the system's, if it
	// is empty.
	CAFile string `mapstructure:"ca_file" path:"true" example:"tls/gw2-ca.pem"`
}

// Witness makes this gateway sign the checkpoints of other gateways' audits, if
// those have only grown since the last one.
type Witness struct {
	// File is where it remembers what it signed; empty is no witness.
	File string `mapstructure:"file" path:"true" loaded:"false" example:"witness.json"`
	// KeyFile holds the public keys of the gateways whose audits it signs, as `vaultferry keys public --signing` writes them;
	// or several such keys in PEM.
	KeyFile string `mapstructure:"key_file" path:"true" example:"gw1-keys.json"`
}

// Syslog is a collector that gets each line of the audit as well, as RFC 5424
// over TLS. No request waits for it: what it misses is counted, and stands in
// the file.
type Syslog struct {
	// Address is the HOST:PORT of the collector; empty is none.
	Address string `mapstructure:"address" example:"logs.example.com:6514"`
	// CAFile is a PEM file of the certificate authorities that the collector's certificate must come from; the system's, if
	// it is empty.
	CAFile string `mapstructure:"ca_file" path:"true" example:"tls/logs-ca.pem"`
	// CertFile is the PEM file of the gateway's own certificate, for a collector that asks for one.
	CertFile string `mapstructure:"cert_file" path:"true" example:"tls/logs-client.pem"`
	// KeyFile is the PEM file of its private key.
	KeyFile string `mapstructure:"key_file" path:"true" example:"tls/logs-client-key.pem"`
}
