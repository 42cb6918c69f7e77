package login

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
)

const (
	// life of a token. Clients fetch the next one some minutes before.
	life = time.Hour
	// leeway lets in what another gateway issued whose clock is ahead.
	leeway = time.Minute

	maxToken = 8 << 10
	// tokenType keeps whatever else the keyring signs from passing for a token.
	tokenType = "at+jwt"
)

// algorithms are those of a keyring's signing keys: no token chooses another,
// "none" least of all.
var algorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256}

// claims are the payload. They name the caller and the client both, so that a
// token ends with either.
type claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Caller    string `json:"sub"`
	Client    string `json:"appid"`
	Issued    int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	ID        string `json:"jti"`
}

// keys sign, and verify what any of them signed.
type keys struct {
	signer    jose.Signer
	algorithm string // of signer
	all       []backup.SigningKey
}

func newKeys(ring *backup.Keyring) (keys, error) {
	private, id, ok := ring.Signer()
	if !ok {
		return keys{}, errors.New("login: no key of the keyring signs, so there can be no tokens")
	}
	k := keys{all: ring.SigningKeys()}
	for _, key := range k.all {
		if key.ID == id {
			k.algorithm = key.Algorithm
		}
	}
	return k, k.sign(private, id)
}

func (k *keys) sign(private crypto.Signer, id string) error {
	var err error
	k.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.algorithm), Key: jose.JSONWebKey{Key: private, KeyID: id}},
		(&jose.SignerOptions{}).WithType(tokenType),
	)
	if err != nil {
		return fmt.Errorf("login: the signing key cannot be used: %w", err)
	}
	return nil
}

// live ends for a retired key with the last token that it signed.
func live(key backup.SigningKey, now time.Time) bool {
	return key.Retired.IsZero() || now.Before(key.Retired.Add(life))
}

func (k *keys) trusted(now time.Time) []backup.SigningKey {
	return slices.DeleteFunc(slices.Clone(k.all), func(key backup.SigningKey) bool { return !live(key, now) })
}

func (k *keys) trusts(id string, now time.Time) bool {
	return slices.ContainsFunc(k.all, func(key backup.SigningKey) bool { return key.ID == id && live(key, now) })
}

func (k *keys) public(now time.Time) jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range k.trusted(now) {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public, KeyID: key.ID, Algorithm: key.Algorithm, Use: "sig"})
	}
	return set
}

// issue returns a token for the client.
func (l *Login) issue(c Client, issuer, audience string) (string, error) {
	now := l.now()
	payload, err := json.Marshal(claims{
		Issuer: issuer, Audience: audience, Caller: c.Caller, Client: c.ID,
		Issued: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(life).Unix(), ID: uuid.NewString(),
	})
	if err != nil {
		return "", err
	}
	jws, err := l.keys.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// Verify is an access.Verifier. Nothing that a token says is looked at before
// its signature, but for its header.
func (l *Login) Verify(token string) (access.Grant, error) {
	now := l.now()
	p, err := l.proofs.find(token, func() (proof, error) { return l.keys.prove(token, now) })
	if err != nil {
		return access.Grant{}, err
	}
	if !l.keys.trusts(p.key, now) { // no more: it did when the token was proved
		return access.Grant{}, badSignature(token)
	}
	return l.judge(p.claims, now)
}

func badSignature(token string) error {
	head, _, _ := strings.Cut(token, ".")
	return &access.TokenError{Fault: access.BadSignature, Header: head}
}

// judge looks at what only time and the configuration decide.
func (l *Login) judge(c claims, now time.Time) (access.Grant, error) {
	expires, from := time.Unix(c.Expires, 0), time.Unix(c.NotBefore, 0)
	switch {
	case !now.Before(expires):
		return access.Grant{}, &access.TokenError{Fault: access.ExpiredToken, At: expires}
	case now.Add(leeway).Before(from):
		return access.Grant{}, &access.TokenError{Fault: access.EarlyToken, At: from}
	case !l.issued(c.Issuer):
		return access.Grant{}, &access.TokenError{Fault: access.WrongIssuer, Want: "https://" + l.host + "/" + Tenant, Found: c.Issuer}
	}
	if holder, ok := l.clients[c.Client]; !ok || holder.Caller != c.Caller {
		return access.Grant{}, &access.TokenError{Fault: access.UnknownToken}
	}
	return access.Grant{Caller: access.Caller{ID: c.Caller}, Audience: c.Audience}, nil
}

// issued reports whether the issuer is this login, at whichever port.
func (l *Login) issued(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return false
	}
	base, ok := l.base(u.Host)
	return ok && issuer == base+"/"+Tenant
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

// prove returns the claims if a trusted key signed them as a token.
func (k *keys) prove(token string, now time.Time) (proof, error) {
	if !signed(token) {
		return proof{}, &access.TokenError{Fault: access.UnknownToken}
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return proof{}, badSignature(token)
	}
	h := jws.Signatures[0].Protected
	for _, key := range k.trusted(now) {
		if key.ID != h.KeyID || key.Algorithm != h.Algorithm || h.ExtraHeaders[jose.HeaderType] != tokenType {
			continue
		}
		p := proof{key: key.ID}
		if payload, err := jws.Verify(key.Public); err == nil && json.Unmarshal(payload, &p.claims) == nil {
			return p, nil
		}
	}
	return proof{}, badSignature(token)
}
