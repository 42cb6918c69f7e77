package backends

import "time"

// CredentialReporter is an optional part of a Backend: that of a product which
// tells until when it knows the gateway.
type CredentialReporter interface {
	// Credentials lists what the gateway proves itself by, as far as it ends and
	// the gateway knows when. It asks nobody, and is cheap.
	Credentials() []Credential
}

// Credential is something that ends by which the gateway reaches a product. No
// part of it discloses anything.
type Credential struct {
	Kind CredentialKind
	// Key is that of the store's section which it comes from: "tls.cert_file".
	Key  string
	Ends time.Time
	// Renewed: the gateway, or whoever writes the file, gets another one in time.
	Renewed bool
}

// CredentialKind is a word for people and metrics.
type CredentialKind string

// The kinds.
const (
	CredentialToken       CredentialKind = "token"
	CredentialCertificate CredentialKind = "certificate"
	CredentialAccessKey   CredentialKind = "access_key"
	CredentialPassword    CredentialKind = "password"
)
