package azurekv

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// reservedTag is the name of the one tag of each version that is ours.
const reservedTag = "vaultferry"

// Limits of the product.
const (
	maxTags        = 15
	maxTagText     = 256 // characters, of a name and of a value
	maxContentType = 255
	maxValue       = 25600 // bytes of UTF-8
)

// reserved is the content of the reserved tag: compact JSON of at most 256
// characters. Members are only ever added; a reader ignores a tag with another
// "v" and shows it as the ordinary tag that it then is.
//
// Danger: native tools that replace a version's tags take it away. The version
// then has the identity that its own facts give (see history.go).
type reserved struct {
	V       int            `json:"v"`
	UID     shortUID       `json:"u"`
	Ordinal secret.Ordinal `json:"n"`
	Created stamp          `json:"c,omitzero"`
	Updated stamp          `json:"m,omitzero"` // only if not Created
	// Written is when, by our clock, if that is not Created. With the product's
	// own time it tells a tag from a copy of it on another version.
	Written stamp  `json:"w,omitzero"`
	Form    string `json:"f,omitempty"`
	// OurType: the content type was set by us and is none of the source's.
	OurType bool `json:"d,omitempty"`
	// EmptyTags: the source set the tags to nothing, rather than not at all.
	EmptyTags bool `json:"e,omitempty"`
	// Exact times, only where the product cuts them to seconds, and good only
	// as long as the product still shows those seconds.
	NotBefore stamp `json:"nb,omitzero"`
	Expires   stamp `json:"ex,omitzero"`
	// The product cannot take a time away. One that was is set to a value that
	// means as much to native tools, and hidden as long as that stands.
	NoNotBefore bool `json:"xb,omitempty"` // it is the product's created
	NoExpires   bool `json:"xe,omitempty"` // it is maxSeconds
	// Touched is when, by our clock, a gateway last changed the version in
	// place: what the product says of that moment tells nothing of native tools.
	Touched stamp        `json:"t,omitzero"`
	Stages  []string     `json:"s,omitempty"`
	Extra   secretRawMap `json:"x,omitempty"`
	// Opened: the version is disabled, and a gateway enabled it then for as long
	// as it takes to read it (open.go). Bare: it has no tag but this mark.
	Opened stamp `json:"o,omitzero"`
	Bare   bool  `json:"b,omitempty"`
	// Import marks the versions of one import; Last, the one written last.
	// An import without a Last is not finished.
	Import string `json:"i,omitempty"`
	Last   bool   `json:"z,omitempty"`

	// Of the secret as a whole, with the version that was the product's newest
	// when it was written. Nil Previous: nobody said; zero: none. Current is
	// the version that is, if not this one; a gateway that does not know the
	// member takes this one, as native tools do, and loses nothing else.
	Previous      *secret.Ordinal   `json:"p,omitempty"`
	Current       secret.Ordinal    `json:"q,omitempty"`
	NoCurrent     bool              `json:"k,omitempty"`
	Highest       secret.Ordinal    `json:"h,omitempty"` // ever given, if not one that is there
	SecretCreated stamp             `json:"sc,omitzero"` // only if not Created
	SecretUpdated stamp             `json:"su,omitzero"` // only if not Updated
	Description   string            `json:"sd,omitempty"`
	SecretTags    map[string]string `json:"st,omitempty"`
	SecretExtra   secretRawMap      `json:"sx,omitempty"`
}

// The forms of a value that is not plain text.
const (
	formBinary = "b" // standard base64
	formFields = "j" // the JSON text of an object
)

// What the tag is made of.
type (
	shortUID     = sidecar.UID
	stamp        = sidecar.Time
	secretRawMap = sidecar.Members
)

// maxSeconds is the year 9999.
const maxSeconds = sidecar.MaxTime

const tagVersion = 1

// maxOrdinal leaves room above it, and is a number that every reader of JSON
// can hold.
const maxOrdinal = 1 << 53

func (r *reserved) encode() (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// setRoles makes r, the tag of version own, say who holds the roles as long as
// that one is the newest.
func (r *reserved) setRoles(own, current, previous secret.Ordinal) {
	r.Previous, r.Current, r.NoCurrent = &previous, current, current == 0
	if current == own {
		r.Current = 0
	}
}

// fits reports whether the product takes the tag and we can read it again.
func (r *reserved) fits() bool {
	s, err := r.encode()
	return err == nil && decodeTag(s) != nil
}

// characters counts as the product does, whose strings are of UTF-16.
func characters(s string) int { return len(utf16.Encode([]rune(s))) }

// decodeTag returns nil for what we have not written.
func decodeTag(s string) *reserved {
	if characters(s) > maxTagText {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(s))
	r := new(reserved)
	if dec.Decode(r) != nil || r.V != tagVersion || secret.UID(r.UID).IsZero() {
		return nil
	}
	if r.Ordinal < 1 || r.Ordinal > maxOrdinal || r.Highest < 0 || r.Highest > maxOrdinal {
		return nil
	}
	if r.Current < 0 || r.Current > maxOrdinal {
		return nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil
	}
	if r.Form != "" && r.Form != formBinary && r.Form != formFields {
		return nil
	}
	return r
}
