package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// proof is a token whose signature holds. What time decides is judged at each
// use.
type proof struct {
	trust   *trust
	claims  claims // nil once grant is known
	keys    uint64 // their state when it was proved
	from    time.Time
	expires time.Time
	grant   *access.Grant // of what comes with requests; nil: nobody asked yet
}

// maxProofs bounds the memory; a client uses one token for an hour or so.
const maxProofs = 4096

// proofs spare the arithmetic for a token that was seen before. Only what was
// proved and bound gets in, so nobody fills it with guesses. A reload begins
// with none.
type proofs struct {
	mu   sync.RWMutex
	seen map[[sha256.Size]byte]*proof
}

func (p *proofs) find(sum [sha256.Size]byte) *proof {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.seen[sum]
}

func (p *proofs) add(sum [sha256.Size]byte, found *proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) >= maxProofs || p.seen == nil {
		p.seen = map[[sha256.Size]byte]*proof{}
	}
	p.seen[sum] = found
}

// prove returns what a token of an issuer's says. But for its form, nothing is
// told of a token whose signature does not hold. Its error is a
// *access.TokenError.
func (s *Set) prove(raw string) (*proof, error) {
	if len(s.names) == 0 {
		return nil, &access.TokenError{Fault: access.UnknownToken}
	}
	t, err := parse(raw)
	if err != nil {
		return nil, err
	}
	by := s.issuer(t.claims)
	if by == nil {
		return nil, &access.TokenError{Fault: access.UnknownIssuer, Header: t.head, Detail: plausible(t.claims.text("iss"))}
	}
	if !slices.Contains(by.Algorithms, t.header.alg) {
		return nil, &access.TokenError{Fault: access.BadSignature, Header: t.head, Detail: by.Name + ": its algorithm is not one of the issuer's"}
	}
	keys, state, err := by.keys.find(t.header)
	if err != nil {
		return nil, by.tell(err)
	}
	if len(keys) == 0 {
		return nil, &access.TokenError{Fault: access.BadSignature, Header: t.head, Detail: by.Name + ": its key is not one of the issuer's"}
	}
	if _, err := by.verifier.Verify(withKeys(context.Background(), keys), raw); err != nil {
		return nil, &access.TokenError{Fault: access.BadSignature, Header: t.head, Detail: by.Name}
	}
	p := &proof{trust: by, claims: t.claims, keys: state}
	return p, by.tell(p.examine())
}

// tell adds to an error which issuer it is about, for the audit.
func (t *trust) tell(err error) error {
	if e, ok := err.(*access.TokenError); ok && e.Detail == "" { //nolint:errorlint // made here
		e.Detail = t.Name
	}
	return err
}

// issuer finds whose token it claims to be. Those of SPIFFE need no iss.
func (s *Set) issuer(c claims) *trust {
	if t := s.byURL[c.text("iss")]; t != nil {
		return t
	}
	return s.byDomain[trustDomain(c.text("sub"))]
}

// examine looks at what neither time nor the configuration of callers decides.
func (p *proof) examine() error {
	t, c := p.trust, p.claims
	ends, hasEnd := c.time("exp")
	issued, hasIssued := c.time("iat")
	from, hasFrom := c.time("nbf")
	if !hasEnd {
		return &access.TokenError{Fault: access.EndlessToken}
	}
	begins := issued
	if !hasIssued {
		begins = from
	}
	if (hasIssued || hasFrom) && ends.Sub(begins) > t.MaxLife+rounding {
		return &access.TokenError{Fault: access.EndlessToken}
	}
	p.expires, p.from = ends, from
	if issued.After(p.from) {
		p.from = issued
	}
	return t.isOfTenant(c)
}

// isOfTenant holds a token of Entra's to the tenant and the version that its
// issuer stands for.
func (t *trust) isOfTenant(c claims) error {
	if t.entra == nil {
		return nil
	}
	if c.text("tid") != t.entra.Tenant || c.text("ver") != t.entra.Version {
		return &access.TokenError{Fault: access.WrongIssuer, Want: t.URL, Found: "a token that is not of version " + t.entra.Version + " and this tenant"}
	}
	return nil
}

// live judges the times of a proof.
func (p *proof) live(now time.Time) error {
	t := p.trust
	switch {
	case !now.Before(p.expires.Add(t.ExpirationLeeway)):
		return t.tell(&access.TokenError{Fault: access.ExpiredToken, At: p.expires})
	case now.Add(leeway + t.NotBeforeLeeway).Before(p.from):
		return t.tell(&access.TokenError{Fault: access.EarlyToken, At: p.from})
	case p.expires.Sub(now) > t.MaxLife+leeway: // without iat and nbf, or from a future
		return t.tell(&access.TokenError{Fault: access.EndlessToken})
	}
	return nil
}

// rounding is by how much more a life may seem too long: the vendor's SDK for
// JavaScript rounds the end of an assertion up and its beginning down.
const rounding = 2 * time.Second

// leeway lets in what an issuer issued whose clock is ahead.
const leeway = time.Minute

// time reads a number of seconds.
func (c claims) time(name string) (time.Time, bool) {
	n, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || math.IsNaN(f) || f < 0 || f > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// intended returns those of the token's audiences that are wanted.
func (p *proof) intended(wanted []string) ([]string, error) {
	var both []string
	has := p.claims.texts("aud")
	for _, a := range has {
		if slices.Contains(wanted, a) {
			both = append(both, a)
		}
	}
	if both == nil {
		found, want := brief(strings.Join(has, ", ")), strings.Join(wanted, " or ")
		if want == "" {
			want = "none, for tokens of this issuer are not taken here"
		}
		return nil, &access.TokenError{Fault: access.WrongAudience, Want: want, Found: found, Detail: p.trust.Name + ": it is for " + found}
	}
	return both, nil
}

// brief is what a token says as it may stand on a line or in an answer.
func brief(s string) string {
	const most = 200
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' {
			return '?'
		}
		return r
	}, s)
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}

// brief is a claim so.
func (c claims) brief(name string) string { return brief(strings.Join(c.texts(name), ", ")) }

// Bearer is an access.Verifier of tokens that come with requests.
func (s *Set) Bearer(raw string) (access.Grant, error) {
	now, sum := s.now(), sha256.Sum256([]byte(raw))
	p := s.proofs.find(sum)
	if p == nil || p.keys != p.trust.keys.state() {
		fresh, err := s.prove(raw)
		if err != nil {
			return access.Grant{}, err
		}
		p = fresh
	}
	if err := p.live(now); err != nil {
		return access.Grant{}, err
	}
	if p.grant != nil {
		return *p.grant, nil
	}
	g, err := s.grant(p)
	if err != nil {
		return access.Grant{}, err
	}
	p.grant, p.claims = &g, nil // which may be large
	s.proofs.add(sum, p)
	return g, nil
}

// grant finds the one caller whose token it is.
func (s *Set) grant(p *proof) (access.Grant, error) {
	audiences, err := p.intended(p.trust.Audiences)
	if err != nil {
		return access.Grant{}, err
	}
	b, err := p.caller(audiences, func(*binding) bool { return true })
	if err != nil {
		return access.Grant{}, err
	}
	id, err := s.identify(p, b)
	if err != nil {
		return access.Grant{}, err
	}
	return access.Grant{
		Caller:  access.Caller{ID: b.Caller, Credential: access.CredentialOf(access.IssuerToken, id.User), Groups: s.Groups(id.Issuer, id.Values), Bounds: id.Bounds},
		Expires: p.expires,
	}, nil
}
