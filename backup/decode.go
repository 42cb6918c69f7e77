package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// cannotOpen is the one answer to every blob that fails, whatever the reason:
// a sender learns nothing by trying.
const cannotOpen = "the backup blob cannot be opened"

func corrupt(cause error) error {
	return &secret.Error{Kind: secret.Corrupt, Op: "backup.open", Detail: cannotOpen, Err: cause}
}

// Causes never include what encoding/json or package time say: those quote
// their input, and the input is secret.
var (
	errNotJSON      = errors.New("the document is not the JSON that the schema asks for")
	errSchema       = errors.New("the document's schema is not known to this release")
	errNotCanonical = errors.New("the document is not in canonical form")
)

// DecodeDocument reads what Encode wrote and nothing else: it accepts exactly
// those bytes that Encode would write again. Every failure is Corrupt.
func DecodeDocument(b []byte) (*Document, error) {
	var w wireDocument
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, corrupt(errNotJSON)
	}
	if w.Schema != schema {
		return nil, corrupt(errSchema)
	}
	d, err := w.document()
	if err != nil {
		return nil, corrupt(err)
	}
	// Writing it again settles at one stroke what encoding/json is lenient
	// about: unknown and repeated members, the case and order of names, white
	// space, nulls, spellings of strings and times, invalid UTF-8.
	if err := d.encodesTo(b); err != nil {
		return nil, corrupt(err)
	}
	return d, nil
}

type wireDocument struct {
	Origin struct {
		Gateway string `json:"gateway"`
		Name    string `json:"name"`
		Store   string `json:"store"`
	} `json:"origin"`
	Schema   int64       `json:"schema"`
	SealedAt wireTime    `json:"sealed_at"`
	Secret   *wireSecret `json:"secret"`
	// Signature comes last in the order of names too.
	Signature string `json:"signature"`
}

type wireSecret struct {
	Created     wireTime                   `json:"created"`
	Current     int64                      `json:"current"`
	Description string                     `json:"description"`
	Extra       map[string]json.RawMessage `json:"extra"`
	Name        string                     `json:"name"`
	Previous    int64                      `json:"previous"`
	Tags        map[string]string          `json:"tags"`
	Updated     wireTime                   `json:"updated"`
	Versions    []wireVersion              `json:"versions"`
}

type wireVersion struct {
	ContentType string                     `json:"content_type"`
	Created     wireTime                   `json:"created"`
	Disabled    bool                       `json:"disabled"`
	Expires     wireTime                   `json:"expires"`
	Extra       map[string]json.RawMessage `json:"extra"`
	Missing     string                     `json:"missing"`
	NotBefore   wireTime                   `json:"not_before"`
	Ordinal     int64                      `json:"ordinal"`
	Stages      []string                   `json:"stages"`
	Tags        map[string]string          `json:"tags"`
	UID         string                     `json:"uid"`
	Updated     wireTime                   `json:"updated"`
	Value       *wireValue                 `json:"value"`
}

type wireValue struct {
	Binary *wireText `json:"binary"`
	Fields *wireText `json:"fields"`
	Text   *wireText `json:"text"`
}

// wireText are the characters of a string that becomes a value: bytes, which
// that takes over, for together they are as large as the secret.
type wireText []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *wireText) UnmarshalText(b []byte) error {
	*t = bytes.Clone(b)
	return nil
}

// wireTime is a time that a document spells as RFC 3339.
type wireTime string

func (t wireTime) time(bad *bool) time.Time {
	if t == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, string(t))
	if err != nil {
		*bad = true
	}
	return at.UTC()
}

func (w *wireDocument) document() (*Document, error) {
	if w.Secret == nil {
		return nil, errNotJSON
	}
	bad := false
	d := &Document{
		Origin:   Origin{Gateway: w.Origin.Gateway, Store: w.Origin.Store, Name: secret.Name(w.Origin.Name)},
		SealedAt: w.SealedAt.time(&bad),
		Secret:   w.Secret.secret(&bad), Signature: w.Signature,
	}
	if bad {
		return nil, errNotJSON
	}
	return d, nil
}

func (w *wireSecret) secret(bad *bool) *secret.Secret {
	s := &secret.Secret{
		Name:        secret.Name(w.Name),
		Description: w.Description,
		Tags:        w.Tags,
		Created:     w.Created.time(bad),
		Updated:     w.Updated.time(bad),
		Current:     secret.Ordinal(w.Current),
		Previous:    secret.Ordinal(w.Previous),
		Versions:    make([]secret.Version, len(w.Versions)),
		Extra:       w.Extra,
	}
	for i := range w.Versions {
		s.Versions[i] = w.Versions[i].version(bad)
	}
	return s
}

func (w *wireVersion) version(bad *bool) secret.Version {
	uid, ok := secret.ParseUID(w.UID)
	if !ok {
		*bad = true
	}
	return secret.Version{
		Ordinal:     secret.Ordinal(w.Ordinal),
		UID:         uid,
		Value:       w.Value.value(bad),
		Missing:     secret.Missing(w.Missing),
		ContentType: w.ContentType,
		Tags:        w.Tags,
		Disabled:    w.Disabled,
		NotBefore:   w.NotBefore.time(bad),
		Expires:     w.Expires.time(bad),
		Created:     w.Created.time(bad),
		Updated:     w.Updated.time(bad),
		Stages:      w.Stages,
		Extra:       w.Extra,
	}
}

// value takes the first form it finds; a second one makes the document differ
// from its canonical form.
func (w *wireValue) value(bad *bool) secret.Value {
	switch {
	case w == nil:
		return secret.Value{}
	case w.Text != nil:
		return secret.TextBytes(*w.Text)
	case w.Fields != nil:
		return secret.FieldsValue(*w.Fields)
	case w.Binary != nil:
		b := make([]byte, base64.StdEncoding.DecodedLen(len(*w.Binary)))
		n, err := base64.StdEncoding.Strict().Decode(b, *w.Binary)
		if err != nil {
			*bad = true
		}
		return secret.BinaryValue(b[:n])
	}
	*bad = true
	return secret.Value{}
}
