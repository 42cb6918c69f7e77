package wire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Body returns the whole body. It reads once; later calls return the same.
func (r *Request) Body() ([]byte, error) {
	if !r.read {
		r.read = true
		r.body, r.err = r.readBody()
	}
	return r.body, r.err
}

// Why a body cannot be read as JSON.
var (
	ErrEncoded = errors.New("encoded, as its Content-Encoding says: send it as it is")
	ErrUTF16   = errors.New("UTF-16: send UTF-8")
)

// JSON is Body without the byte order mark that editors of Windows put before it:
// curl -d @FILE sends what was saved. Its own errors are ErrEncoded and ErrUTF16.
func (r *Request) JSON() ([]byte, error) {
	body, err := r.Body()
	if err != nil {
		return nil, err
	}
	for _, coding := range r.Header["Content-Encoding"] {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return nil, ErrEncoded
		}
	}
	if bytes.HasPrefix(body, []byte("\xff\xfe")) || bytes.HasPrefix(body, []byte("\xfe\xff")) {
		return nil, ErrUTF16
	}
	return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), nil
}

// Large reports whether the route takes bodies that ought not to be read
// before it is known what the sender may do.
func (r *Request) Large() bool { return r.max > DefaultMaxBody }

// Expect says that the body has this sum: another one is wrong, which Body
// then returns. It is for a sender who was proved by what he signed: his body
// counts as a caller's from now on.
func (r *Request) Expect(sum [sha256.Size]byte, who access.Caller, wrong error) {
	r.claimed, r.Caller = &claim{sum, wrong}, who
}

// Forget lets the body go for the rest of the request: who has decoded one of
// tens of megabytes need not hold it as well. Body has none after that.
func (r *Request) Forget() { r.body = nil }

// Digest identifies the body. It is zero if there is none to read.
func (r *Request) Digest() [sha256.Size]byte {
	b, err := r.Body()
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(b)
}

// readBody has room in the budget for what it reads, before it is there: for
// the first megabyte, and then for all of the rest.
func (r *Request) readBody() ([]byte, error) {
	if r.ContentLength > r.max {
		return nil, r.tooLarge()
	}
	size, known := r.max, r.ContentLength >= 0
	if known {
		size = r.ContentLength
	}
	if size == 0 || r.Request.Body == nil || r.Request.Body == http.NoBody {
		return nil, r.checkSum(sha256.New())
	}
	b, err := r.readAll(size, known)
	if err == nil {
		r.settle(int64(cap(b)))
		return b, nil
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, r.tooLarge()
	case errors.Is(err, errNoRoom), errors.Is(err, errEnded), r.wasEnded():
		return nil, &secret.Error{Kind: secret.Unavailable, Detail: "too many bodies are waiting, or this one came too slowly", Err: err}
	case r.claimed != nil && errors.Is(err, r.claimed.wrong):
		return nil, err
	}
	return nil, &secret.Error{Kind: secret.Invalid, Detail: "the body ended early", Err: errors.Join(ErrBodyRead, err)}
}

func (r *Request) readAll(size int64, known bool) ([]byte, error) {
	src := http.MaxBytesReader(r.w, r.Request.Body, r.max)
	sum := sha256.New()
	buf := []byte(nil)
	for i, room := range []int64{min(size, DefaultMaxBody), size} {
		if int64(len(buf)) == room {
			break
		}
		r.held[i] = r.enter(i)
		if err := r.held[i].take(r.Context(), room-int64(len(buf))); err != nil {
			return nil, err
		}
		buf = append(r.limits.spare.take(room), buf...)
		var end bool
		var err error
		if buf, end, err = r.fill(buf, src, sum, r.held[i]); err != nil {
			r.limits.spare.put(buf)
			return nil, err
		}
		if end {
			if known && int64(len(buf)) < size {
				return nil, io.ErrUnexpectedEOF
			}
			return buf, r.checkSum(sum)
		}
	}
	switch _, err := io.ReadFull(src, make([]byte, 1)); {
	case err == nil:
		return nil, &http.MaxBytesError{Limit: r.max}
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return buf, r.checkSum(sum)
}

// fill reads until buf is full or src ends.
func (r *Request) fill(buf []byte, src io.Reader, sum hash.Hash, held *hold) (filled []byte, end bool, err error) {
	for len(buf) < cap(buf) {
		n, err := src.Read(buf[len(buf):min(cap(buf), len(buf)+256<<10)])
		if r.claimed != nil {
			_, _ = sum.Write(buf[len(buf) : len(buf)+n])
		}
		buf = buf[:len(buf)+n]
		held.progress(n)
		switch {
		case errors.Is(err, io.EOF):
			return buf, true, nil
		case err != nil:
			return buf, false, err
		}
	}
	return buf, false, nil
}

func (r *Request) checkSum(sum hash.Hash) error {
	if r.claimed != nil && [sha256.Size]byte(sum.Sum(nil)) != r.claimed.sum {
		return r.claimed.wrong
	}
	return nil
}

// enter asks for room in the name of the caller, or of a stranger's network:
// for the first megabyte (0) or for the rest (1).
func (r *Request) enter(part int) *hold {
	end := func() bool { return http.NewResponseController(r.w).SetReadDeadline(time.Unix(1, 0)) == nil }
	if r.Caller.ID != "" {
		return r.limits.callers.enter(r.callerKey(), end)
	}
	return []*budget{r.limits.strangers, r.limits.large}[part].enter(access.Network(r.Address), end)
}

// settle has the holds be for n bytes, which are here now.
func (r *Request) settle(n int64) {
	for i, h := range r.held {
		if h != nil {
			part := n
			if i == 0 {
				part = min(n, DefaultMaxBody)
			}
			h.settle(part)
			n -= part
		}
	}
}

// callerKey is whom a proved caller's requests count for: himself where he is.
func (r *Request) callerKey() string { return r.Caller.ID + " " + access.Network(r.Address) }

func (r *Request) wasEnded() bool {
	return slices.ContainsFunc(r.held[:], func(h *hold) bool { return h != nil && h.wasEnded() })
}

// proved has what was read of a stranger's body count as the caller's.
func (r *Request) proved() {
	for i, h := range r.held {
		if h != nil && h.b != r.limits.callers && r.Caller.ID != "" {
			r.held[i] = h.moveTo(r.limits.callers, r.callerKey())
		}
	}
}

func (r *Request) release() {
	for _, h := range r.held {
		if h != nil {
			h.release()
		}
	}
}

func (r *Request) tooLarge() error {
	return &secret.Error{Kind: secret.TooLarge, Detail: fmt.Sprintf("the body is too large: over %d bytes", r.max), Err: ErrBodySize}
}
