package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway/access"
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
