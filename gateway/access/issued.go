package access

import "time"

// Grant is what the proof in a token says.
type Grant struct {
	Caller   Caller
	Audience string    // whom the token was issued for
	Client   string    // who asked for it
	Expires  time.Time // when it ends
}

// Verifier proves tokens that nobody wrote into the configuration: those that
// a login issued. Its error is a *TokenError. It must be safe for concurrent
// use.
type Verifier func(token string) (Grant, error)

// TokenFault is what is wrong with a token.
type TokenFault uint8

// The faults. Those behind BadSignature are told of tokens alone whose
// signature holds.
const (
	UnknownToken  TokenFault = iota // it is no token of ours, or its holder is gone
	BadSignature                    // it is signed, and not by a key that is ours, or not as it stands
	ExpiredToken                    // it was good until TokenError.At
	EarlyToken                      // it is good from TokenError.At on
	WrongAudience                   // it was issued for TokenError.Found
	WrongIssuer                     // it was issued by TokenError.Found
)

// TokenError is why a token is refused. Nothing in it is secret: it may be
// shown to whoever sent the token.
type TokenError struct {
	Fault       TokenFault
	Header      string // of BadSignature: the token's first part, as sent
	Want, Found string
	At          time.Time
}

var tokenFaults = [...]string{
	"unknown token", "a token's signature cannot be verified", "expired token", "token that is not valid yet",
	"token for another audience", "token of another issuer",
}

// Error never shows any part of the token.
func (e *TokenError) Error() string { return tokenFaults[e.Fault] }

// Trust makes Bearer accept what v proves. Call it before the set is used.
func (c *Credentials) Trust(v Verifier) { c.verify = v }

// Issued returns what a token of the login's says. Its error is a *TokenError.
func (c *Credentials) Issued(token string) (Grant, error) {
	if c.verify == nil {
		return Grant{}, &TokenError{Fault: UnknownToken}
	}
	return c.verify(token)
}

// Bearer returns the caller who holds the token: a configured one, or one that
// a login issued for the audience, which is asked for only then. Nil, or an
// empty one, stands for any. Its error is a *TokenError.
func (c *Credentials) Bearer(token, via string, audience func() string) (Caller, error) {
	if who, ok := c.Token(token, via); ok {
		return who, nil
	}
	g, err := c.Issued(token)
	if err != nil {
		return Caller{}, err
	}
	if audience != nil {
		if want := audience(); want != "" && g.Audience != want {
			return Caller{}, &TokenError{Fault: WrongAudience, Want: want, Found: g.Audience}
		}
	}
	g.Caller.Via, g.Caller.Credential = via, CredentialOf(LoginToken, g.Client)
	return g.Caller, nil
}
