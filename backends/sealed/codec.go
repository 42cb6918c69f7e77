package sealed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// headJSON is a history.Head in a store. The name is in its place.
type headJSON struct {
	Description string                     `json:"description,omitempty"`
	Tags        map[string]string          `json:"tags,omitzero"` // null and {} differ
	Created     *instant                   `json:"created,omitempty"`
	Updated     *instant                   `json:"updated,omitempty"`
	Current     secret.Ordinal             `json:"current,omitempty"`
	Previous    secret.Ordinal             `json:"previous,omitempty"`
	Extra       map[string]json.RawMessage `json:"extra,omitzero"`
	Last        secret.Ordinal             `json:"last"`
	Newest      *instant                   `json:"newest,omitempty"`
	Stages      map[string]secret.Ordinal  `json:"stages,omitempty"`
	Deleted     *instant                   `json:"deleted,omitempty"` // in the trash alone
	Purge       *instant                   `json:"purge,omitempty"`
}

// versionJSON is a version without its value, its stages (which the head
// keeps) and its ordinal (which is in its place).
type versionJSON struct {
	UID         string                     `json:"uid"`
	Missing     secret.Missing             `json:"missing,omitempty"`
	ContentType string                     `json:"content_type,omitempty"`
	Tags        map[string]string          `json:"tags,omitzero"`
	Disabled    bool                       `json:"disabled,omitempty"`
	NotBefore   *instant                   `json:"not_before,omitempty"`
	Expires     *instant                   `json:"expires,omitempty"`
	Created     *instant                   `json:"created,omitempty"`
	Updated     *instant                   `json:"updated,omitempty"`
	Extra       map[string]json.RawMessage `json:"extra,omitzero"`
}

// instant is seconds and nanoseconds since 1970: any year, no zone. A zero
// time is no instant.
type instant [2]int64

func toInstant(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{t.Unix(), int64(t.Nanosecond())}
}

func (i *instant) time() time.Time {
	if i == nil {
		return time.Time{}
	}
	return time.Unix(i[0], i[1]).UTC()
}

func encodeHead(h *history.Head) ([]byte, error) {
	s := &h.Secret
	r := headJSON{
		Description: s.Description, Tags: s.Tags, Created: toInstant(s.Created), Updated: toInstant(s.Updated),
		Current: s.Current, Previous: s.Previous, Extra: s.Extra,
		Last: h.Last, Newest: toInstant(h.Newest), Stages: h.Stages,
	}
	if s.Deleted != nil {
		at := s.Deleted.At
		r.Deleted = &instant{at.Unix(), int64(at.Nanosecond())} // its presence says that it is deleted
		r.Purge = toInstant(s.Deleted.Purge)
	}
	return encode(r)
}

func decodeHead(name secret.Name, b []byte) (*history.Head, error) {
	var r headJSON
	if err := decode(b, &r); err != nil {
		return nil, err
	}
	h := history.NewHead(name)
	s := &h.Secret
	s.Description, s.Tags, s.Created, s.Updated = r.Description, r.Tags, r.Created.time(), r.Updated.time()
	s.Current, s.Previous, s.Extra = r.Current, r.Previous, r.Extra
	h.Last, h.Newest = r.Last, r.Newest.time()
	if r.Stages != nil {
		h.Stages = r.Stages
	}
	if r.Deleted != nil {
		s.Deleted = &secret.Deletion{At: r.Deleted.time(), Purge: r.Purge.time()}
	}
	return h, nil
}

func encodeVersion(v *secret.Version) ([]byte, error) {
	r := versionJSON{
		UID: v.UID.String(), Missing: v.Missing, ContentType: v.ContentType, Tags: v.Tags, Disabled: v.Disabled,
		NotBefore: toInstant(v.NotBefore), Expires: toInstant(v.Expires),
		Created: toInstant(v.Created), Updated: toInstant(v.Updated), Extra: v.Extra,
	}
	if r.Missing == "" && r.ContentType == "" && r.Tags == nil && r.Extra == nil {
		return r.appendPlain(make([]byte, 0, 256)), nil
	}
	return encode(r)
}

// appendPlain is encode for a version without text of its own, as nearly all are: an
// import of many spends most of its time here. A test holds it to encode.
func (r *versionJSON) appendPlain(b []byte) []byte {
	b = append(append(append(b, `{"uid":"`...), r.UID...), '"')
	if r.Disabled {
		b = append(b, `,"disabled":true`...)
	}
	for _, at := range []struct {
		name string
		*instant
	}{{"not_before", r.NotBefore}, {"expires", r.Expires}, {"created", r.Created}, {"updated", r.Updated}} {
		if at.instant != nil {
			b = append(append(append(b, `,"`...), at.name...), `":[`...)
			b = append(strconv.AppendInt(b, at.instant[0], 10), ',')
			b = append(strconv.AppendInt(b, at.instant[1], 10), ']')
		}
	}
	return append(b, '}')
}

// DecodeVersion reads the attributes of a version once they are open.
func DecodeVersion(o secret.Ordinal, b []byte) (*secret.Version, error) {
	var r versionJSON
	if err := decode(b, &r); err != nil {
		return nil, err
	}
	uid, ok := secret.ParseUID(r.UID)
	if !ok {
		return nil, errors.New("a version's record has no UID")
	}
	return &secret.Version{
		Ordinal: o, UID: uid, Missing: r.Missing, ContentType: r.ContentType, Tags: r.Tags, Disabled: r.Disabled,
		NotBefore: r.NotBefore.time(), Expires: r.Expires.time(),
		Created: r.Created.time(), Updated: r.Updated.time(), Extra: r.Extra,
	}, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, &secret.Error{Kind: secret.Invalid, Detail: "an attribute cannot be written as JSON"}
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New("a record of the store is no JSON of this format") // the cause may quote the record
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("a record of the store has something behind its end")
	}
	return nil
}

// encodeValue is the form in one byte, then the bytes. decodeValue takes b over.
func encodeValue(v secret.Value) []byte {
	return append([]byte{byte(v.Form())}, v.Reveal()...)
}

func decodeValue(b []byte) (secret.Value, error) {
	if len(b) == 0 {
		return secret.Value{}, errors.New("a value's record is empty")
	}
	switch form := secret.Form(b[0]); form {
	case secret.Text:
		if v := secret.TextBytes(b[1:]); v.Form() == secret.Text {
			return v, nil
		}
		return secret.Value{}, errors.New("a text is not UTF-8")
	case secret.Binary:
		return secret.BinaryValue(b[1:]), nil
	case secret.Fields:
		return secret.FieldsValue(b[1:]), nil
	default:
		return secret.Value{}, fmt.Errorf("a value's record has the unknown form %d", b[0])
	}
}
