package access

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Certificate is a kind of credential: see CredentialOf.
const Certificate = "certificate" // with its name, or else what it is known by

// Subject is what a certificate is known by: exactly one of its members.
type Subject struct {
	DNS       string            // a SAN
	URI       string            // a SAN; of a SPIFFE id it must be the only one
	Email     string            // a SAN
	PublicKey [sha256.Size]byte // the SHA-256 of its SubjectPublicKeyInfo
}

// String is the subject as the audit has it.
func (s Subject) String() string {
	switch {
	case s.DNS != "":
		return "dns:" + s.DNS
	case s.URI != "":
		return s.URI
	case s.Email != "":
		return "email:" + s.Email
	}
	return fmt.Sprintf("sha256:%x", s.PublicKey)
}

// folded is the subject with its host names in small letters: they mean the
// same in any.
func (s Subject) folded() Subject {
	s.DNS = strings.ToLower(s.DNS)
	if user, domain, ok := cutLast(s.Email, "@"); ok {
		s.Email = user + "@" + strings.ToLower(domain)
	}
	return s
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// spiffe begins a SPIFFE id.
const spiffe = "spiffe://"

// subjectsOf are what the certificate may be known by.
func subjectsOf(c *x509.Certificate) []Subject {
	all := []Subject{{PublicKey: sha256.Sum256(c.RawSubjectPublicKeyInfo)}}
	for _, name := range c.DNSNames {
		all = append(all, Subject{DNS: name}.folded())
	}
	for _, name := range c.EmailAddresses {
		all = append(all, Subject{Email: name}.folded())
	}
	for _, u := range c.URIs {
		if s := u.String(); !strings.HasPrefix(s, spiffe) || len(c.URIs) == 1 {
			all = append(all, Subject{URI: s})
		}
	}
	return all
}

// certificates finds the callers of client certificates.
type certificates struct {
	authorities *x509.CertPool // nil: nobody is asked for one
	demanded    bool
	of          map[Subject]Caller

	mu   sync.RWMutex
	seen map[[sha256.Size]byte]verdict // by the certificate
}

// verdict is what holds of a certificate between two times.
type verdict struct {
	who         Caller // nobody: a good certificate of no caller
	from, until time.Time
}

// maxVerdicts bounds the memory; only what an authority signed gets in.
const maxVerdicts = 4096

// TrustClients makes Peer take certificates of these authorities alone, which
// the server must have asked for. Where they are demanded, it refuses connections
// over TLS that showed none: such a one may have begun before.
func (c *Credentials) TrustClients(authorities *x509.CertPool, demanded bool) {
	c.certificates.authorities, c.certificates.demanded = authorities, demanded
}

// AddCertificate registers what a certificate is known by.
func (c *Credentials) AddCertificate(known Subject, of Credential) error {
	known = known.folded()
	if had, ok := c.certificates.of[known]; ok {
		return fmt.Errorf("the certificate %s is given to %q and %q", known, had.ID, of.Caller)
	}
	c.certificates.of[known] = of.holder(Certificate, known.String())
	return nil
}

// ErrCertificate is the cause of an error about a client's certificate.
var ErrCertificate = errors.New("the client's certificate is not valid")

// Peer returns the caller whom the certificate that the client showed proves by
// itself; nobody, if it showed none, or one that is no caller's. A browser shows
// its certificate with whatever a page has it send, so for a page it proves
// nothing. Its error is ErrCertificate or a *BoundError.
func (c *Credentials) Peer(from From) (Caller, error) {
	who, err := c.peer(from)
	if err == nil && who.ID != "" && from.Page {
		return Caller{}, &BoundError{Caller: who.ID, Credential: who.Credential, Page: true}
	}
	return who, err
}

// peer is whose certificate it is, whatever else the request comes with. It
// judges the certificate at each request: one may end, or its authority be
// trusted no more, while a connection lasts.
func (c *Credentials) peer(from From) (Caller, error) {
	if from.TLS == nil || c.certificates.authorities == nil {
		return Caller{}, nil
	}
	if len(from.TLS.PeerCertificates) == 0 {
		if c.certificates.demanded {
			return Caller{}, fmt.Errorf("%w: the connection showed none, and one is demanded; connect again", ErrCertificate)
		}
		return Caller{}, nil
	}
	v, err := c.certificates.judge(from.TLS.PeerCertificates, from.Time)
	if err != nil {
		return Caller{}, err
	}
	v.who.Via = from.Via
	if err := v.who.Judge(from); err != nil {
		return Caller{}, err
	}
	return v.who, nil
}

// Check holds a caller who proved himself to the bounds of his credential, and
// to the certificate that came along: it is his own or nobody's. Its error is a
// *BoundError or ErrCertificate.
func (c *Credentials) Check(who Caller, from From) error {
	if err := who.Judge(from); err != nil {
		return err
	}
	peer, err := c.peer(from)
	switch {
	case err != nil:
		return err
	case peer.ID != "" && peer.ID != who.ID:
		return &BoundError{Caller: who.ID, Credential: who.Credential, Other: peer.ID}
	}
	return nil
}

func (c *certificates) judge(chain []*x509.Certificate, now time.Time) (verdict, error) {
	sum := sha256.Sum256(chain[0].Raw)
	c.mu.RLock()
	v, ok := c.seen[sum]
	c.mu.RUnlock()
	if ok && !now.Before(v.from) && !now.After(v.until) {
		return v, nil
	}
	v, err := c.verify(chain, now)
	if err != nil {
		return verdict{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) >= maxVerdicts || c.seen == nil {
		c.seen = map[[sha256.Size]byte]verdict{}
	}
	c.seen[sum] = v
	return v, nil
}

// verify finds a way to an authority, and how long it lasts.
func (c *certificates) verify(chain []*x509.Certificate, now time.Time) (verdict, error) {
	between := x509.NewCertPool()
	for _, each := range chain[1:] {
		between.AddCert(each)
	}
	ways, err := chain[0].Verify(x509.VerifyOptions{
		Roots: c.authorities, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return verdict{}, err
	}
	v := verdict{from: chain[0].NotBefore, until: chain[0].NotAfter}
	for _, each := range ways[0] {
		if each.NotBefore.After(v.from) {
			v.from = each.NotBefore
		}
		if each.NotAfter.Before(v.until) {
			v.until = each.NotAfter
		}
	}
	v.who, err = c.holder(chain[0])
	return v, err
}

// holder is whose certificate it is. One that two callers might claim is
// nobody's to use.
func (c *certificates) holder(cert *x509.Certificate) (Caller, error) {
	var found Caller
	for _, s := range subjectsOf(cert) {
		who, ok := c.of[s]
		switch {
		case !ok:
		case found.ID != "" && found.ID != who.ID:
			return Caller{}, fmt.Errorf("it is known as one of %q and of %q", found.ID, who.ID)
		case found.ID == "":
			found = who
		}
	}
	return found, nil
}
