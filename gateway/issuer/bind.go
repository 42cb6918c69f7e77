package issuer

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// binding is one at work.
type binding struct {
	Binding
	print [sha256.Size]byte // of all that it says
}

// bindings are those of one issuer. Those that want one exact value are found by
// it, so that a thousand repositories cost as much as one.
type bindings struct {
	exact map[string]map[string][]*binding // by claim and value
	rest  []*binding
}

// Subject is the claim for whom a token is about.
const Subject = "sub"

// UserClaim is the claim that the audit shows of a binding to an issuer's tokens, where
// the binding names this one, or none.
func UserClaim(named, issuer string) string {
	if _, entra := access.EntraIssuer(issuer); entra && named == "" {
		return "oid"
	}
	return cmp.Or(named, Subject)
}

func (t *trust) bind(b Binding) (*binding, error) {
	if b.Subject == "" && len(b.Claims) == 0 {
		return nil, errors.New("a binding names neither a subject nor a claim")
	}
	b.UserClaim = UserClaim(b.UserClaim, t.URL)
	text, err := json.Marshal([]any{t.URL, t.JWKSURL, t.AssertionAudiences, b})
	if err != nil {
		return nil, err
	}
	added := &binding{Binding: b, print: sha256.Sum256(text)}
	switch {
	case b.Subject != "":
		t.bindings.add(Subject, b.Subject, added)
	case !b.Glob:
		for _, v := range b.Claims[0].Values {
			t.bindings.add(b.Claims[0].Name, v, added)
		}
	default:
		t.bindings.rest = append(t.bindings.rest, added)
	}
	return added, nil
}

func (x *bindings) add(claim, value string, b *binding) {
	if x.exact == nil {
		x.exact = map[string]map[string][]*binding{}
	}
	if x.exact[claim] == nil {
		x.exact[claim] = map[string][]*binding{}
	}
	x.exact[claim][value] = append(x.exact[claim][value], b)
}

// candidates are the bindings that may hold for the claims, each once or more.
func (x *bindings) candidates(c claims) []*binding {
	all := x.rest
	for claim, by := range x.exact {
		for _, v := range c.texts(claim) {
			all = append(slices.Clip(all), by[v]...)
		}
	}
	return all
}

// holds reports whether all of the binding holds for a token that is for the
// audiences.
func (b *binding) holds(c claims, audiences []string) bool {
	if len(b.Audiences) > 0 && !slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(b.Audiences, a) }) {
		return false
	}
	if b.Subject != "" && c.text(Subject) != b.Subject {
		return false
	}
	for _, want := range b.Claims {
		has := c.texts(want.Name)
		if !slices.ContainsFunc(has, func(v string) bool { return b.takes(want.Values, v) }) {
			return false
		}
	}
	return true
}

func (b *binding) takes(wanted []string, v string) bool {
	if !b.Glob {
		return slices.Contains(wanted, v)
	}
	return slices.ContainsFunc(wanted, func(p string) bool { return access.Match(p, v) })
}

// caller finds whose token it is, among those that may be meant. A token of two
// is nobody's: which of them is meant, nothing says.
func (p *proof) caller(audiences []string, may func(*binding) bool) (*binding, error) {
	var found *binding
	for _, b := range p.trust.bindings.candidates(p.claims) {
		switch {
		case !may(b), !b.holds(p.claims, audiences):
		case found == nil:
			found = b
		case found.Caller != b.Caller:
			first, second := min(found.Caller, b.Caller), max(found.Caller, b.Caller)
			return nil, &access.TokenError{Fault: access.AmbiguousToken, Detail: fmt.Sprintf("%s: callers %s and %s", p.trust.Name, first, second)}
		}
	}
	if found == nil {
		return nil, p.trust.tell(&access.TokenError{Fault: access.UnboundToken, Detail: p.trust.Name + ": its sub is " + p.claims.brief(Subject)})
	}
	return found, nil
}

// Identity is what a token says of whoever it is about.
type Identity struct {
	Issuer string            // its name
	User   string            // the issuer, a slash, and the user claim
	Values []string          // of the groups claim: those that stand for a group
	Print  [sha256.Size]byte // of the binding
	Bounds *access.Bounds    // the same
}

// identify reads the user and the groups.
func (s *Set) identify(p *proof, b *binding) (Identity, error) {
	user := p.claims.texts(b.UserClaim)
	if len(user) != 1 || user[0] == "" {
		return Identity{}, &access.TokenError{Fault: access.UnboundToken, Detail: p.trust.Name + ": the token has not one " + b.UserClaim + ", the user_claim of caller " + b.Caller}
	}
	name := brief(user[0])
	return Identity{Issuer: p.trust.Name, User: p.trust.Name + "/" + name, Values: s.values(p, b), Print: b.print, Bounds: &b.Bounds}, nil
}

// values are those of the groups claim that stand for a configured group. Where
// the issuer says that it left groups out, none counts: who is in a group must
// not depend on how many others he is in.
func (s *Set) values(p *proof, b *binding) []string {
	if b.GroupsClaim == "" {
		return nil
	}
	if overage(p.claims, b.GroupsClaim) {
		if p.trust.overage.may(s.now()) {
			s.log.Warn("a token has too many groups, and its issuer left them out: none of its groups counts; have it name those alone that are assigned to the application, or bind roles",
				slog.String("issuer", p.trust.Name), slog.String("caller", b.Caller))
		}
		return nil
	}
	var all []string
	for _, v := range p.claims.texts(b.GroupsClaim) {
		if _, ok := s.groups[groupKey{p.trust.Name, v}]; ok && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// overage reports whether the claim is elsewhere, as Entra says it of too many
// groups.
func overage(c claims, claim string) bool {
	claim = access.ClaimPath(claim)[0]
	if elsewhere, ok := c["_claim_names"].(map[string]any); ok {
		if _, ok := elsewhere[claim]; ok {
			return true
		}
	}
	if has, ok := c["hasgroups"]; ok && has != false && has != "false" {
		return true
	}
	for name := range c {
		if strings.HasPrefix(name, claim+":src") {
			return true
		}
	}
	return false
}

// Groups are the configured groups that the values of the issuer's groups claim
// stand for.
func (s *Set) Groups(issuer string, values []string) []string {
	var all []string
	for _, v := range values {
		for _, name := range s.groups[groupKey{issuer, v}] {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// quiet lets something be said now and then.
type quiet struct {
	mu   sync.Mutex
	last time.Time
}

const sayEvery = 10 * time.Minute

func (q *quiet) may(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.last.IsZero() && now.Sub(q.last).Abs() < sayEvery {
		return false
	}
	q.last = now
	return true
}
