package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// Bounds of what an issuer says.
const (
	maxDocument = 1 << 20 // bytes
	maxKeys     = 256
	minRSA      = 2048 // bits
)

// jwks is a set of public keys by their ids.
type jwks struct {
	byID map[string][]jose.JSONWebKey
	all  []jose.JSONWebKey
	sum  uint64 // of what was read
}

// uses are those of keys that sign tokens; a bundle of SPIFFE holds others too.
var uses = []string{"", "sig", "jwt-svid"}

var errNoKeys = errors.New("it holds no public key that signs tokens")

// parseKeys reads a JSON Web Key Set. It leaves out what signs no tokens, and
// what it does not know: issuers may have keys of kinds to come.
func parseKeys(b []byte) (*jwks, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, errors.New("it is no JSON Web Key Set")
	}
	if len(raw.Keys) > maxKeys {
		return nil, fmt.Errorf("it holds more than %d keys", maxKeys)
	}
	sum := sha256.Sum256(b)
	set := &jwks{byID: map[string][]jose.JSONWebKey{}, sum: binary.BigEndian.Uint64(sum[:])}
	for _, text := range raw.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) != nil || !key.IsPublic() || !slices.Contains(uses, key.Use) || algorithmsOf(key.Key) == nil {
			continue
		}
		set.byID[key.KeyID] = append(set.byID[key.KeyID], key)
		set.all = append(set.all, key)
	}
	if len(set.all) == 0 {
		return nil, errNoKeys
	}
	return set, nil
}

// algorithmsOf are those that a public key may verify: an algorithm never chooses
// a key that is not made for it.
func algorithmsOf(key any) []string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSA {
			return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		case elliptic.P521():
			return []string{"ES512"}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// find returns the keys of the header's id that fit its algorithm. A token that
// names no key is tried with the only one that fits.
func (s *jwks) find(h header) []any {
	candidates := s.byID[h.kid]
	if h.kid == "" {
		candidates = s.all
	}
	var found []any
	for _, k := range candidates {
		if (k.Algorithm == "" || k.Algorithm == h.alg) && slices.Contains(algorithmsOf(k.Key), h.alg) {
			found = append(found, k.Key)
		}
	}
	if h.kid == "" && len(found) > 1 {
		return nil
	}
	return found
}

// has reports whether there is a key of that id, for whatever it is.
func (s *jwks) has(kid string) bool { return kid != "" && len(s.byID[kid]) > 0 }

// fixed are keys that no issuer changes.
type fixed struct{ set *jwks }

func readKeys(file string) (*fixed, error) {
	b, err := readBounded(file, maxDocument)
	if err != nil {
		return nil, err
	}
	set, err := parseKeys(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &fixed{set}, nil
}

func (f *fixed) find(h header) ([]any, uint64, error) { return f.set.find(h), f.set.sum, nil }

func (f *fixed) state() uint64 { return f.set.sum }

// chosenKeys is an oidc.KeySet of the keys that were chosen for the token before.
type chosenKeys struct{}

type chosen struct{}

func withKeys(ctx context.Context, keys []any) context.Context {
	return context.WithValue(ctx, chosen{}, keys)
}

// VerifySignature implements oidc.KeySet.
func (chosenKeys) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(raw, asymmetric)
	if err != nil {
		return nil, err
	}
	keys, _ := ctx.Value(chosen{}).([]any)
	for _, k := range keys {
		if payload, err := jws.Verify(k); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("no key verifies the signature")
}

// asymmetric are the algorithms with two keys. Which of them a token may have its
// issuer says, and the keys.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Algorithms are those with two keys.
func Algorithms() []string {
	var all []string
	for _, a := range asymmetric {
		all = append(all, string(a))
	}
	return all
}

func badSignature(head string) error {
	return &access.TokenError{Fault: access.BadSignature, Header: head}
}

// plausible is a name of an issuer that nobody proved, for the audit; else empty.
func plausible(iss string) string {
	const most = 200
	if len(iss) > most || !strings.HasPrefix(iss, "https://") && !strings.HasPrefix(iss, "spiffe://") {
		return ""
	}
	return iss
}
