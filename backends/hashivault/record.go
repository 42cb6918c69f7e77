package hashivault

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/vaultferry/vaultferry/secret"
)

// The keys that this package keeps in custom_metadata.
const (
	headKey   = "vaultferry"        // of the secret as a whole
	markerKey = "vaultferry.import" // there while an import is not finished
	recordKey = "vaultferry.v"      // and the number, of one version
	aheadKey  = "vaultferry.w"      // and the number, a dot, and a word of its writer's own
)

// The room in custom_metadata: the server's limits less some keys for others.
const (
	maxKeys  = 55
	maxEntry = 512
)

func keyOf(number int64) string { return recordKey + strconv.FormatInt(number, 10) }

// aheadOf begins the keys of records that were put down ahead of a version
// with this number. Each writer has its own key: metadata knows no cas, so a
// writer who loses the number must not touch what the winner keeps under it.
func aheadOf(number int64) string { return aheadKey + strconv.FormatInt(number, 10) + "." }

// moment is a time to the nanosecond; the zero time is the empty string.
type moment struct{ time.Time }

// MarshalText writes RFC 3339 in UTC.
func (m moment) MarshalText() ([]byte, error) {
	if m.IsZero() {
		return nil, nil
	}
	return m.UTC().MarshalText()
}

// UnmarshalText reads RFC 3339 or nothing.
func (m *moment) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		m.Time = time.Time{}
		return nil
	}
	return m.Time.UnmarshalText(b)
}

// checkTimes refuses years that RFC 3339 cannot write.
func checkTimes(ts ...time.Time) error {
	for _, t := range ts {
		if y := t.UTC().Year(); y < 0 || y > 9999 {
			return secret.Errorf(secret.Invalid, "a time is out of range")
		}
	}
	return nil
}

// record is what the product does not know of one version. Its presence alone
// says that no content type means none.
type record struct {
	UID         string            `json:"i,omitempty"`
	Created     moment            `json:"c,omitzero"`
	Updated     moment            `json:"u,omitzero"`
	Disabled    bool              `json:"d,omitempty"`
	NotBefore   moment            `json:"b,omitzero"`
	Expires     moment            `json:"e,omitzero"`
	Form        string            `json:"f,omitempty"`
	Missing     string            `json:"m,omitempty"`
	ContentType string            `json:"y,omitempty"`
	Tags        map[string]string `json:"t,omitzero"`
	Extra       map[string]string `json:"x,omitempty"` // JSON as text: its bytes come back
}

// recordOf returns what must be kept of v beside a value of this form.
func recordOf(v *secret.Version, form string) record {
	r := record{
		Disabled: v.Disabled, NotBefore: moment{v.NotBefore}, Expires: moment{v.Expires}, Form: form, Missing: string(v.Missing),
		ContentType: v.ContentType, Tags: maps.Clone(v.Tags), Extra: extraText(v.Extra),
	}
	if !v.UID.IsZero() {
		r.UID = v.UID.String()
	}
	r.Created = moment{v.Created}
	if !v.Updated.Equal(v.Created) {
		r.Updated = moment{v.Updated}
	}
	return r
}

// fill puts the record's facts over the product's own.
func (r *record) fill(v *secret.Version) {
	if uid, ok := secret.ParseUID(r.UID); ok {
		v.UID = uid
	}
	if !r.Created.IsZero() {
		v.Created = r.Created.Time
	}
	v.Updated = v.Created
	if !r.Updated.IsZero() {
		v.Updated = r.Updated.Time
	}
	v.Disabled, v.NotBefore, v.Expires = r.Disabled, r.NotBefore.Time, r.Expires.Time
	v.ContentType, v.Tags, v.Extra = r.ContentType, r.Tags, extraJSON(r.Extra)
	if r.Missing != "" {
		v.Missing = secret.Missing(r.Missing)
	}
}

// sound reports whether the gateway could have written r.
func (r *record) sound() bool {
	_, uid := secret.ParseUID(r.UID)
	return (r.UID == "" || uid) && areJSON(r.Extra) &&
		slices.Contains([]string{formNatural, formBinary, formFields, formFieldsText}, r.Form) &&
		slices.Contains([]secret.Missing{"", secret.Destroyed, secret.Deleted, secret.Unreadable}, secret.Missing(r.Missing))
}

func areJSON(m map[string]string) bool {
	for _, s := range m {
		if !json.Valid([]byte(s)) {
			return false
		}
	}
	return true
}

// head is what the product does not know of the secret. Roles speak of the
// moment when version At was the newest: versions that native tools add later
// become current, as they do natively.
type head struct {
	At       int64             `json:"n,omitempty"`
	Current  secret.Ordinal    `json:"cur,omitempty"`
	Previous secret.Ordinal    `json:"prev,omitempty"`
	More     bool              `json:"z,omitempty"` // the companion holds records
	Rest     bool              `json:"k,omitempty"` // the companion holds the rest of this head
	Created  moment            `json:"c,omitzero"`
	Updated  moment            `json:"u,omitzero"`
	Shifts   [][2]int64        `json:"o,omitempty"` // from this number on, ordinal = number + offset
	Gaps     [][2]int64        `json:"g,omitempty"` // first and last number of placeholders
	Text     string            `json:"d,omitempty"` // the description
	Tags     map[string]string `json:"t,omitempty"`
	Stages   map[string]int64  `json:"s,omitempty"` // label to number
	Extra    map[string]string `json:"x,omitempty"`
}

// core is the part of a head that stays in custom_metadata.
func (h *head) core() head {
	return head{At: h.At, Current: h.Current, Previous: h.Previous, More: true, Rest: true}
}

func (h *head) over(core head) {
	h.At, h.Current, h.Previous, h.More, h.Rest = core.At, core.Current, core.Previous, core.More, core.Rest
}

func (h *head) clone() head {
	c := *h
	c.Tags, c.Stages, c.Extra = maps.Clone(h.Tags), maps.Clone(h.Stages), maps.Clone(h.Extra)
	return c
}

// maxOffset keeps ordinals from overflow, whatever the number.
const maxOffset = math.MaxInt64 - 1<<40

// sound reports whether the gateway could have written h: above all, whether
// ordinals rise with the numbers.
func (h *head) sound() bool {
	last := [2]int64{}
	for _, s := range h.Shifts {
		if s[0] <= last[0] || s[1] <= last[1] || s[1] > maxOffset {
			return false
		}
		last = s
	}
	_, unnamed := h.Stages[""]
	return !unnamed && areJSON(h.Extra)
}

func (h *head) offset(number int64) int64 {
	var offset int64
	for _, s := range h.Shifts {
		if number >= s[0] {
			offset = s[1]
		}
	}
	return offset
}

func (h *head) ordinal(number int64) secret.Ordinal {
	return secret.Ordinal(number + h.offset(number))
}

func (h *head) placeholder(number int64) bool {
	for _, g := range h.Gaps {
		if g[0] <= number && number <= g[1] {
			return true
		}
	}
	return false
}

func extraText(e secret.Extra) map[string]string {
	if e == nil {
		return nil
	}
	m := make(map[string]string, len(e))
	for k, raw := range e {
		m[k] = string(raw)
	}
	return m
}

func extraJSON(m map[string]string) secret.Extra {
	if m == nil {
		return nil
	}
	e := make(secret.Extra, len(m))
	for k, s := range m {
		e[k] = json.RawMessage(s)
	}
	return e
}

// ascii is compact JSON of printable ASCII, the only text that custom_metadata
// takes whatever it says. It has no character that the server would escape, so
// that its length is what is stored.
func ascii(v any) string {
	var b strings.Builder
	for _, r := range string(marshal(v)) {
		switch {
		case r < 0x7f && r != '<' && r != '>' && r != '&':
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		}
	}
	return b.String()
}
