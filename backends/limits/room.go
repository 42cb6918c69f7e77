package limits

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// csmsBeside is what the gateway keeps of a secret at the end of its
// description in CSMS.
type csmsBeside struct {
	Created, Updated time.Time
	Extra            map[string]json.RawMessage `json:",omitempty"`
	Entries          []csmsEntry
}

type csmsEntry struct {
	N         secret.Ordinal
	U         []byte
	C         time.Time
	M         time.Time                  `json:",omitzero"`
	F         string                     `json:",omitempty"`
	D         bool                       `json:",omitempty"`
	NotBefore time.Time                  `json:"b,omitzero"`
	Type      string                     `json:"t,omitempty"`
	Tags      map[string]string          `json:"g,omitempty"`
	Extra     map[string]json.RawMessage `json:"x,omitempty"`
	Expires   time.Time                  `json:"e,omitzero"`
}

// identify lays out what is never left out.
func (x *csmsPlan) identify() {
	x.kept.Created, x.kept.Updated = x.s.Created, x.s.Updated
	for _, v := range x.versions {
		e := csmsEntry{N: v.Ordinal, U: v.UID[:], C: v.Created, D: v.Disabled}
		if !v.Updated.Equal(v.Created) {
			e.M = v.Updated
		}
		if v.Value.Form() == secret.Fields {
			e.F = "j"
		}
		x.kept.Entries = append(x.kept.Entries, e)
	}
}

// attributes fills the rest of the room: one kind after the other, of the
// newest version first.
func (x *csmsPlan) attributes() {
	for _, a := range []struct {
		what string
		held func(*secret.Version) bool
		set  func(*csmsEntry, *secret.Version)
	}{
		{backends.LossNotBefore, func(v *secret.Version) bool { return !v.NotBefore.IsZero() }, func(e *csmsEntry, v *secret.Version) { e.NotBefore = v.NotBefore }},
		{backends.LossContentType, func(v *secret.Version) bool { return v.ContentType != "" }, func(e *csmsEntry, v *secret.Version) { e.Type = v.ContentType }},
		{backends.LossTags, func(v *secret.Version) bool { return v.Tags != nil }, func(e *csmsEntry, v *secret.Version) { e.Tags = v.Tags }},
		{backends.LossExtra, func(v *secret.Version) bool { return len(v.Extra) > 0 }, func(e *csmsEntry, v *secret.Version) { e.Extra = v.Extra }},
		{backends.LossExpiresFraction, func(v *secret.Version) bool { return v.Expires.Nanosecond() != 0 && !csmsEndProblem(v.Expires) }, func(e *csmsEntry, v *secret.Version) { e.Expires = v.Expires }},
	} {
		for i, v := range slices.Backward(x.versions) {
			if a.held(v) {
				next := x.kept
				next.Entries = slices.Clone(x.kept.Entries)
				a.set(&next.Entries[i], v)
				x.try(next, v.Ordinal, a.what)
			}
		}
	}
}

func (x *csmsPlan) try(next csmsBeside, o secret.Ordinal, what string) {
	if !x.fits(&next) {
		x.lose(secret.Meaning, o, what, csmsFull)
		return
	}
	x.kept = next
}

// fits reports whether description and rest share the room.
func (x *csmsPlan) fits(b *csmsBeside) bool {
	const mark, check = len(" vaultferry.1."), 6
	return x.human+mark+base64.RawURLEncoding.EncodedLen(check+deflated(b)) <= x.p.Room.Most
}

func deflated(b *csmsBeside) int {
	plain, err := json.Marshal(b)
	if err != nil { // HeadOf refuses what is no JSON, and years are within four digits
		return 1 << 20
	}
	var out bytes.Buffer
	w, _ := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	_, _ = w.Write(plain) // a buffer takes everything
	_ = w.Close()
	return out.Len()
}

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil { // the level is a good one
		panic(err)
	}
	return w
}}

// spelt is a tag's text as CSMS takes it: in base64url where its alphabet lacks
// letters for it.
func spelt(s string, plain func(string) bool) string {
	if plain(s) && !strings.HasPrefix(s, "b64.") {
		return s
	}
	return "b64." + base64.RawURLEncoding.EncodeToString([]byte(s))
}

func tagKey(s string) bool {
	return s != "" && !strings.HasPrefix(s, "_sys_") && strings.TrimFunc(s, unicode.IsSpace) == s && tagText(s, "_.:=+-@")
}

func tagValue(s string) bool { return tagText(s, "_.:/=+-@") }

func tagText(s, more string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !unicode.In(c, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune(more, c)
	})
}
