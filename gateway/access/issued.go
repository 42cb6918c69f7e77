package access

import (
	"errors"
	"time"
)

// Grant is what the proof in a token says.
type Grant struct {
	Caller   Caller
	Audience string    // whom the token was issued for; empty: whoever proved it has looked
	Client   string    // of the login: whose secret proved it; empty: something else did
	Expires  time.Time // when it ends
}

// Verifier proves tokens that nobody wrote into the configuration: those that
// the login issued, or another issuer. Its error is a *TokenError. It must be safe for concurrent
// use.
type Verifier func(token string) (Grant, error)

// TokenFault is what is wrong with a token.
type TokenFault uint8

// The faults. Those behind BadSignature are told of tokens alone whose
// signature holds.
const (
	UnknownToken   TokenFault = iota // it is no token of ours, or its holder is gone
	BadSignature                     // it is signed, and not by a key that is ours, or not as it stands
	ExpiredToken                     // it was good until TokenError.At
	EarlyToken                       // it is good from TokenError.At on
	WrongAudience                    // it was issued for TokenError.Found
	WrongIssuer                      // it was issued by TokenError.Found
	UnboundToken                     // it is good, and no caller's
	AmbiguousToken                   // it is good, and more than one caller's
	EndlessToken                     // it has no end, or lives longer than is taken
	UnknownIssuer                    // it names an issuer that nobody configured; its signature was not looked at
	IssuerDown                       // its key is not known, and its issuer's keys could not be fetched: nothing is known of it
)

// TokenError is why a token is refused. Nothing in it is secret, and all but
// Detail may be shown to whoever sent the token.
type TokenError struct {
	Fault       TokenFault
	Header      string // of BadSignature and UnknownIssuer: the token's first part, as sent
	Want, Found string
	At          time.Time
	Again       time.Duration // of IssuerDown: until its issuer may be asked once more
	Detail      string        // for the audit alone: it may name callers and issuers
}

var tokenFaults = [...]string{
	"unknown token", "a token's signature cannot be verified", "expired token", "token that is not valid yet",
	"token for another audience", "token of another issuer", "token of no caller", "token of more than one caller",
	"token without an end, or with a longer life than is taken", "token of an unknown issuer", "token of an issuer whose keys could not be fetched",
}

// Error never shows any part of the token.
func (e *TokenError) Error() string { return tokenFaults[e.Fault] }

// Reason is what the audit is told of a refused credential. Empty: there is
// nothing to tell, or err is about something else.
func Reason(err error) string {
	if bound, ok := errors.AsType[*BoundError](err); ok {
		return bound.Error()
	}
	if errors.Is(err, ErrCertificate) {
		return ErrCertificate.Error()
	}
	e, ok := errors.AsType[*TokenError](err)
	switch {
	case !ok || e.Fault == UnknownToken:
		return ""
	case e.Detail == "":
		return e.Error()
	}
	return e.Error() + ": " + e.Detail
}

// Down reports whether nothing is known of a token, good or bad, and after which time
// it is worth another try.
func Down(err error) (again time.Duration, down bool) {
	e, ok := errors.AsType[*TokenError](err)
	if !ok || e.Fault != IssuerDown {
		return 0, false
	}
	return e.Again, true
}

// Trust makes Bearer accept what v proves, too. Call it before the set is used.
func (c *Credentials) Trust(v Verifier) { c.verify = append(c.verify, v) }

// Issued returns what a token says that somebody issued: the first who knows it
// says so. Its error is a *TokenError.
func (c *Credentials) Issued(token string) (Grant, error) {
	var last error = &TokenError{Fault: UnknownToken}
	for _, verify := range c.verify {
		g, err := verify(token)
		switch {
		case err == nil:
			return g, nil
		case faultOf(last) == UnknownIssuer && faultOf(err) == BadSignature: // which says less
			continue
		case !isForeign(err):
			return Grant{}, err
		}
		last = err
	}
	return Grant{}, last
}

// isForeign reports whether a token may be somebody else's.
func isForeign(err error) bool {
	f := faultOf(err)
	return f == UnknownToken || f == UnknownIssuer
}

func faultOf(err error) TokenFault {
	if e, ok := errors.AsType[*TokenError](err); ok {
		return e.Fault
	}
	return UnknownToken
}

// Bearer returns the caller who holds the token: a configured one, or one that
// somebody issued. One of the login's must be for the audience, which is asked for only then. Nil, or an
// empty one, stands for any. Its error is a *TokenError or a *BoundError, or is
// ErrCertificate.
func (c *Credentials) Bearer(token string, from From, audience func() string) (Caller, error) {
	who, err := c.bearer(token, from.Via, audience)
	if err == nil {
		err = c.Check(who, from)
	}
	if err != nil {
		return Caller{}, err
	}
	return who, nil
}

func (c *Credentials) bearer(token, via string, audience func() string) (Caller, error) {
	if who, ok := c.Token(token, via); ok {
		return who, nil
	}
	g, err := c.Issued(token)
	if err != nil {
		return Caller{}, err
	}
	if audience != nil {
		if want := audience(); want != "" && g.Audience != "" && g.Audience != want {
			return Caller{}, &TokenError{Fault: WrongAudience, Want: want, Found: g.Audience}
		}
	}
	g.Caller.Via = via
	return g.Caller, nil
}
