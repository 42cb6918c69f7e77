package backup

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/secret"
)

// documents draws documents that obey the model, from its corners mostly.
func documents() *rapid.Generator[*Document] {
	return rapid.Custom(func(t *rapid.T) *Document {
		s := &secret.Secret{
			Name:        secret.Name(names().Draw(t, "name")),
			Description: rapid.String().Draw(t, "description"),
			Tags:        tagMaps().Draw(t, "tags"),
			Created:     times().Draw(t, "created"),
			Updated:     times().Draw(t, "updated"),
			Extra:       extras().Draw(t, "extra"),
		}
		ordinals := slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.Int64Range(1, 1<<62), 1, 5, rapid.ID).Draw(t, "ordinals")))
		for i, o := range ordinals {
			v := version().Draw(t, "version")
			v.Ordinal, v.UID = secret.Ordinal(o), secret.UID{byte(i), 1}
			s.Versions = append(s.Versions, v)
		}
		role := rapid.SampledFrom(append(ordinals, 0))
		s.Current, s.Previous = secret.Ordinal(role.Draw(t, "current")), secret.Ordinal(role.Draw(t, "previous"))
		return &Document{
			Origin:   Origin{Gateway: names().Draw(t, "gateway"), Store: names().Draw(t, "store"), Name: secret.Name(names().Draw(t, "origin"))},
			SealedAt: times().Filter(func(t time.Time) bool { return !t.IsZero() }).Draw(t, "sealed"),
			Secret:   s,
		}
	})
}

func version() *rapid.Generator[secret.Version] {
	return rapid.Custom(func(t *rapid.T) secret.Version {
		v := secret.Version{
			ContentType: rapid.String().Draw(t, "type"), Tags: tagMaps().Draw(t, "tags"), Disabled: rapid.Bool().Draw(t, "disabled"),
			NotBefore: times().Draw(t, "nbf"), Expires: times().Draw(t, "exp"), Created: times().Draw(t, "created"), Updated: times().Draw(t, "updated"),
			Extra: extras().Draw(t, "extra"),
		}
		if stages := rapid.SliceOfNDistinct(names(), 0, 3, rapid.ID).Draw(t, "stages"); len(stages) > 0 {
			v.Stages = slices.Sorted(slices.Values(stages))
		}
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			v.Value = secret.TextValue(rapid.String().Draw(t, "text"))
		case 1:
			v.Value = secret.BinaryValue(rapid.SliceOf(rapid.Byte()).Draw(t, "binary"))
		case 2:
			v.Value = secret.FieldsValue(object(t))
		case 3:
			v.Missing = rapid.SampledFrom([]secret.Missing{secret.Destroyed, secret.Deleted, secret.Unreadable}).Draw(t, "missing")
		}
		return v
	})
}

func names() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9/ü"\\<]{1,9}`) }

func tagMaps() *rapid.Generator[map[string]string] {
	return rapid.OneOf(rapid.Just(map[string]string(nil)), rapid.MapOfN(rapid.String(), rapid.String(), 0, 3))
}

func extras() *rapid.Generator[secret.Extra] {
	return rapid.Custom(func(t *rapid.T) secret.Extra {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return secret.Extra{names().Draw(t, "key"): object(t)}
	})
}

// object is JSON that Go writes, which is compact.
func object(t *rapid.T) []byte {
	b, err := json.Marshal(rapid.MapOfN(rapid.String(), rapid.String(), 0, 2).Draw(t, "object"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func times() *rapid.Generator[time.Time] {
	last := time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC).Unix()
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "unset") {
			return time.Time{}
		}
		sec := rapid.Int64Range(time.Time{}.Unix()+1, last).Draw(t, "sec")
		return time.Unix(sec, rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
	})
}

func TestDecodeUndoesEncode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := documents().Draw(t, "document")
		b, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b) {
			t.Fatal("the encoding is not JSON")
		}
		got, err := DecodeDocument(b)
		if err != nil {
			t.Fatal(err)
		}
		if !same(got, d) {
			t.Fatal("the document came back changed")
		}
		again, err := d.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatal("two encodings of one document differ")
		}
	})
}

func TestEncodingForgetsWhatDocumentsDoNotHold(t *testing.T) {
	t.Parallel()
	a, b := smallDocument(), smallDocument()
	b.SealedAt = b.SealedAt.In(time.FixedZone("elsewhere", 7200))
	b.Secret.Extra = secret.Extra{}
	b.Secret.Versions[1].Stages = []string{}
	b.Secret.Versions[2].Extra = secret.Extra{"k": json.RawMessage(" 1\n")}
	if !bytes.Equal(mustEncode(t, a), mustEncode(t, b)) {
		t.Error("zone, empty stages, empty extra or white space in extra is encoded")
	}
}
