package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// RetryAfter is what err says of when to come again, in whole seconds, rounded
// up, as the header of that name has it; empty: nothing.
func RetryAfter(err error) string {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || e.RetryAfter <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10)
}

// buffers hold answers while they are built and sent.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKept is how large a buffer may have become to be used again.
const maxKept = 64 << 10

func release(buf *bytes.Buffer) {
	if buf.Cap() <= maxKept {
		buf.Reset()
		buffers.Put(buf)
	}
}

// encode returns nil for a reply without a body. Others may stand in buf, which
// is empty.
func encode(buf *bytes.Buffer, body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	case Appender:
		buf.Write(b.AppendJSON(buf.AvailableBuffer()))
		return buf.Bytes(), nil
	}
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// write sends the answer. A client that has gone is nobody's fault. One that
// takes its time loses the rest when others wait for the place.
func write(w http.ResponseWriter, q *Request, rep Reply, body []byte, place *hold) {
	h := w.Header()
	maps.Copy(h, rep.Header)
	if rep.Body != nil {
		h["Content-Length"] = q.HeaderValue(strconv.Itoa(len(body)))
	}
	w.WriteHeader(rep.Status)
	if place == nil || len(body) < largeAnswer {
		_, _ = w.Write(body) //nolint:gosec // G705: JSON, and headers that forbid sniffing, are the dialect's
		return
	}
	place.begin(func() bool { return http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) == nil })
	for part := range slices.Chunk(body, writeStep) {
		if _, err := w.Write(part); err != nil {
			return
		}
		place.progress(len(part))
	}
}

// writeStep is how much is sent before the pace is looked at.
const writeStep = 64 << 10
