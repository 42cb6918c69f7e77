package issuer

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// Assertion proves what comes to the login in the place of a secret: a token of an
// issuer's that is the caller's. The same one may come again. Its error is a
// *access.TokenError.
func (s *Set) Assertion(raw, caller string) (Identity, error) {
	p, err := s.prove(raw)
	if err != nil {
		return Identity{}, err
	}
	if err := p.live(s.now()); err != nil {
		return Identity{}, err
	}
	audiences, err := p.intended(p.trust.AssertionAudiences)
	if err != nil {
		return Identity{}, err
	}
	b, err := p.caller(audiences, func(b *binding) bool { return b.Caller == caller })
	if err != nil {
		return Identity{}, err
	}
	return s.identify(p, b)
}

// Prints tell the caller's bindings from what takes their place later.
func (s *Set) Prints(caller string) [][sha256.Size]byte {
	var all [][sha256.Size]byte
	for _, b := range s.callers[caller] {
		all = append(all, b.print)
	}
	return all
}

// BoundsOf are the bounds of the caller's binding that is known by the print; nil:
// there is no such one.
func (s *Set) BoundsOf(caller string, is func(print [sha256.Size]byte) bool) *access.Bounds {
	for _, b := range s.callers[caller] {
		if is(b.print) {
			return &b.Bounds
		}
	}
	return nil
}

// ClientKey is a public key whose private half signs a client's assertions.
type ClientKey struct {
	public any
	// Print is its thumbprint, RFC 7638 with SHA-256.
	Print [sha256.Size]byte
	// Bounds are the key's own, beside those of its client.
	Bounds access.Bounds
}

// Name is what the audit calls the key, as one of that client's.
func (k ClientKey) Name(client string) string { return client + "/" + hex.EncodeToString(k.Print[:8]) }

// ReadClientKey reads a certificate or a public key in PEM. Of a certificate the
// key alone counts: it is the configuration that trusts it.
func ReadClientKey(file string) (ClientKey, error) {
	b, err := readBounded(file, maxDocument)
	if err != nil {
		return ClientKey{}, err
	}
	var public any
	switch block, _ := pem.Decode(b); {
	case block == nil:
		return ClientKey{}, fmt.Errorf("%s is not PEM", file)
	case block.Type == "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return ClientKey{}, fmt.Errorf("%s: %w", file, err)
		}
		public = c.PublicKey
	case block.Type == "PUBLIC KEY":
		if public, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return ClientKey{}, fmt.Errorf("%s: %w", file, err)
		}
	default:
		return ClientKey{}, fmt.Errorf("%s holds neither a certificate nor a public key", file)
	}
	if algorithmsOf(public) == nil {
		return ClientKey{}, fmt.Errorf("%s: use RSA with %d bits or more, or P-256, P-384, P-521 or Ed25519", file, minRSA)
	}
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return ClientKey{}, fmt.Errorf("%s: %w", file, err)
	}
	return ClientKey{public: public, Print: [sha256.Size]byte(sum)}, nil
}

// MaxOwnLife is how long an assertion that a client signed itself may live.
const MaxOwnLife = 10 * time.Minute

// OwnAssertion proves an assertion that a client signed with one of its own keys
// (RFC 7523): it names the client as iss and sub, and one of the audiences. It
// returns the key. Its error is a *access.TokenError.
func OwnAssertion(raw, client string, keys []ClientKey, audience func(string) bool, now time.Time) (ClientKey, error) {
	t, err := parse(raw)
	if err != nil {
		return ClientKey{}, err
	}
	if t.claims.text("iss") != client || t.claims.text(Subject) != client {
		return ClientKey{}, &access.TokenError{Fault: access.UnknownIssuer, Header: t.head}
	}
	i := slices.IndexFunc(keys, func(k ClientKey) bool { return verifies(k, t, client) })
	if i < 0 {
		return ClientKey{}, badSignature(t.head)
	}
	p := &proof{claims: t.claims, trust: &trust{Issuer: Issuer{MaxLife: MaxOwnLife, Name: "client " + client}}}
	if err := p.examine(); err != nil {
		return ClientKey{}, err
	}
	if err := p.live(now); err != nil {
		return ClientKey{}, err
	}
	has := t.claims.texts("aud")
	if !slices.ContainsFunc(has, audience) {
		_, err := p.intended(nil)
		return ClientKey{}, err
	}
	return keys[i], nil
}

func verifies(k ClientKey, t *token, client string) bool {
	if !slices.Contains(algorithmsOf(k.public), t.header.alg) {
		return false
	}
	v := oidc.NewVerifier(client, chosenKeys{}, &oidc.Config{SupportedSigningAlgs: []string{t.header.alg}, SkipClientIDCheck: true, SkipExpiryCheck: true})
	_, err := v.Verify(withKeys(context.Background(), []any{k.public}), t.raw)
	return err == nil
}

// Names reports whether a token names the client as its issuer and subject: it is
// one of the client's own.
func Names(raw, client string) bool {
	t, err := parse(raw)
	return err == nil && t.claims.text("iss") == client && t.claims.text(Subject) == client
}
