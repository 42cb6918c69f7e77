// Package access knows who may do what: callers, their credentials, and the
// policy. It knows nothing of HTTP.
package access

import (
	"crypto/sha256"
	"encoding/hex"
)

// Action is a word of the policy.
type Action string

// The actions. Huawei's and Azure's operations map onto them; the mapping is
// each dialect's.
const (
	Get     Action = "get"     // a value
	List    Action = "list"    // names and metadata
	Set     Action = "set"     // a new secret or version
	Update  Action = "update"  // tags, stages, expiry, description
	Delete  Action = "delete"  // recoverably
	Recover Action = "recover" // undo a delete
	Purge   Action = "purge"   // for ever
	Backup  Action = "backup"  // a sealed blob
	Restore Action = "restore" // a secret from a blob
)

// Actions lists every action, sorted.
func Actions() []Action {
	return []Action{Backup, Delete, Get, List, Purge, Recover, Restore, Set, Update}
}

// Caller is who a dialect proved the sender to be. The zero Caller is nobody.
type Caller struct {
	ID  string // stable; goes to the audit log
	Via string // how the request came: "azure", "huawei", "cli"
	// Credential is what the proof was made with, for the audit: its kind, a
	// colon, and its id or the beginning of its digest. Empty: nobody asked.
	Credential string
	// Groups are those that the proof itself names, beside the configured ones.
	Groups []string
	// Bounds are those of the configured credential that the proof comes of: see
	// Judge. Nil: it has none.
	Bounds *Bounds
}

// Kinds of credentials.
const (
	StaticToken  = "token"         // with its name, or else the digest
	LoginToken   = "login-token"   // with the client's id
	ClientSecret = "client"        // the same
	ClientKey    = "client-key"    // with the client's id, a slash, and the beginning of the key's thumbprint
	IssuerToken  = "issuer-token"  // with the issuer's name, a slash, and the user claim
	SigningKey   = "key"           // with the key's id
	TemporaryKey = "temporary-key" // the same
	IAMToken     = "iam-token"     // with the digest

	ManagedIdentity = "managed-identity" // with the identity's id
	IdentityToken   = "identity-token"   // the same
)

// CredentialOf names a credential by its id.
func CredentialOf(kind, id string) string { return kind + ":" + id }

// DigestedCredential names one that is secret itself.
func DigestedCredential(kind, text string) string {
	return digested(kind, sha256.Sum256([]byte(text)))
}

func digested(kind string, sum [sha256.Size]byte) string {
	return CredentialOf(kind, digestOf(sum))
}

func digestOf(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:8]) }

// Local returns the caller that commands on this machine act as.
func Local(user string) Caller { return Caller{ID: localPrefix + user, Via: "cli"} }

const localPrefix = "local:"
