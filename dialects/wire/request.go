package wire

import (
	"crypto/sha256"
	"net"
	"net/http"
	"net/url"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

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
	q := &Request{Request: r, ID: uuid.NewString(), Op: p.route.Op, Address: r.RemoteAddr, w: w, max: p.route.MaxBody, limits: p.limits}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		q.Address = host
	}
	if q.max == 0 {
		q.max = DefaultMaxBody
	}
	q.Vars = mux.Vars(r)
	for k, v := range q.Vars {
		if plain, err := url.PathUnescape(v); err == nil {
			q.Vars[k] = plain
		}
	}
	return q
}
