package config

import "github.com/vaultferry/vaultferry/secret"

// Admin is the listener for operators: `/livez`, `/readyz` and `/metrics`. It
// shows no secret.
type Admin struct {
	// Address is the HOST:PORT that serves `/livez`, `/readyz` and `/metrics`; `""` turns it off.
	Address string `mapstructure:"address" example:"0.0.0.0:8444"`
	// TLS is its certificate; without one it speaks plain HTTP.
	TLS AdminTLS `mapstructure:"tls" example:"{ cert_file: tls/admin.pem, key_file: tls/admin-key.pem }"`
	// Token is what `/metrics` and `/debug/pprof` ask for, as `Authorization: Bearer`. `/livez` and `/readyz` answer
	// without it, and name no store then. Without one nothing asks for credentials. It has 128 bits or more, as from
	// `openssl rand -hex 32`.
	Token secret.Value `mapstructure:"token" example:"{ env: ADMIN_TOKEN }"`
	// Pprof serves `/debug/pprof`, Go's profiles of the running program. No value is in them, but making one takes time:
	// beyond loopback it needs `token`.
	Pprof bool `mapstructure:"pprof"`
}

// AdminTLS is the certificate of the listener for operators. The gateway reads it
// anew at each connection.
type AdminTLS struct {
	// CertFile is the PEM file of the certificate and its chain.
	CertFile string `mapstructure:"cert_file" path:"true" loaded:"false" example:"tls/admin.pem"`
	// KeyFile is the PEM file of the private key.
	KeyFile string `mapstructure:"key_file" path:"true" loaded:"false" example:"tls/admin-key.pem"`
}
