package backendtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// bigValue is tried where the product has no limit.
const bigValue = 1 << 20

func sampleValues() map[string]secret.Value {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return map[string]secret.Value{
		"empty text":             secret.TextValue(""),
		"one character":          secret.TextValue("x"),
		"one NUL":                secret.TextValue("\x00"),
		"one line feed":          secret.TextValue("\n"),
		"line breaks":            secret.TextValue("a\r\nb\n\n c\t\n"),
		"white space at the end": secret.TextValue(" \t x \n"),
		"PEM":                    secret.TextValue(samplePEM()),
		"non-ASCII":              secret.TextValue("ünï 日本 😀 \u2028 \ufeff"),
		"text that is an object": secret.TextValue(`{"value":"x"}`),
		"text that is a list":    secret.TextValue(`[1,2]`),
		"text like a number":     secret.TextValue("1e400"),
		"text like null":         secret.TextValue("null"),
		"text like base64":       secret.TextValue("AAECAw=="),
		"escapes":                secret.TextValue(`<&>"'\u0041\`),
		"empty binary":           secret.BinaryValue([]byte{}),
		"one byte":               secret.BinaryValue([]byte{0xff}),
		"binary that is text":    secret.BinaryValue([]byte("plain")),
		"every byte":             secret.BinaryValue(every),
		"cut UTF-8":              secret.BinaryValue([]byte("a\xc3")),
		"no fields":              secret.FieldsValue([]byte(`{}`)),
		"fields":                 secret.FieldsValue([]byte(`{"a":"b","c":{"d":["e",null,true]}}`)),
		"the field value":        secret.FieldsValue([]byte(`{"value":{"x":"y"}}`)),
		"numbers":                secret.FieldsValue([]byte(`{"big":12345678901234567890,"small":0.1}`)),
	}
}

func testValues(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	i := 0
	for what, v := range sampleValues() {
		i++
		name := secret.Name(fmt.Sprintf("value-%d", i))
		got, want := tryPut(ctx, t, b, name, secret.Draft{Value: v})
		if got == nil {
			continue
		}
		sameContent(t, "Put of "+what, want, got)
		sameContent(t, "Get of "+what, want, getSecret(ctx, t, b, name, secret.Current))
		sameContent(t, "Export of "+what, want, export(ctx, t, b, name))
	}
}

func testValueLimit(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	limit := b.Capabilities().MaxValue
	size := limit
	if limit == 0 {
		size = bigValue
	}
	d := text(strings.Repeat("x", size))
	if losses := b.Forecast(single("full", d)); foretold(losses, 1, loss.Value, loss.Version) {
		t.Errorf("a text of %d bytes is within the limit and yet foretold to be lost: %v", size, losses)
	}
	put(ctx, t, b, "full", d)
	if got := get(ctx, t, b, "full", secret.Current).Value; !got.Equal(d.Value) {
		t.Errorf("a text of %d bytes came back as %v of %d bytes", size, got.Form(), got.Len())
	}
	if limit == 0 {
		return
	}
	for what, d := range map[string]secret.Draft{
		"text":   text(strings.Repeat("x", limit+1)),
		"binary": {Value: secret.BinaryValue(bytes.Repeat([]byte{0xff}, limit+1))},
	} {
		_, err := b.Put(ctx, "over", d)
		wantErr(t, what+" of one byte too many", err, secret.TooLarge)
		if losses := b.Forecast(single("over", d)); !foretold(losses, 1, loss.Value, loss.Version) {
			t.Errorf("%s of one byte too many: the loss is not foretold: %v", what, losses)
		}
	}
	_, err := b.Describe(ctx, "over")
	wantErr(t, "Describe of what was refused", err, secret.NotFound)
}

// foretold reports whether one of the words is among the losses of version o.
func foretold(losses []secret.Loss, o secret.Ordinal, words ...string) bool {
	for _, l := range losses {
		for _, w := range words {
			if l.Version == o && l.What == w {
				return true
			}
		}
	}
	return false
}

func testAttributes(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	later := time.Date(2071, 2, 3, 4, 5, 6, 0, time.UTC)
	all := secret.Draft{
		Value: secret.TextValue(canary + "all"), ContentType: "application/x-all; a=\"b\"", Disabled: true,
		Tags: map[string]string{"a": "b", "e": ""}, NotBefore: later, Expires: later.Add(time.Hour), Stages: []string{"blue"},
		Extra: secret.Extra{"test.extra": json.RawMessage(`[1,"x"]`)},
	}
	for what, d := range map[string]secret.Draft{
		"all":          all,
		"nothing":      {},
		"content type": {ContentType: all.ContentType},
		"disabled":     {Disabled: true},
		"tags":         {Tags: all.Tags},
		"not before":   {NotBefore: later},
		"expires":      {Expires: later},
		"expired":      {Expires: sampleTime.Truncate(time.Second)},
		"fractions":    {NotBefore: later.Add(time.Nanosecond), Expires: later.Add(time.Hour + time.Millisecond)},
		"stage":        {Stages: all.Stages},
		"extra":        {Extra: all.Extra},
		"missing":      {Missing: secret.Destroyed},
	} {
		if d.Missing == "" {
			d.Value = secret.TextValue(canary + what)
		}
		name := secret.Name("attr-" + strings.ReplaceAll(what, " ", "-"))
		got, want := tryPut(ctx, t, b, name, d)
		if got == nil {
			continue
		}
		sameContent(t, "Put with "+what, want, got)
		read := getSecret(ctx, t, b, name, secret.ByOrdinal(1))
		sameContent(t, "Get with "+what, want, read)
		if hides := hidden(&read.Versions[0]); d.Disabled && hides != b.Capabilities().HidesDisabled {
			t.Errorf("the value with %s is hidden: %v; HidesDisabled says %v", what, hides, !hides)
		}
		sameContent(t, "Export with "+what, want, export(ctx, t, b, name))
	}
}

func testAttributesOfSecret(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	first := &secret.Attributes{
		Description: "two\nlines, ünï",
		Tags:        map[string]string{"k": "v", "empty": ""},
		Extra:       secret.Extra{"test.extra": json.RawMessage(`{"a":1}`)},
	}
	second := &secret.Attributes{Description: "other"}
	for i, step := range []struct{ set, want *secret.Attributes }{{first, first}, {nil, first}, {second, second}, {&secret.Attributes{}, &secret.Attributes{}}} {
		d := text(fmt.Sprint("x", i))
		d.OfSecret = step.want
		want := loss.Apply(single("s", d), b.Forecast(single("s", d)))
		d.OfSecret = step.set
		put(ctx, t, b, "s", d)
		got := getSecret(ctx, t, b, "s", secret.Current)
		sameContent(t, fmt.Sprintf("Get after Put %d", i+1), want, got)
	}
}

// testNewExtra: what is told of a new secret joins its extra, and says nothing
// to one that is there.
func testNewExtra(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	own := &secret.Attributes{Extra: secret.Extra{"test.own": json.RawMessage(`1`)}}
	first, second := secret.Extra{"test.new": json.RawMessage(`"first"`)}, secret.Extra{"test.new": json.RawMessage(`"second"`)}
	both := secret.Extra{"test.own": own.Extra["test.own"], "test.new": first["test.new"]}
	for name, step := range map[secret.Name]struct {
		ofSecret *secret.Attributes
		want     secret.Extra
	}{"alone": {nil, first}, "beside": {own, both}} {
		d := text(canary + "x")
		d.OfSecret = &secret.Attributes{Extra: step.want}
		if losses := b.Forecast(single(name, d)); foretold(losses, 0, loss.Extra) {
			t.Skipf("the store cannot keep it: %v", losses)
		}
		want := single(name, d)
		d.OfSecret, d.NewExtra = step.ofSecret, first
		sameContent(t, "Put", want, putSecret(ctx, t, b, name, d))
		sameContent(t, "Get", want, getSecret(ctx, t, b, name, secret.Current))
		d.OfSecret, d.NewExtra = nil, second
		sameContent(t, "the second Put", want, putSecret(ctx, t, b, name, d))
		sameContent(t, "Get after it", want, getSecret(ctx, t, b, name, secret.Current))
	}
}

// testMergeExtra: members join the secret's extra, in place of what bears
// their names, and nil ones leave it; other attributes stay.
func testMergeExtra(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for i, step := range []struct {
		ofSecret, newExtra, merge map[string]json.RawMessage
		want                      secret.Extra
	}{
		{nil, nil, map[string]json.RawMessage{"t.a": raw(`1`), "t.never": nil}, secret.Extra{"t.a": raw(`1`)}},
		{nil, nil, nil, secret.Extra{"t.a": raw(`1`)}},
		{nil, nil, map[string]json.RawMessage{"t.a": raw(`2`), "t.b": raw(`null`)}, secret.Extra{"t.a": raw(`2`), "t.b": raw(`null`)}},
		{nil, nil, map[string]json.RawMessage{"t.a": nil}, secret.Extra{"t.b": raw(`null`)}},
		{map[string]json.RawMessage{"t.c": raw(`3`), "t.d": raw(`4`)}, nil, map[string]json.RawMessage{"t.c": nil, "t.e": raw(`5`)}, secret.Extra{"t.d": raw(`4`), "t.e": raw(`5`)}},
		{nil, map[string]json.RawMessage{"t.f": raw(`6`)}, map[string]json.RawMessage{"t.d": nil, "t.e": nil}, nil},
	} {
		name := secret.Name("s")
		d := text(fmt.Sprint(canary, i))
		d.OfSecret = &secret.Attributes{Description: "d", Extra: step.want}
		if foretold(b.Forecast(single(name, d)), 0, loss.Extra) {
			t.Skip("the store foretells that it cannot keep it")
		}
		want := single(name, d)
		if d.OfSecret = nil; i == 0 || step.ofSecret != nil {
			d.OfSecret = &secret.Attributes{Description: "d", Extra: step.ofSecret}
		}
		d.NewExtra, d.MergeExtra = step.newExtra, step.merge
		sameContent(t, fmt.Sprintf("Put %d", i+1), want, putSecret(ctx, t, b, name, d))
		sameContent(t, fmt.Sprintf("Get after Put %d", i+1), want, getSecret(ctx, t, b, name, secret.Current))
	}
	d := text(canary + "n")
	d.NewExtra, d.MergeExtra = secret.Extra{"t.a": raw(`1`), "t.b": raw(`2`)}, map[string]json.RawMessage{"t.b": raw(`3`)}
	if got := putSecret(ctx, t, b, "new", d).Extra; string(got["t.a"]) != "1" || string(got["t.b"]) != "3" || len(got) != 2 {
		t.Error("what is merged does not come after what is told of a new secret")
	}
}

func testBadDrafts(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	for what, d := range map[string]secret.Draft{
		"no value":             {},
		"missing with a value": {Value: secret.TextValue("x"), Missing: secret.Destroyed},
		"a stage, no name":     {Value: secret.TextValue("x"), Stages: []string{""}},
		"bytes as type":        {Value: secret.TextValue("x"), ContentType: "\xff"},
		"bytes as tag":         {Value: secret.TextValue("x"), Tags: map[string]string{"k": "\xff"}},
		"no JSON as extra":     {Value: secret.TextValue("x"), Extra: secret.Extra{"test.extra": json.RawMessage("{")}},
		"no JSON to merge":     {Value: secret.TextValue("x"), MergeExtra: map[string]json.RawMessage{"test.extra": json.RawMessage("{")}},
		"bytes to merge":       {Value: secret.TextValue("x"), MergeExtra: map[string]json.RawMessage{"\xff": json.RawMessage("1")}},
		"fields, a list":       {Value: secret.FieldsValue([]byte(`["x"]`))},
		"fields, cut":          {Value: secret.FieldsValue([]byte(`{"a":`))},
		"bytes as description": {Value: secret.TextValue("x"), OfSecret: &secret.Attributes{Description: "a\xc3"}},
	} {
		_, err := b.Put(ctx, "bad", d)
		wantErr(t, what, err, secret.Invalid, secret.Unsupported)
	}
	_, err := b.Describe(ctx, "bad")
	wantErr(t, "Describe of what was refused", err, secret.NotFound)
}
