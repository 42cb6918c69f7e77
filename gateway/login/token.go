package login

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
)

const (
	// life of a token. Clients fetch the next one some minutes before.
	life = time.Hour
	// leeway lets in what another gateway issued whose clock is ahead.
	leeway = time.Minute

	// tokenType keeps whatever else the keyring signs from passing for a token.
	tokenType = "at+jwt"
)

// claims are the payload. They name the caller, the client and, as a
// fingerprint, what proved the client: its secret, its key, or what binds an
// issuer's tokens to it. So a token ends with any of them.
type claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Caller    string `json:"sub"`
	Client    string `json:"appid"`
	Print     string `json:"print"`
	Issued    int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	ID        string `json:"jti"`
	Kind      string `json:"kind,omitempty"` // kindIdentity: of a managed identity, and of no client

	// Of a client that an issuer's token proved: the issuer's name, who used it,
	// and the values of its groups that counted then.
	From   string   `json:"from,omitempty"`
	User   string   `json:"user,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

// proven is a client, and what proved it.
type proven struct {
	Client
	print      [sha256.Size]byte // of the proof
	credential string            // for the audit
	by         issuer.Identity   // zero: no issuer's token did
	also       *access.Bounds    // of the proof, beside the client's; nil: none
	kind       string            // of its claims
}

// printsOf are the fingerprints of all that proves the client.
func (l *Login) printsOf(c Client) (all []string) {
	proofs := l.issuers.Prints(c.Caller)
	if c.Secret != [sha256.Size]byte{} {
		proofs = append(proofs, c.Secret)
	}
	for _, k := range c.Keys {
		proofs = append(proofs, k.Print)
	}
	for _, p := range proofs {
		all = append(all, l.fingerprints(p)...)
	}
	return all
}

func (l *Login) fingerprints(proof [sha256.Size]byte) (all []string) {
	for _, sum := range l.keyring.Fingerprints(proof[:]) {
		all = append(all, hex.EncodeToString(sum))
	}
	return all
}

// holder is the caller, by a credential of his.
func (c *Client) holder(credential string) access.Caller {
	return access.Caller{ID: c.Caller, Via: Via, Credential: credential, Bounds: &c.Bounds}
}

// caller is whose client it is, by what proved it.
func (p *proven) caller() access.Caller {
	who := p.holder(p.credential)
	who.Bounds = who.Bounds.And(p.also)
	return who
}

// issue returns a token for the client, and what it says. It ends with the client
// at the latest.
func (l *Login) issue(c proven, iss, audience string) (string, claims, error) {
	now := l.now()
	says := claims{
		Issuer: iss, Audience: audience, Caller: c.Caller, Client: c.ID, Print: hex.EncodeToString(l.keyring.Fingerprints(c.print[:])[0]),
		Issued: now.Unix(), NotBefore: now.Unix(), Expires: c.caller().Bounds.Until(now.Add(life)).Unix(), ID: uuid.NewString(),
		Kind: c.kind, From: c.by.Issuer, User: c.by.User, Groups: c.by.Values,
	}
	token, err := l.tokens.Sign(says)
	return token, says, err
}

// Verify is an access.Verifier. Nothing that a token says is looked at before
// its signature, but for its header.
func (l *Login) Verify(token string) (access.Grant, error) {
	now := l.now()
	c, err := l.tokens.Prove(token, now)
	if err != nil {
		return access.Grant{}, err
	}
	return l.judge(c, now)
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
	if c.Kind == kindIdentity {
		return l.ofIdentity(c, expires)
	}
	of, ok := l.clients[c.Client]
	if !ok || of.Caller != c.Caller || !slices.Contains(l.prints[c.Client], c.Print) {
		return access.Grant{}, &access.TokenError{Fault: access.UnknownToken}
	}
	credential := c.Client
	if c.User != "" {
		credential += "/" + c.User
	}
	who := of.holder(access.CredentialOf(access.LoginToken, credential))
	who.Bounds = who.Bounds.And(l.boundsOfProof(&of, c))
	who.Groups = l.issuers.Groups(c.From, c.Groups)
	g := access.Grant{Caller: who, Audience: c.Audience, Expires: expires}
	if of.Secret != [sha256.Size]byte{} && slices.Contains(l.fingerprints(of.Secret), c.Print) {
		g.Client = c.Client
	}
	return g, nil
}

// boundsOfProof are those of the key, or of what binds an issuer's token, that the
// token came of.
func (l *Login) boundsOfProof(of *Client, c claims) *access.Bounds {
	proved := func(print [sha256.Size]byte) bool { return slices.Contains(l.fingerprints(print), c.Print) }
	if c.From != "" {
		return l.issuers.BoundsOf(c.Caller, proved)
	}
	for i := range of.Keys {
		if proved(of.Keys[i].Print) {
			return &of.Keys[i].Bounds
		}
	}
	return nil
}

// ofIdentity is judge of a managed identity's token. Huawei's IAM gives nothing
// for one: it has no client.
func (l *Login) ofIdentity(c claims, expires time.Time) (access.Grant, error) {
	of := l.managed[c.Client]
	if of == nil || of.Caller != c.Caller || !slices.Contains(l.fingerprints(of.Header), c.Print) {
		return access.Grant{}, &access.TokenError{Fault: access.UnknownToken}
	}
	by := of.proven()
	who := by.holder(access.CredentialOf(access.IdentityToken, of.ID))
	return access.Grant{Caller: who, Audience: c.Audience, Expires: expires}, nil
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
