package access

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Bounds are what a credential is bound to, of whichever kind it is. The zero
// Bounds bind it to nothing.
type Bounds struct {
	Expires   time.Time      // it is good before; zero: for ever
	Addresses []netip.Prefix // whence it may be used; none: from everywhere
	Also      *Bounds        // of what proved the credential's holder, where that was another; nil: none
}

// And are the bounds, and those of what stands behind. Nil is none.
func (b *Bounds) And(also *Bounds) *Bounds {
	if b == nil || also == nil {
		return cmp.Or(b, also)
	}
	both := *b
	both.Also = also
	return &both
}

// From is how a request came.
type From struct {
	Via     string // the dialect
	Address string // of the client
	Time    time.Time
	TLS     *tls.ConnectionState // nil: without TLS
	Page    bool                 // a page of the web had a browser send it
}

// BoundError is why a credential is not taken, though it proves itself. Whoever
// sent it from elsewhere is to be answered as if it were wrong: it is what a
// thief does. The audit has all of it.
type BoundError struct {
	Caller, Credential string
	Ended              time.Time // when; zero: it has not ended
	Elsewhere          string    // the address that it is not for; empty: it is
	Other              string    // whose certificate came with it; empty: its own caller's, or none
	Page               bool      // a page of the web made a browser show it
}

// Error is what the audit says. Nothing in it is secret.
func (e *BoundError) Error() string {
	s := e.Credential + " of " + e.Caller
	switch {
	case e.Other != "":
		return s + " came with a certificate of " + e.Other
	case e.Page:
		return s + " alone proves no request that a web page has a browser send"
	case e.Elsewhere != "":
		return s + " is not for use from " + e.Elsewhere
	}
	return fmt.Sprintf("%s ended at %s", s, e.Ended.UTC().Format(time.RFC3339))
}

// Judge holds the caller's credential to its bounds, at each request, however it
// was proved: what was issued from a credential falls with it. Its error is a
// *BoundError.
func (c Caller) Judge(from From) error {
	for b := c.Bounds; b != nil; b = b.Also {
		if !b.takes(from.Address) {
			return &BoundError{Caller: c.ID, Credential: c.Credential, Elsewhere: from.Address}
		}
	}
	for b := c.Bounds; b != nil; b = b.Also {
		if b.Ended(from.Time) {
			return &BoundError{Caller: c.ID, Credential: c.Credential, Ended: b.Expires}
		}
	}
	return nil
}

// Ended reports whether err is that a credential has ended, and nothing else is
// wrong with it.
func Ended(err error) bool {
	e, ok := errors.AsType[*BoundError](err)
	return ok && !e.Ended.IsZero()
}

// Ended reports whether the credential is over.
func (b *Bounds) Ended(now time.Time) bool {
	return b != nil && !b.Expires.IsZero() && !now.Before(b.Expires)
}

// Until returns the earlier one of t and the credential's end: what is issued
// from it lives no longer.
func (b *Bounds) Until(t time.Time) time.Time {
	for ; b != nil; b = b.Also {
		if !b.Expires.IsZero() && b.Expires.Before(t) {
			t = b.Expires
		}
	}
	return t
}

func (b *Bounds) takes(address string) bool {
	if len(b.Addresses) == 0 {
		return true
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(b.Addresses, func(p netip.Prefix) bool { return p.Contains(ip) })
}
