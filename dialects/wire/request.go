package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Request is an HTTP request on its way through a route. It is used by one
// goroutine.
type Request struct {
	*http.Request
	ID      string // a random UUID
	Op      string // of the route; empty: none matched
	Address string // of the client, without its port
	Caller  access.Caller
	// Vars are the path's variables, decoded: a slash in one was %2F.
	Vars map[string]string

	path    []string  // its segments, encoded
	values  [4]string // of the answer's headers, where it alone has them
	used    int       // of values
	w       http.ResponseWriter
	max     int64
	limits  *Limits
	held    [2]*hold // room for the body's first megabyte, and for the rest; nil: not needed yet
	read    bool
	body    []byte
	err     error
	claimed *claim // what the body has to be; nil: anything
	counted bool   // against the caller's rate
}

type claim struct {
	sum   [sha256.Size]byte
	wrong error
}

func newRequest(w http.ResponseWriter, r *http.Request, p *endpoint) *Request {
	q := &Request{Request: r, ID: newID(), Op: p.route.Op, Address: r.RemoteAddr, w: w, max: p.route.MaxBody, limits: p.limits}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		q.Address = host
	}
	if q.max == 0 {
		q.max = DefaultMaxBody
	}
	return q
}

// Prove says who sent the request, and counts it against his rate, once. It is
// asked before any work is done for him. Its error is of the kind Throttled.
func (r *Request) Prove(who access.Caller) error {
	r.Caller = who
	if who.ID == "" || r.counted {
		return nil
	}
	r.counted = true
	if wait := r.limits.Rates.Take(who.ID); wait > 0 {
		return &secret.Error{Kind: secret.Throttled, Detail: "more requests than the caller's rate_limit allows", RetryAfter: wait, Err: access.ErrRate}
	}
	return nil
}

// From is how the request came by the dialect of that name.
func (r *Request) From(via string, now time.Time) access.From {
	return access.From{Via: via, Address: r.Address, Time: now, TLS: r.TLS, Page: byPage(r.Header)}
}

// byPage reports whether a page of the web had a browser send the request. No
// other client sends these headers, and no page can leave them out of a request
// that changes something.
func byPage(h http.Header) bool {
	if len(h["Origin"]) > 0 {
		return true
	}
	for _, site := range h["Sec-Fetch-Site"] {
		if site != "none" && site != "same-origin" {
			return true
		}
	}
	return false
}

// newID returns a random UUID.
func newID() string {
	var id uuid.UUID
	_, _ = rand.Read(id[:])   // never fails (crypto/rand)
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id.String()
}

// HeaderValue returns s as the value of a header of the answer to r.
func (r *Request) HeaderValue(s string) []string {
	if r.used == len(r.values) {
		return []string{s}
	}
	r.values[r.used] = s
	r.used++
	return r.values[r.used-1 : r.used : r.used]
}

// Path is the request's as its API reads it, encoded.
func (r *Request) Path() string { return "/" + strings.Join(r.path, "/") }
