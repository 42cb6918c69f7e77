package inventory

import (
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Entry is what an inventory says of one secret. It holds no value.
type Entry struct {
	Name secret.Name `json:"name"`
	// Of is the name that the digests are over, where that is not Name: the one
	// that the secret has at the source of a move.
	Of secret.Name `json:"of,omitempty"`
	// Read is when the store was asked. A store is no single moment.
	Read time.Time `json:"read,omitzero"`
	// Unread is why the secret could not be read, as a kind of error. Nothing
	// else is said then.
	Unread   string         `json:"unread,omitempty"`
	Current  secret.Ordinal `json:"current,omitempty"`
	Previous secret.Ordinal `json:"previous,omitempty"`
	// Deleted is set of a secret in the trash.
	Deleted *Deletion `json:"deleted,omitempty"`
	// Managed: a certificate of Key Vault manages it.
	Managed    bool       `json:"managed,omitempty"`
	Attributes Attributes `json:"attributes,omitempty"`
	Versions   []Version  `json:"versions,omitempty"`
}

// Deletion says when a secret was deleted, and until when it can be recovered.
type Deletion struct {
	At    time.Time `json:"at"`
	Until time.Time `json:"until,omitzero"`
}

// Version is what an inventory says of one version.
type Version struct {
	Number secret.Ordinal `json:"number"`
	UID    string         `json:"uid"`
	State  State          `json:"state"`
	// Value is of the value; empty where there is none, or none was read.
	Value      Digest     `json:"value,omitempty"`
	Attributes Attributes `json:"attributes,omitempty"`
}

// State says whether a version can be read.
type State string

// The states beside the reasons for a missing value, which are states too.
const (
	Enabled  State = "enabled"
	Disabled State = "disabled"
)

// Attributes are sorted digests by the word of what they are of; the words are
// those of losses. A word with no digest is an empty set.
type Attributes map[string][]Digest

// Equal compares all words.
func (a Attributes) Equal(b Attributes) bool { return len(a.Differing(b)) == 0 }

// Differing lists the words of which a and b say different things.
func (a Attributes) Differing(b Attributes) []string {
	var words []string
	for _, w := range slices.Sorted(maps.Keys(union(a, b))) {
		in, of := a[w], b[w]
		if (in == nil) != (of == nil) || !slices.Equal(in, of) {
			words = append(words, w)
		}
	}
	return words
}

func union(a, b Attributes) Attributes {
	all := maps.Clone(a)
	if all == nil {
		all = Attributes{}
	}
	maps.Copy(all, b)
	return all
}

// The words of attributes that are digested.
const (
	wordContentType = "content_type"
	wordCreated     = "created"
	wordDescription = "description"
	wordExpires     = "expires"
	wordExtra       = "extra"
	wordNotBefore   = "not_before"
	wordStages      = "stages"
	wordTags        = "tags"
	wordUpdated     = "updated"
	wordValue       = "value"
)

// EntryOf says what s holds, with digests over the name of; an empty one is the
// secret's own. Without values, for which s must not have been read, it digests
// no value.
func (k Key) EntryOf(s *secret.Secret, of secret.Name, read time.Time) Entry {
	d := digester{k, s.Name}
	e := Entry{Name: s.Name, Read: read.UTC().Truncate(time.Millisecond), Current: s.Current, Previous: s.Previous}
	if of != "" && of != s.Name {
		e.Of, d.name = of, of
	}
	if s.Deleted != nil {
		e.Deleted = &Deletion{At: s.Deleted.At.UTC(), Until: s.Deleted.Purge.UTC()}
	}
	e.Attributes = Attributes{}
	d.text(e.Attributes, wordDescription, s.Description)
	d.tags(e.Attributes, s.Tags)
	d.extra(e.Attributes, s.Extra)
	for i := range s.Versions {
		v := &s.Versions[i]
		e.Versions = append(e.Versions, d.version(v))
		e.Managed = e.Managed || v.Extra["azure.managed"] != nil
	}
	return e
}

// DropValues leaves e without digests of values, as if none had been read.
func (e *Entry) DropValues() {
	for i := range e.Versions {
		e.Versions[i].Value = ""
	}
}

// UnreadEntry says that the secret could not be read, and of which kind the
// error was.
func UnreadEntry(name, of secret.Name, err error) Entry {
	e := Entry{Name: name, Unread: secret.KindOf(err).Error()}
	if of != name {
		e.Of = of
	}
	return e
}

// digester digests what belongs to one name.
type digester struct {
	key  Key
	name secret.Name
}

func (d digester) version(v *secret.Version) Version {
	out := Version{Number: v.Ordinal, UID: hex.EncodeToString(v.UID[:]), State: stateOf(v), Attributes: Attributes{}}
	if !v.Value.IsNone() {
		kind, content := contentOf(v.Value, v.ContentType)
		out.Value = d.key.digest(wordValue, d.name, []byte(kind), content)
	}
	a := out.Attributes
	d.text(a, wordContentType, v.ContentType)
	d.time(a, wordNotBefore, v.NotBefore)
	d.time(a, wordExpires, v.Expires)
	d.time(a, wordCreated, v.Created)
	d.time(a, wordUpdated, v.Updated)
	d.tags(a, v.Tags)
	d.extra(a, v.Extra)
	if len(v.Stages) > 0 {
		a[wordStages] = d.each(wordStages, v.Stages)
	}
	return out
}

func stateOf(v *secret.Version) State {
	switch {
	case v.Missing != "":
		return State(v.Missing)
	case v.Disabled:
		return Disabled
	}
	return Enabled
}

func (d digester) text(a Attributes, word, s string) {
	if s != "" {
		a[word] = []Digest{d.key.digest(word, d.name, []byte(s))}
	}
}

// time is to the second, in Unix time.
func (d digester) time(a Attributes, word string, t time.Time) {
	if !t.IsZero() {
		a[word] = []Digest{d.key.digest(word, d.name, strconv.AppendInt(nil, t.Unix(), 10))}
	}
}

func (d digester) each(word string, all []string) []Digest {
	out := make([]Digest, len(all))
	for i, s := range all {
		out[i] = d.key.digest(word, d.name, []byte(s))
	}
	slices.Sort(out)
	return out
}

// tags keeps a set of nothing apart from no set.
func (d digester) tags(a Attributes, tags map[string]string) {
	if tags == nil {
		return
	}
	out := make([]Digest, 0, len(tags))
	for key, value := range tags {
		out = append(out, d.key.digest(wordTags, d.name, []byte(key), []byte(value)))
	}
	slices.Sort(out)
	a[wordTags] = out
}

func (d digester) extra(a Attributes, e secret.Extra) {
	if len(e) == 0 {
		return
	}
	out := make([]Digest, 0, len(e))
	for key, raw := range e {
		out = append(out, d.key.digest(wordExtra, d.name, []byte(key), canonicalMember(raw)))
	}
	slices.Sort(out)
	a[wordExtra] = out
}
