package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Date is a moment, written as 2027-01-31, which is its first one in UTC, or as
// RFC 3339 has it.
type Date struct{ at time.Time }

// Time is the moment; zero: none.
func (d Date) Time() time.Time { return d.at }

// Pattern is the regular expression of a Date.
func (Date) Pattern() string {
	return `^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$`
}

// ParseDate reads a Date.
func ParseDate(s string) (Date, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return Date{t.UTC()}, nil
		}
	}
	return Date{}, errors.New("not a date; write 2027-01-31, or 2027-01-31T18:00:00Z")
}

// date takes what YAML has taken for a date, too.
func date(in any) (any, error) {
	switch v := in.(type) {
	case time.Time:
		return Date{v.UTC()}, nil
	case string:
		return ParseDate(v)
	}
	return nil, errors.New("not a date; write 2027-01-31, or 2027-01-31T18:00:00Z")
}

// Bound is what a credential is bound to, of whichever kind it is.
type Bound struct {
	// Expires is when the credential ends, and with it what was issued from it: a day, whose first moment in UTC it is, or a
	// time as `2027-01-31T18:00:00Z`.
	Expires Date `mapstructure:"expires" example:"2027-01-31"`
	// Addresses are the addresses and networks from which the credential may be used; behind `server.trusted_proxies` the
	// client's address counts, and not the proxy's.
	Addresses []string `mapstructure:"addresses" default:"everywhere" example:"[10.1.0.0/16, '2001:db8::/32']"`
}

// Bounds is the Bound as package access has it.
func (b *Bound) Bounds() access.Bounds {
	bounds := access.Bounds{Expires: b.Expires.at}
	for _, s := range b.Addresses {
		if p, err := network(s); err == nil { // Load has checked it
			bounds.Addresses = append(bounds.Addresses, p)
		}
	}
	return bounds
}

func (b *Bound) validate(rep *report, at string) {
	for i, s := range b.Addresses {
		if _, err := ParseNetwork(s); err != nil {
			rep.bad(fmt.Sprintf("%s.addresses[%d]", at, i), "%s", err)
		}
	}
	if !b.Expires.at.IsZero() && b.Expires.at.Before(time.Now()) {
		rep.warn(at+".expires", "it has ended, so it opens nothing")
	}
}

// ParseNetwork reads an address, or a network of them.
func ParseNetwork(s string) (netip.Prefix, error) {
	p, err := network(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither an address, as 10.0.0.5, nor a network, as 10.0.1.0/24", s)
	}
	return p, nil
}

// Certificate is what a client's certificate is known by.
type Certificate struct {
	// Name is what the audit calls the certificate.
	Name string `mapstructure:"name" default:"what it is known by" example:"app-2026"`
	// DNS is a host name among the certificate's subject alternative names.
	DNS string `mapstructure:"dns" example:"app.corp.example"`
	// URI is a URI among them, such as a SPIFFE id, which must be the only one.
	URI string `mapstructure:"uri" example:"spiffe://corp.example/payments/app"`
	// Email is a mail address among them.
	Email string `mapstructure:"email" example:"app@corp.example"`
	// PublicKey is the SHA-256 of the certificate's public key (its `SubjectPublicKeyInfo`), in hex.
	PublicKey string `mapstructure:"public_key" example:"55aae3e2e526fb53d6350630db9ef2d5f11db0b6ff728852353a0b46351189b3"`
	Bound     `mapstructure:",squash"`
}

// ExactlyOne lists the keys of which one is given.
func (Certificate) ExactlyOne() []string { return []string{"dns", "uri", "email", "public_key"} }

// Subject is what the certificate is known by.
func (c *Certificate) Subject() (access.Subject, error) {
	given := 0
	for _, s := range []string{c.DNS, c.URI, c.Email, c.PublicKey} {
		if s != "" {
			given++
		}
	}
	s := access.Subject{DNS: c.DNS, URI: c.URI, Email: c.Email}
	switch {
	case given != 1:
		return s, errors.New("exactly one of dns, uri, email and public_key is wanted")
	case c.DNS != "" && !sanName.MatchString(c.DNS):
		return s, errors.New("dns is not a host name; a wildcard stands for itself alone")
	case c.URI != "" && !isURI(c.URI):
		return s, errors.New("uri is not one, as spiffe://corp.example/payments/app")
	case c.Email != "" && !isMail(c.Email):
		return s, errors.New("email is not a mail address")
	case c.PublicKey != "":
		b, err := hex.DecodeString(c.PublicKey)
		if err != nil || len(b) != len(s.PublicKey) {
			return s, errors.New("public_key is not 64 hex digits; openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum prints them")
		}
		copy(s.PublicKey[:], b)
	}
	return s, nil
}

var sanName = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.String() == s
}

func isMail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

// ManagedIdentity is a caller's identity at `managed_identity.address`: programs on the gateway's own machine
// get tokens for it as they get them in Azure's App Service.
type ManagedIdentity struct {
	// ID is the client id of the identity, which clients may name and the audit does.
	ID string `mapstructure:"id" required:"true" example:"app"`
	// Header is what clients send as `X-IDENTITY-HEADER`: their environment has it as `IDENTITY_HEADER`. It must be one that
	// nobody guesses.
	Header secret.Value `mapstructure:"header" required:"true"`
	Bound  `mapstructure:",squash"`
}

// RateLimit is how many requests a caller may send.
type RateLimit struct {
	// Requests is how many requests the caller may send in each `per`; more are refused with 429.
	Requests int `mapstructure:"requests" required:"true" min:"1" example:"600"`
	// Per is the time in which they count.
	Per time.Duration `mapstructure:"per" default:"1s" example:"1m"`
	// Burst is how many requests the caller may send at once, after a pause.
	Burst int `mapstructure:"burst" min:"0" default:"as many as requests" example:"50"`
}

// Rates are the limits of all callers that have one.
func (c *Config) Rates() map[string]access.Rate {
	all := map[string]access.Rate{}
	for i := range c.Callers {
		if r := c.Callers[i].RateLimit; r != nil {
			rate := access.Rate{Requests: r.Requests, Per: r.Per, Burst: r.Burst}
			if rate.Per == 0 {
				rate.Per = time.Second
			}
			if rate.Burst == 0 {
				rate.Burst = rate.Requests
			}
			all[c.Callers[i].Name] = rate
		}
	}
	return all
}

// beside takes what stands beside a reference out of it.
func (r *refs) beside(in any) (rest map[string]any, t Token, err error) {
	m, ok := in.(map[string]any)
	if !ok {
		return nil, t, errors.New("a token is never written here; use {env: NAME}, {file: PATH} or {sha256: HEX}")
	}
	said, rest := map[string]any{}, maps.Clone(m)
	for _, key := range []string{"name", "expires", "addresses"} {
		if v, ok := m[key]; ok {
			said[key] = v
			delete(rest, key)
		}
	}
	var of struct {
		Name  string `mapstructure:"name"`
		Bound `mapstructure:",squash"`
	}
	c := &mapstructure.DecoderConfig{Result: &of}
	r.decoderConfig(c)
	d, err := mapstructure.NewDecoder(c)
	if err == nil {
		err = d.Decode(said)
	}
	if err != nil {
		return nil, t, sectionError(err, "")
	}
	return rest, Token{Name: of.Name, Bound: of.Bound}, nil
}

var credentialName = form{1, 64, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)}

// validateName wants names of one kind to be told apart.
func validateName(rep *report, at, name string, taken map[string]bool) {
	switch {
	case name == "":
		return
	case !credentialName.MatchString(name):
		rep.bad(at, "letters, digits and ._- are allowed, 64 at most, a letter or digit first")
	case taken[strings.ToLower(name)]:
		rep.bad(at, "%q is the name of an earlier one too", name)
	}
	taken[strings.ToLower(name)] = true
}
