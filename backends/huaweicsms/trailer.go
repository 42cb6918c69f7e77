package huaweicsms

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// maxDescription is the product's limit, in bytes.
const maxDescription = 2048

// trailer is what the gateway keeps at the end of a secret's description,
// behind what people wrote there, and only where the product's own facts would
// not do. Members are only ever added.
//
//	PEOPLE'S TEXT vaultferry.1.PAYLOAD
//
// PAYLOAD is base64url, without padding, of six bytes of a check and the
// deflated JSON below. The check is the start of the SHA-256 over the product's
// name of the secret, a NUL and what is deflated: a trailer that was cut, or
// copied to another secret, is people's text.
//
// Danger: native tools that write a description without the trailer take it
// away. The versions then have the identity that the product's facts give, and
// a disabled one can be read.
type trailer struct {
	// Name of the secret, where the product's is a hash of it.
	Name secret.Name `json:"n,omitempty"`
	// Offset from the product's numbers to ordinals, for versions that do not
	// say their own.
	Offset  secret.Ordinal `json:"o,omitempty"`
	Entries []entry        `json:"v,omitempty"` // by Number
	// Of the secret, where an import brought them. Created: nil is the
	// product's.
	Created sidecar.Time    `json:"c,omitzero"`
	Updated sidecar.Time    `json:"m,omitzero"`
	Extra   sidecar.Members `json:"x,omitempty"`
	// Roles: the product always has a current version, and cannot take the
	// previous role away.
	Roles *roles `json:"r,omitempty"`
	// Import marks an import that is not finished.
	Import string `json:"i,omitempty"`
	// Surplus are numbers that an import's requests took which came twice, or
	// too late, in order. They are no versions: the product takes none away.
	Surplus []int64 `json:"s,omitempty"`
	// Days that a gateway asked the product to keep the secret for.
	Days int `json:"d,omitempty"`
}

// entry is what the product cannot say of a version.
type entry struct {
	Number  int64          `json:"v"`
	Ordinal secret.Ordinal `json:"o,omitempty"` // zero: Number and Offset
	UID     sidecar.UID    `json:"u,omitzero"`
	Created sidecar.Time   `json:"c,omitzero"`
	Updated sidecar.Time   `json:"m,omitzero"` // only if not Created
	Form    string         `json:"f,omitempty"`
	Type    string         `json:"t,omitempty"`
	// Tags: nil: never set; empty: set to nothing.
	Tags      map[string]string `json:"g,omitzero"`
	Disabled  bool              `json:"d,omitempty"`
	NotBefore sidecar.Time      `json:"b,omitzero"`
	// Expires is exact, and good only as long as the product shows its second.
	Expires sidecar.Time `json:"e,omitzero"`
	// NoExpires: the product cannot take an expiry away. The version has none
	// as long as the product shows the last that it can.
	NoExpires bool            `json:"z,omitempty"`
	Extra     sidecar.Members `json:"x,omitempty"`
}

// roles are numbers of versions, zero for none: who has the roles of the
// product, and who has them here as long as that is so.
type roles struct {
	TheirCurrent  int64 `json:"tc,omitempty"`
	TheirPrevious int64 `json:"tp,omitempty"`
	Current       int64 `json:"c,omitempty"`
	Previous      int64 `json:"p,omitempty"`
}

// needed returns r if it says more than the product does.
func (r roles) needed() *roles {
	if r.Current == r.TheirCurrent && r.Previous == r.TheirPrevious {
		return nil
	}
	return &r
}

func (r *roles) same(o *roles) bool {
	return r == o || r != nil && o != nil && *r == *o
}

// The forms of a value that the product does not tell.
const (
	formFields = "j" // the text is the JSON of an object
	formBinary = "b" // bytes that are none
)

const (
	trailerMark = "vaultferry.1."
	checkLength = 6
	maxPlain    = 64 << 10 // far above what 2048 bytes are deflated from
	// maxOrdinal is a number that every reader of JSON can hold.
	maxOrdinal = 1 << 53
	maxNumber  = 9999999999 // ten digits
)

// empty reports whether there is nothing to keep.
func (t *trailer) empty() bool {
	return t.Name == "" && t.Offset == 0 && len(t.Entries) == 0 && t.Created.IsZero() && t.Updated.IsZero() && len(t.Extra) == 0 &&
		t.Roles == nil && t.Import == "" && len(t.Surplus) == 0 && t.Days == 0
}

func (e *entry) empty() bool {
	return e.Ordinal == 0 && e.UID == sidecar.UID{} && e.Created.IsZero() && e.Updated.IsZero() && e.Form == "" && e.Type == "" &&
		e.Tags == nil && !e.Disabled && e.NotBefore.IsZero() && e.Expires.IsZero() && !e.NoExpires && len(e.Extra) == 0
}

// entry returns that of the version, or an empty one.
func (t *trailer) entry(number int64) entry {
	if i, found := slices.BinarySearchFunc(t.Entries, number, compareNumber); found {
		return t.Entries[i]
	}
	return entry{Number: number}
}

// set returns t with e in its place; an empty one leaves it.
func (t trailer) set(e entry) trailer {
	i, found := slices.BinarySearchFunc(t.Entries, e.Number, compareNumber)
	t.Entries = slices.Clone(t.Entries)
	switch {
	case found && e.empty():
		t.Entries = slices.Delete(t.Entries, i, i+1)
	case found:
		t.Entries[i] = e
	case !e.empty():
		t.Entries = slices.Insert(t.Entries, i, e)
	}
	return t
}

// keep returns t with what it says of these versions alone.
func (t trailer) keep(versions []versionFact) trailer {
	gone := func(n int64) bool {
		return !slices.ContainsFunc(versions, func(v versionFact) bool { return v.number == n })
	}
	t.Entries = slices.DeleteFunc(slices.Clone(t.Entries), func(e entry) bool { return gone(e.Number) })
	t.Surplus = slices.DeleteFunc(slices.Clone(t.Surplus), gone)
	return t
}

func compareNumber(e entry, n int64) int { return int(min(max(e.Number-n, -1), 1)) }

// join writes the description.
func join(wire, human string, t *trailer) string {
	if _, ours := split(wire, human); t.empty() && ours == nil {
		return human
	}
	mark := trailerMark + t.encode(wire)
	if human == "" {
		return mark
	}
	return human + " " + mark
}

func (t *trailer) encode(wire string) string {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	err := enc.Encode(t)
	if err != nil { // raw members are valid JSON: CheckDraft and HeadOf saw to that
		panic(err)
	}
	var b bytes.Buffer
	b.Write(make([]byte, checkLength))
	w, _ := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&b)
	_, err = w.Write(bytes.TrimSuffix(plain.Bytes(), []byte("\n")))
	if err = errors.Join(err, w.Close()); err != nil { // a buffer takes everything
		panic(err)
	}
	copy(b.Bytes(), check(wire, b.Bytes()[checkLength:]))
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// deflaters are large, and an import lays its trailer out many times.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestCompression)
	if err != nil { // the level is a good one
		panic(err)
	}
	return w
}}

func check(wire string, deflated []byte) []byte {
	h := sha256.New()
	h.Write([]byte(wire + "\x00"))
	h.Write(deflated)
	return h.Sum(nil)[:checkLength]
}

// split parts a description into what people wrote and the trailer. Nil: there
// is none of ours.
func split(wire, description string) (human string, t *trailer) {
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
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(deflated)), maxPlain+1))
	if err != nil || len(plain) > maxPlain {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(plain))
	t := new(trailer)
	if dec.Decode(t) != nil || !t.valid() {
		return nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil
	}
	return t
}

// valid reports whether a gateway could have written t.
func (t *trailer) valid() bool {
	if t.Offset < 0 || t.Offset > maxOrdinal || t.Days < 0 || t.Days > maxDays || t.Name != "" && t.Name.Validate() != nil {
		return false
	}
	var last int64
	for _, n := range t.Surplus {
		if n <= last || n > maxNumber {
			return false
		}
		last = n
	}
	last = 0
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Number <= last || e.Number > maxNumber || e.Ordinal < 0 || e.Ordinal > maxOrdinal ||
			e.Form != "" && e.Form != formFields && e.Form != formBinary {
			return false
		}
		last = e.Number
	}
	return true
}
