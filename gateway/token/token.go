// Package token signs and proves what a gateway hands out in place of a
// password: JWTs under the keyring's signing key. Every gateway with the same
// keyring accepts them, before and after a restart; none remembers them.
package token

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
)

// maxToken bounds what is looked at, in bytes.
const maxToken = 8 << 10

// algorithms are those of a keyring's signing keys: no token chooses another,
// "none" least of all.
var algorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256}

// ErrNoKey is the error of New where no key of the keyring signs.
var ErrNoKey = errors.New("no key of the keyring signs, so there can be no tokens")

// Minter makes tokens of one type with claims C, and proves them. A token of
// another type, though the same key signed it, is none. It is safe for
// concurrent use.
type Minter[C any] struct {
	typ       string
	life      time.Duration
	signer    jose.Signer
	algorithm string // of signer
	all       []backup.SigningKey
	proofs    proofs[C]
}

// New returns a minter of tokens of the type, none of which lives longer than
// life: so long a retired key is trusted.
func New[C any](ring *backup.Keyring, typ string, life time.Duration) (*Minter[C], error) {
	private, id, ok := ring.Signer()
	if !ok {
		return nil, ErrNoKey
	}
	m := &Minter[C]{typ: typ, life: life, all: ring.SigningKeys()}
	for _, key := range m.all {
		if key.ID == id {
			m.algorithm = key.Algorithm
		}
	}
	return m, m.sign(private, id)
}

func (m *Minter[C]) sign(private crypto.Signer, id string) error {
	var err error
	m.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(m.algorithm), Key: jose.JSONWebKey{Key: private, KeyID: id}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(m.typ)),
	)
	if err != nil {
		return fmt.Errorf("the signing key cannot be used: %w", err)
	}
	return nil
}

// Algorithm is the one that new tokens are signed with.
func (m *Minter[C]) Algorithm() string { return m.algorithm }

// live ends for a retired key with the last token that it signed.
func (m *Minter[C]) live(key backup.SigningKey, now time.Time) bool {
	return key.Retired.IsZero() || now.Before(key.Retired.Add(m.life))
}

func (m *Minter[C]) trusted(now time.Time) []backup.SigningKey {
	return slices.DeleteFunc(slices.Clone(m.all), func(key backup.SigningKey) bool { return !m.live(key, now) })
}

// Public holds the keys that tokens may be proved with.
func (m *Minter[C]) Public(now time.Time) jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range m.trusted(now) {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public, KeyID: key.ID, Algorithm: key.Algorithm, Use: "sig"})
	}
	return set
}

// Sign returns a token that says c.
func (m *Minter[C]) Sign(c C) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	jws, err := m.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// Prove returns what the token says, if a key that is trusted now signed it as
// a token of this type. Times and names in it are the caller's to judge. Its
// error is a *access.TokenError. Nothing that a token says is looked at before
// its signature, but for its header.
func (m *Minter[C]) Prove(token string, now time.Time) (C, error) {
	var none C
	p, err := m.proofs.find(token, func() (proof[C], error) { return m.prove(token, now) })
	if err != nil {
		return none, err
	}
	trusts := func(key backup.SigningKey) bool { return key.ID == p.key && m.live(key, now) }
	if !slices.ContainsFunc(m.all, trusts) { // no more: it did when the token was proved
		return none, badSignature(token)
	}
	return p.claims, nil
}

func badSignature(token string) error {
	head, _, _ := strings.Cut(token, ".")
	return &access.TokenError{Fault: access.BadSignature, Header: head}
}

func (m *Minter[C]) prove(token string, now time.Time) (proof[C], error) {
	if !signed(token) {
		return proof[C]{}, &access.TokenError{Fault: access.UnknownToken}
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return proof[C]{}, badSignature(token)
	}
	h := jws.Signatures[0].Protected
	for _, key := range m.trusted(now) {
		if key.ID != h.KeyID || key.Algorithm != h.Algorithm || h.ExtraHeaders[jose.HeaderType] != m.typ {
			continue
		}
		p := proof[C]{key: key.ID}
		if payload, err := jws.Verify(key.Public); err == nil && json.Unmarshal(payload, &p.claims) == nil {
			return p, nil
		}
	}
	return proof[C]{}, badSignature(token)
}

// signed reports whether it looks like a JWT: three parts of base64url, each
// in the one form that it encodes to, the first a JSON object.
func signed(token string) bool {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return false
	}
	var first []byte
	for i, p := range parts {
		b, err := backup.DecodeBase64URL(p)
		if err != nil && p != "" {
			return false
		}
		if i == 0 {
			first = b
		}
	}
	var members map[string]json.RawMessage
	return json.Unmarshal(first, &members) == nil && members != nil
}
