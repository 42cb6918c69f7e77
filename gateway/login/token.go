package login

import (
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway/access"
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
// fingerprint, the client's secret, so that a token ends with any of them.
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
}

// issue returns a token for the client, and what it says.
func (l *Login) issue(c Client, issuer, audience string) (string, claims, error) {
	now := l.now()
	says := claims{
		Issuer: issuer, Audience: audience, Caller: c.Caller, Client: c.ID, Print: l.prints[c.ID][0],
		Issued: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(life).Unix(), ID: uuid.NewString(),
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
	if holder, ok := l.clients[c.Client]; !ok || holder.Caller != c.Caller || !slices.Contains(l.prints[c.Client], c.Print) {
		return access.Grant{}, &access.TokenError{Fault: access.UnknownToken}
	}
	return access.Grant{Caller: access.Caller{ID: c.Caller}, Audience: c.Audience, Client: c.Client, Expires: expires}, nil
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
