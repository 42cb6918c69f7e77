package kv2

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// The keys that this package keeps in custom_metadata.
const (
	headKey    = "vaultferry"        // of the secret as a whole
	importKey  = "vaultferry.import" // there while an import is not finished
	trashKey   = "vaultferry.trash"  // there while the secret is in the trash
	openedKey  = "vaultferry.opened" // there while deleted versions are undeleted to be read
	versionKey = "vaultferry.v"      // and the number, of one version
	aheadKey   = "vaultferry.w"      // and the number, a dot, and a word of its writer's own
)

// The room in custom_metadata. The server takes 64 keys. A few are left for
// what comes and goes (an import, a deletion, a version ahead of its value),
// and entries of versions leave some to tags.
const (
	maxNative = 60 // tags and entries of versions
	maxKeys   = 45 // with which an entry of a version still comes to them
	maxEntry  = 512
)

func keyOf(number int64) string { return versionKey + strconv.FormatInt(number, 10) }

// aheadOf begins the keys of what was put down ahead of a version with this
// number. Each writer has its own key: metadata knows no cas, so a writer who
// loses the number must not touch what the winner keeps under it.
func aheadOf(number int64) string { return aheadKey + strconv.FormatInt(number, 10) + "." }

// versionEntry is what the product does not know of v, whose value has a form.
// Its presence alone says that no content type means none. Labels lie in the
// head, but for those of a version that is being written: see labels.
func versionEntry(v *secret.Version, form sidecar.Form) sidecar.Version {
	e := sidecar.OfVersion(v, 0)
	e.Form, e.Stages = form, nil
	return e
}

// entryOf returns what is kept of a version. Of a write that was torn, or is
// not done, that is what it put down ahead; of several, a disabled one counts.
func (st *state) entryOf(number int64) (sidecar.Version, bool, error) {
	if e, ok, err := st.entry(keyOf(number)); ok || err != nil {
		return e, ok, err
	}
	var found sidecar.Version
	keys := st.ahead(number)
	for _, k := range keys {
		e, _, err := st.entry(k)
		if err != nil {
			return sidecar.Version{}, false, err
		}
		if !found.Disabled {
			found = e
		}
	}
	return found, len(keys) > 0, nil
}

// entry decodes what is kept under a key. What stands in custom_metadata is
// newer than what the companion says.
func (st *state) entry(key string) (e sidecar.Version, ok bool, err error) {
	text, ok := st.Custom[key]
	if !ok {
		text, ok = st.more.entries[key]
	}
	if !ok {
		return e, false, nil
	}
	if e, known := st.decoded[text]; known {
		return e, true, nil
	}
	if sidecar.Decode(text, sidecar.ASCII, &e) != nil {
		return sidecar.Version{}, false, errForeign("custom_metadata " + key)
	}
	if st.decoded == nil {
		st.decoded = map[string]sidecar.Version{}
	}
	st.decoded[text] = e
	return e, true, nil
}

// ahead lists the keys of what was put down ahead of the number.
func (st *state) ahead(number int64) []string {
	var out []string
	for _, entries := range []map[string]string{st.Custom, st.more.entries} {
		for k := range entries {
			if strings.HasPrefix(k, aheadOf(number)) {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	return out
}

// headEntry is what the product does not know of the secret. Roles speak of the
// moment when version At was the newest: versions that native tools add later
// become current, as they do natively.
type headEntry struct {
	sidecar.Secret
	At int64 `json:"A,omitempty"`
	// Will are the roles once the version At is there: of a head that was put down
	// ahead of it. Every other head is without.
	Will *sidecar.Roles `json:"W,omitempty"`
	Gaps [][2]int64     `json:"G,omitempty"` // first and last number of placeholders
	More bool           `json:"M,omitempty"` // the companion holds entries of versions
	Rest bool           `json:"R,omitempty"` // the companion holds the rest of this head
}

// headOf is what must be kept of h while the version with the number at is the
// newest.
func headOf(h *history.Head, at int64, shifts sidecar.Shifts, gaps [][2]int64) headEntry {
	e := headEntry{Secret: sidecar.OfSecret(&h.Secret), At: at, Gaps: gaps}
	e.Roles, e.Shifts, e.Stages = &sidecar.Roles{Current: h.Secret.Current, Previous: h.Secret.Previous}, shifts, h.Stages
	e.Deleted = nil // an entry of its own says so
	return e
}

// short is the part of a head that stays in custom_metadata when the rest does
// not fit.
func (e *headEntry) short() headEntry {
	return headEntry{Secret: sidecar.Secret{Roles: e.Roles}, At: e.At, Will: e.Will, More: true, Rest: true}
}

// Valid reports whether a gateway could have written e.
func (e *headEntry) Valid() bool { return e.Roles != nil && e.At >= 0 && e.Secret.Valid() }

func (e *headEntry) isPlaceholder(number int64) bool { return within(e.Gaps, number) }

// within reports whether a number is in one of the ranges.
func within(ranges [][2]int64, number int64) bool {
	for _, r := range ranges {
		if r[0] <= number && number <= r[1] {
			return true
		}
	}
	return false
}

// trashEntry puts a secret into the trash. Every version that still had its
// value then is deleted natively as well, so that native tools see the secret
// gone; those that native tools had deleted before are kept here, for they stay
// so when the secret comes back, as do those that Vault was to delete by itself.
type trashEntry struct {
	sidecar.Deletion
	Newest int64      `json:"A"`
	Kept   [][2]int64 `json:"K,omitempty"` // first and last number of those deleted before
	Ending [][2]int64 `json:"I,omitempty"` // of those that Vault was to delete by itself
	// Lasting is delete_version_after of the key while a recovery has it off.
	Lasting string `json:"Q,omitempty"`
	More    bool   `json:"M,omitempty"` // the companion holds the whole entry
}

// Valid reports whether a gateway could have written e.
func (e *trashEntry) Valid() bool { return !e.At.IsZero() }

// labels are those of all versions. A version whose write was torn has those that
// were put down ahead of it, until a head is written that knows the version.
func (st *state) labels() map[string]secret.Ordinal {
	var torn []int64
	for _, entries := range []map[string]string{st.Custom, st.more.entries} {
		for k := range entries {
			if n := numberAhead(k); n > 0 && n <= st.Current && (n > st.head.At || n == st.head.At && st.head.Will != nil) {
				torn = append(torn, n)
			}
		}
	}
	if len(torn) == 0 {
		return st.head.Stages
	}
	out := maps.Clone(st.head.Stages)
	slices.Sort(torn)
	for _, n := range slices.Compact(torn) {
		e, _, err := st.entryOf(n)
		if err != nil {
			continue // it passes for disabled, and has none
		}
		for _, label := range e.Stages {
			if out == nil {
				out = map[string]secret.Ordinal{}
			}
			out[label] = st.head.Shifts.Ordinal(n)
		}
	}
	return out
}

// numberAhead is the number of the version that something under the key was put
// down ahead of; zero: the key is another one.
func numberAhead(key string) int64 {
	rest, is := strings.CutPrefix(key, aheadKey)
	if !is {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
