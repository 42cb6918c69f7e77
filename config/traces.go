package config

import "github.com/vaultferry/vaultferry/secret"

// Log is what the program says on standard error. No secret's value is in it.
type Log struct {
	// Level is from which on messages are written; `debug` says why each request was refused that has a line of its own in the audit.
	Level string `mapstructure:"level" example:"debug"`
	// Format is `text` for people and `json` for programs.
	Format string `mapstructure:"format" example:"json"`
}

// Choices lists the words that a key takes.
func (Log) Choices() map[string][]string {
	return map[string][]string{"level": {"debug", "info", "warn", "error"}, "format": {"text", "json"}}
}

// Traces tell an OpenTelemetry collector, by OTLP over HTTP, of each client's
// request, one of its operation, and one of each request to a product. No value is
// in them. No request waits for the collector.
type Traces struct {
	// Endpoint is the URL that takes traces; empty is none. The environment names none.
	Endpoint string `mapstructure:"endpoint" example:"https://otel.example.com:4318/v1/traces"`
	// CAFile is a PEM file of the certificate authorities that the collector's certificate must come from; the system's, if
	// it is empty.
	CAFile string `mapstructure:"ca_file" path:"true" example:"tls/otel-ca.pem"`
	// Token is sent to the collector as `Authorization: Bearer`.
	Token secret.Value `mapstructure:"token" example:"{ env: OTEL_TOKEN }"`
	// SamplePercent is how many of a hundred requests are traced. Where a client sends a `traceparent`, it has decided that, for 100 requests a second at most.
	SamplePercent int `mapstructure:"sample_percent" min:"0" max:"100" example:"1"`
	// Names has spans of operations name the secret.
	Names bool `mapstructure:"names"`
}
