package wire

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// encode returns nil for a reply without a body.
func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// write sends the answer. A client that has gone is nobody's fault.
func write(w http.ResponseWriter, rep Reply, body []byte) {
	h := w.Header()
	maps.Copy(h, rep.Header)
	if rep.Body != nil {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(rep.Status)
	_, _ = w.Write(body) //nolint:gosec // G705: JSON, and headers that forbid sniffing, are the dialect's
}
