package access

import (
	"cmp"
	"crypto/sha256"
	"fmt"

	"github.com/vaultferry/vaultferry/secret"
)

// AccessKey is one AK/SK pair. The signature scheme needs the secret itself,
// so it cannot be stored as a hash.
type AccessKey struct {
	ID     string
	Secret secret.Value
	Strong bool // see Strong
	Caller Caller
}

// Credentials finds the caller that a credential belongs to. It is safe for
// concurrent use once built.
type Credentials struct {
	tokens map[[sha256.Size]byte]Caller
	keys   map[string]AccessKey
	verify []Verifier // of issued tokens

	certificates certificates
}

// NewCredentials returns an empty set.
func NewCredentials() *Credentials {
	return &Credentials{tokens: map[[sha256.Size]byte]Caller{}, keys: map[string]AccessKey{}, certificates: certificates{of: map[Subject]Caller{}}}
}

// Credential is one of a caller's, whatever proves it.
type Credential struct {
	Caller string
	Name   string // what the audit calls it; empty: what its kind has instead
	Bounds Bounds
}

// holder is the caller, by a credential of the kind. other names it where it has
// no name of its own.
func (c Credential) holder(kind, other string) Caller {
	who := Caller{ID: c.Caller, Credential: CredentialOf(kind, cmp.Or(c.Name, other))}
	if !c.Bounds.Expires.IsZero() || c.Bounds.Addresses != nil {
		who.Bounds = &c.Bounds
	}
	return who
}

// AddToken registers a bearer token by its SHA-256. A token belongs to one
// caller alone.
func (c *Credentials) AddToken(hash [sha256.Size]byte, of Credential) error {
	if had, ok := c.tokens[hash]; ok {
		return fmt.Errorf("the same token is given to %q and %q", had.ID, of.Caller)
	}
	c.tokens[hash] = of.holder(StaticToken, digestOf(hash))
	return nil
}

// AddAccessKey registers an AK/SK pair, whose name is its id.
func (c *Credentials) AddAccessKey(id string, sk secret.Value, of Credential) error {
	if had, ok := c.keys[id]; ok {
		return fmt.Errorf("access key %q is given to %q and %q", id, had.Caller.ID, of.Caller)
	}
	of.Name = id
	c.keys[id] = AccessKey{ID: id, Secret: sk, Strong: Strong(sk.Reveal()), Caller: of.holder(SigningKey, id)}
	return nil
}

// Token returns the caller who holds the token. Looking up by hash tells an
// attacker nothing about how much of a guess was right.
func (c *Credentials) Token(token, via string) (Caller, bool) {
	var room [128]byte // on the stack, where the token fits
	return c.TokenOf(sha256.Sum256(append(room[:0], token...)), via)
}

// TokenOf is Token by the token's SHA-256.
func (c *Credentials) TokenOf(hash [sha256.Size]byte, via string) (Caller, bool) {
	who, ok := c.tokens[hash]
	who.Via = via
	return who, ok
}

// AccessKey returns the key with the id.
func (c *Credentials) AccessKey(id, via string) (AccessKey, bool) {
	k, ok := c.keys[id]
	k.Caller.Via = via
	return k, ok
}
