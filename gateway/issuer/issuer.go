// Package issuer proves tokens that others issued: OpenID Connect issuers, such
// as Entra, Kubernetes, GitHub and GitLab, and trust domains of SPIFFE. What a
// token says binds it to a configured caller, and never makes one.
package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// Issuer is one that is trusted.
type Issuer struct {
	Name string
	// URL is the iss of its tokens; or spiffe:// and a trust domain. Empty: the
	// iss of the token in BearerTokenFile.
	URL                                        string
	JWKSURL, JWKSFile, CAFile, BearerTokenFile string
	// Audiences are those of tokens that come with requests, AssertionAudiences
	// those of assertions that come to the login.
	Audiences, AssertionAudiences     []string
	Algorithms                        []string
	MaxLife                           time.Duration
	ExpirationLeeway, NotBeforeLeeway time.Duration
}

// Binding makes the tokens of an issuer for which all of it holds a caller's.
type Binding struct {
	Issuer    string // its name
	Caller    string
	Audiences []string // empty: all of the issuer's
	Subject   string   // empty: any
	Claims    []Claim
	Glob      bool // values of Claims are patterns of access.Match
	UserClaim string
	// GroupsClaim is empty where tokens add no groups.
	GroupsClaim string
	// Bounds are those of its tokens, and of what the login issues for them. They
	// are no part of what the binding is known by.
	Bounds access.Bounds `json:"-"`
}

// Claim is a claim, by its name or by a JSON pointer, and the values of which
// it has one.
type Claim struct {
	Name   string
	Values []string
}

// Group is a configured group that a value of an issuer's groups claim stands
// for.
type Group struct{ Name, Issuer, Value string }

// Options make a Set. Now and Log may be left out.
type Options struct {
	Issuers  []Issuer
	Bindings []Binding
	Groups   []Group
	Sources  *Sources // of the gateway
	Now      func() time.Time
	Log      *slog.Logger
}

// Set is the issuers and bindings of one configuration. It is safe for
// concurrent use.
type Set struct {
	byURL    map[string]*trust // by iss
	byDomain map[string]*trust // by trust domain
	names    map[string]*trust
	groups   map[groupKey][]string
	callers  map[string][]*binding
	proofs   proofs
	now      func() time.Time
	log      *slog.Logger
}

type groupKey struct{ issuer, value string }

// trust is an issuer at work.
type trust struct {
	Issuer
	domain   string        // of SPIFFE; empty: none
	entra    *access.Entra // nil: it is none of Entra's
	keys     keys
	verifier *oidc.IDTokenVerifier
	bindings bindings
	overage  quiet
}

// keys are the public keys of an issuer.
type keys interface {
	// find returns those that a token with the header may be signed with, and
	// which state of the keys they are of. Its error is a *access.TokenError.
	find(h header) ([]any, uint64, error)
	// state changes when a key comes or goes.
	state() uint64
}

// New returns a set, or every problem of its options at once. It begins to fetch
// keys, and waits for none.
func New(o Options) (*Set, error) {
	if o.Sources == nil {
		o.Sources = NewSources(nil)
	}
	s, used, err := build(o)
	if err != nil {
		return nil, err
	}
	o.Sources.keep(used, s.log, s.now)
	return s, nil
}

// Check is New without anything that is fetched.
func Check(o Options) error {
	o.Sources = NewSources(nil)
	_, _, err := build(o)
	return err
}

// Reach fetches the keys of each issuer, for nobody, and returns why that fails, by
// the issuer's name.
func Reach(ctx context.Context, o Options) map[string]error {
	o.Sources = NewSources(nil)
	_, used, err := build(o)
	failed := map[string]error{}
	if err != nil {
		return failed // Check tells
	}
	for key, src := range used {
		if _, err := src.fetcher.fetch(ctx); err != nil {
			failed[key.name] = err
		}
	}
	return failed
}

func build(o Options) (*Set, map[sourceKey]*source, error) {
	s := &Set{
		byURL: map[string]*trust{}, byDomain: map[string]*trust{}, names: map[string]*trust{}, groups: map[groupKey][]string{},
		callers: map[string][]*binding{}, now: o.Now, log: o.Log,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	used := map[sourceKey]*source{}
	for _, i := range o.Issuers {
		if err := s.add(i, o.Sources, used); err != nil {
			errs = append(errs, fmt.Errorf("issuer %s: %w", i.Name, err))
		}
	}
	for _, b := range o.Bindings {
		t := s.names[b.Issuer]
		if t == nil {
			errs = append(errs, fmt.Errorf("caller %s: there is no issuer %q", b.Caller, b.Issuer))
			continue
		}
		added, err := t.bind(b)
		if err != nil {
			errs = append(errs, fmt.Errorf("caller %s: %w", b.Caller, err))
			continue
		}
		s.callers[b.Caller] = append(s.callers[b.Caller], added)
	}
	for _, g := range o.Groups {
		key := groupKey{g.Issuer, g.Value}
		s.groups[key] = append(s.groups[key], g.Name)
	}
	return s, used, errors.Join(errs...)
}

func (s *Set) add(i Issuer, from *Sources, used map[sourceKey]*source) error {
	if i.URL == "" {
		var err error
		if i.URL, err = issuerOf(i.BearerTokenFile); err != nil {
			return err
		}
	}
	t := &trust{Issuer: i, domain: trustDomain(i.URL)}
	if e, ok := access.EntraIssuer(i.URL); ok {
		t.entra = &e
	}
	if s.names[i.Name] != nil || s.byURL[i.URL] != nil || s.byDomain[t.domain] != nil {
		return errors.New("an earlier one has the same name or URL")
	}
	if i.JWKSFile != "" {
		fixed, err := readKeys(i.JWKSFile)
		if err != nil {
			return err
		}
		t.keys = fixed
	} else {
		src, err := from.source(i)
		if err != nil {
			return err
		}
		t.keys, used[src.key] = src, src
	}
	t.verifier = oidc.NewVerifier(i.URL, chosenKeys{}, &oidc.Config{
		SupportedSigningAlgs: i.Algorithms,
		SkipClientIDCheck:    true, // audiences, times and the issuer of a trust domain are judged here
		SkipExpiryCheck:      true,
		SkipIssuerCheck:      t.domain != "",
	})
	s.names[i.Name] = t
	if t.domain != "" {
		s.byDomain[t.domain] = t
	} else {
		s.byURL[i.URL] = t
	}
	return nil
}
