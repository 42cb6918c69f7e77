package huaweicsms

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/vaultferry/vaultferry/backends/sidecar"
)

// A description is what people wrote there, and the trailer:
//
//	PEOPLE'S TEXT vaultferry.1.PAYLOAD
//
// PAYLOAD is base64url, without padding, of six bytes of a check and the
// deflated JSON of the trailer. The check is the start of the SHA-256 over the
// product's name of the secret, a NUL and what is deflated: a trailer that was
// cut, or copied to another secret, is people's text.
const (
	maxDescription = 2048 // bytes, the product's limit
	trailerMark    = "vaultferry.1."
	checkLength    = 6
	maxPlain       = 64 << 10 // far above what 2048 bytes are deflated from
)

// join writes the description.
func join(wire, text string, t *trailer) string {
	plain := sidecar.JSON(t)
	if plain == empty {
		if _, ours := split(wire, text); ours == nil {
			return text
		}
	}
	mark := trailerMark + encode(wire, plain)
	if text == "" {
		return mark
	}
	return text + " " + mark
}

// empty is the trailer that says nothing.
const empty = "{}"

func encode(wire, plain string) string {
	var b bytes.Buffer
	b.Write(make([]byte, checkLength))
	w, _ := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&b)
	_, err := io.WriteString(w, plain)
	if err = errors.Join(err, w.Close()); err != nil { // a buffer takes everything
		panic(err)
	}
	copy(b.Bytes(), check(wire, b.Bytes()[checkLength:]))
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// deflaters are large, and an import lays its trailer out many times. Inflaters
// are, and a list reads many.
var (
	deflaters = sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.BestCompression)
		if err != nil { // the level is a good one
			panic(err)
		}
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

func check(wire string, deflated []byte) []byte {
	h := sha256.New()
	h.Write([]byte(wire + "\x00"))
	h.Write(deflated)
	return h.Sum(nil)[:checkLength]
}

// split parts a description into what people wrote and the trailer. Nil: there
// is none of ours.
func split(wire, description string) (text string, t *trailer) {
	i := strings.LastIndex(description, trailerMark)
	if i < 0 || i > 0 && description[i-1] != ' ' {
		return description, nil
	}
	if t = decodeTrailer(wire, description[i+len(trailerMark):]); t == nil {
		return description, nil
	}
	return description[:max(i-1, 0)], t
}

func decodeTrailer(wire, payload string) *trailer {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil || len(raw) < checkLength || strings.ContainsAny(payload, "\r\n") {
		return nil
	}
	deflated := raw[checkLength:]
	if subtle.ConstantTimeCompare(raw[:checkLength], check(wire, deflated)) != 1 {
		return nil
	}
	r, _ := inflaters.Get().(interface {
		io.Reader
		flate.Resetter
	})
	defer inflaters.Put(r)
	if r.Reset(bytes.NewReader(deflated), nil) != nil {
		return nil
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	t := new(trailer)
	if err != nil || len(plain) > maxPlain || sidecar.Decode(string(plain), sidecar.JSON, t) != nil {
		return nil
	}
	return t
}
