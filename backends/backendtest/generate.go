package backendtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/secret"
)

// Document draws a secret as a blob may bring it: up to 40 versions with gaps
// between them, attributes that any dialect or product could have given, a
// name that some product cannot spell, and values of every form, some too
// large for most products.
func Document(t *rapid.T) *secret.Secret {
	s := &secret.Secret{
		Name:        secret.Name(drawName(t)),
		Description: rapid.OneOf(rapid.Just(""), rapid.StringN(0, 60, 200), repeated('d', 100, 2100)).Draw(t, "description"),
		Tags:        drawTags(t, "tags of the secret"),
		Created:     drawTime(t, "created"),
		Updated:     drawTime(t, "updated"),
		Extra:       drawExtra(t, "extra of the secret"),
	}
	n := rapid.OneOf(rapid.IntRange(1, 6), rapid.IntRange(15, 40)).Draw(t, "versions")
	labels := []string{"blue", "green", "with space", "ünï", strings.Repeat("l", 64), "a", "b", "c", "d", "e", "f", "g", "h"}
	var o secret.Ordinal
	plain := rapid.Bool().Draw(t, "plain") // so that the count alone decides
	for i := range n {
		o += secret.Ordinal(rapid.SampledFrom([]int{1, 1, 1, 1, 2, 5}).Draw(t, "gap"))
		v := secret.Version{
			Ordinal: o, UID: secret.DeriveUID("drawn", string(s.Name), fmt.Sprint(i), sampleTime),
			Value: secret.TextValue(fmt.Sprint(canary, o)), Created: sampleTime.Add(time.Duration(i) * time.Minute),
		}
		v.Updated = v.Created
		if !plain {
			labels = drawVersion(t, &v, labels)
		}
		s.Versions = append(s.Versions, v)
	}
	s.Current, s.Previous = drawRole(t, s, 0), drawRole(t, s, 1)
	if s.Current == s.Previous {
		s.Previous = 0
	}
	return s
}

// drawVersion fills v and returns the labels that are left.
func drawVersion(t *rapid.T, v *secret.Version, labels []string) []string {
	v.Value = drawValue(t)
	if v.Value.IsNone() {
		v.Missing = rapid.SampledFrom(secret.Reasons).Draw(t, "missing")
	}
	v.ContentType = rapid.OneOf(rapid.Just(""), rapid.Just("text/plain"), rapid.StringN(0, 20, 60), repeated('c', 250, 260)).Draw(t, "content type")
	v.Tags = drawTags(t, "tags")
	v.Disabled = rapid.IntRange(0, 4).Draw(t, "disabled") == 0
	v.NotBefore, v.Expires = drawEdge(t, "not before"), drawEdge(t, "expires")
	v.Created, v.Updated = drawTime(t, "created"), drawTime(t, "updated")
	v.Extra = drawExtra(t, "extra")
	if k := rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "stages"); k > 0 && k <= len(labels) {
		v.Stages, labels = slices.Sorted(slices.Values(labels[:k])), labels[k:]
	}
	return labels
}

func drawName(t *rapid.T) string {
	s := rapid.OneOf(
		rapid.StringMatching(`[a-z][a-z0-9-]{0,20}`),
		rapid.StringMatching(`[A-Za-z0-9/._ -]{1,30}`),
		rapid.StringN(1, 12, 40),
		repeated('n', 60, 130),
		repeated('N', 30, 90),
		rapid.SampledFrom([]string{"x0-8pnmu", "..", "a/../b", "vaultferry.meta/a", "%2F", "日本/語"}),
	).Draw(t, "name")
	if secret.Name(s).Validate() != nil {
		return "drawn"
	}
	return s
}

func repeated(c byte, from, to int) *rapid.Generator[string] {
	return rapid.Map(rapid.IntRange(from, to), func(n int) string { return strings.Repeat(string(c), n) })
}

func drawValue(t *rapid.T) secret.Value {
	switch rapid.SampledFrom([]string{"text", "text", "text", "binary", "fields", "large", "none"}).Draw(t, "form") {
	case "binary":
		return secret.BinaryValue(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes"))
	case "fields":
		return secret.FieldsValue([]byte(rapid.SampledFrom([]string{`{}`, `{"a":"b"}`, `{"value":"x"}`, `{"n":12345678901234567890}`, `{"b":1,"a":[null]}`}).Draw(t, "fields")))
	case "large":
		n := rapid.SampledFrom([]int{19200, 19201, 24576, 24577, 25600, 25601, 32768, 32769}).Draw(t, "size")
		if rapid.Bool().Draw(t, "of bytes") {
			return secret.BinaryValue([]byte(strings.Repeat("\xff", n)))
		}
		return secret.TextValue(strings.Repeat("x", n))
	case "none":
		return secret.Value{}
	}
	return secret.TextValue(rapid.OneOf(rapid.StringN(0, 30, 100), rapid.Just(samplePEM())).Draw(t, "text"))
}

func drawTags(t *rapid.T, label string) map[string]string {
	switch rapid.SampledFrom([]string{"none", "none", "empty", "few", "few", "many", "long", "odd"}).Draw(t, label) {
	case "empty":
		return map[string]string{}
	case "few":
		return rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}`), rapid.StringN(0, 10, 30), 1, 4).Draw(t, label)
	case "many":
		m := map[string]string{}
		for i := range rapid.IntRange(13, 22).Draw(t, label) {
			m[fmt.Sprint("k", i)] = "v"
		}
		return m
	case "long":
		n := rapid.SampledFrom([]int{128, 129, 255, 256, 257, 512, 513}).Draw(t, label)
		return map[string]string{strings.Repeat("k", n): strings.Repeat("v", n)}
	case "odd":
		return map[string]string{"": "x", "Vaultferry": "y", "_sys_a": "", " b ": "<&>", "b64.YQ": "\n"}
	}
	return nil
}

func drawExtra(t *rapid.T, label string) secret.Extra {
	switch rapid.SampledFrom([]string{"none", "none", "small", "large"}).Draw(t, label) {
	case "small":
		return secret.Extra{"test.extra": json.RawMessage(`{"a":[1,"x",null]}`)}
	case "large":
		return secret.Extra{}.WithText("test.large", strings.Repeat("e", rapid.IntRange(100, 3000).Draw(t, label)))
	}
	return nil
}

// drawTime is a time that the model keeps to the nanosecond.
func drawTime(t *rapid.T, label string) time.Time {
	return time.Unix(rapid.Int64Range(0, 4102444800).Draw(t, label), rapid.SampledFrom([]int64{0, 1e6, 123456789}).Draw(t, label)).UTC()
}

// drawEdge is unset, or a time that some products cut or cannot say.
func drawEdge(t *rapid.T, label string) time.Time {
	switch rapid.IntRange(0, 4).Draw(t, label) {
	case 0, 1:
		return time.Time{}
	case 2:
		return rapid.SampledFrom([]time.Time{
			time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), secret.Last, secret.First, time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC),
		}).Draw(t, label)
	}
	return drawTime(t, label)
}

func drawRole(t *rapid.T, s *secret.Secret, back int) secret.Ordinal {
	switch rapid.IntRange(0, 4).Draw(t, "role") {
	case 0:
		return 0
	case 1:
		return rapid.SampledFrom(s.Versions).Draw(t, "role").Ordinal
	}
	return s.Versions[max(0, len(s.Versions)-1-back)].Ordinal
}
