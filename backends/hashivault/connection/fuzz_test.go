package connection

import (
	"encoding/json"
	"testing"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// FuzzDecodeValue: whatever a product answers, decoding neither panics nor
// prints it, and what decodes to text or binary encodes back to the same.
func FuzzDecodeValue(f *testing.F) {
	for _, s := range []string{`{"value":"x"}`, `{"value":"/wA="}`, `{"value":5}`, `{}`, `null`, `{"a":{"b":[1,null]}}`, `{"value":"\ud800"}`, `[`, `{"a":1}{`} {
		for _, form := range []sidecar.Form{"", sidecar.FormBytes, sidecar.FormFields, sidecar.FormObject, "?"} {
			f.Add([]byte(s), string(form))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, form string) {
		v, _, err := DecodeValue("value", data, sidecar.Form(form))
		if err != nil {
			return
		}
		again, mark, err := EncodeValue("value", v)
		if err != nil || v.Form() == secret.Fields && mark == "" && !json.Valid(again) {
			return
		}
		back, _, err := DecodeValue("value", again, mark)
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if !back.Equal(v) {
			t.Errorf("%v of %d bytes came back as %v of %d bytes", v.Form(), v.Len(), back.Form(), back.Len())
		}
	})
}
