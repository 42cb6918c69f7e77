package wire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"golang.org/x/sync/semaphore"

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

	w     http.ResponseWriter
	max   int64
	large *semaphore.Weighted
	held  bool // a place of large
	read  bool
	body  []byte
	err   error
}

func newRequest(w http.ResponseWriter, r *http.Request, p *endpoint) *Request {
	q := &Request{Request: r, ID: uuid.NewString(), Op: p.route.Op, Address: r.RemoteAddr, w: w, max: p.route.MaxBody, large: p.large}
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

// Body returns the whole body. It reads once; later calls return the same.
func (r *Request) Body() ([]byte, error) {
	if !r.read {
		r.read = true
		r.body, r.err = r.readBody()
	}
	return r.body, r.err
}

// Forget lets the body go for the rest of the request: who has decoded one of
// tens of megabytes need not hold it as well. Body has none after that.
func (r *Request) Forget() { r.body = nil }

// readBody believes no Content-Length: memory grows with what really comes, to
// twice that at most. But it does not grow beyond what a Content-Length says.
func (r *Request) readBody() ([]byte, error) {
	if r.ContentLength > r.max {
		return nil, r.tooLarge()
	}
	buf := new(bytes.Buffer)
	src := http.MaxBytesReader(r.w, r.Request.Body, r.max)
	_, err := buf.ReadFrom(io.LimitReader(src, DefaultMaxBody+1))
	if err == nil && buf.Len() > DefaultMaxBody {
		if err := r.hold(); err != nil {
			return nil, err
		}
		buf, err = r.readLarge(buf, src)
	}
	if err != nil {
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			return nil, r.tooLarge()
		}
		return nil, &secret.Error{Kind: secret.Invalid, Detail: "the body ended early", Err: errors.Join(ErrBodyRead, err)}
	}
	return buf.Bytes(), nil
}

// readLarge reads on behind what has come. A buffer left to itself would end
// with up to twice the room that it needs.
func (r *Request) readLarge(come *bytes.Buffer, src io.Reader) (*bytes.Buffer, error) {
	for int64(come.Len()) < r.ContentLength {
		n := min(int64(come.Len()), r.ContentLength-int64(come.Len()))
		more := bytes.NewBuffer(make([]byte, 0, int64(come.Len())+n+bytes.MinRead))
		more.Write(come.Bytes())
		come = more
		if got, err := come.ReadFrom(io.LimitReader(src, n)); err != nil || got < n {
			return come, err
		}
	}
	_, err := come.ReadFrom(src) // nothing, where a length was told
	return come, err
}

// hold takes a place for a large body, until release.
func (r *Request) hold() error {
	if err := r.large.Acquire(r.Context(), 1); err != nil {
		return &secret.Error{Kind: secret.Unavailable, Detail: "too many large bodies are waiting", Err: err}
	}
	r.held = true
	return nil
}

func (r *Request) release() {
	if r.held {
		r.large.Release(1)
	}
}

func (r *Request) tooLarge() error {
	return &secret.Error{Kind: secret.TooLarge, Detail: fmt.Sprintf("the body is too large: over %d bytes", r.max), Err: ErrBodySize}
}

// Digest identifies the body. It is zero if there is none to read.
func (r *Request) Digest() [sha256.Size]byte {
	b, err := r.Body()
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(b)
}
