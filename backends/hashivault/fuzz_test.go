package hashivault

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// FuzzDecodeValue: whatever a product answers, decoding neither panics nor
// prints it, and what decodes to text or binary encodes back to the same.
func FuzzDecodeValue(f *testing.F) {
	for _, s := range []string{`{"value":"x"}`, `{"value":"/wA="}`, `{"value":5}`, `{}`, `null`, `{"a":{"b":[1,null]}}`, `{"value":"\ud800"}`, `[`, `{"a":1}{`} {
		for _, form := range []string{formNatural, formBinary, formFields, formFieldsText, "?"} {
			f.Add([]byte(s), form)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, form string) {
		v, _, err := decodeValue("value", data, form)
		if err != nil {
			return
		}
		again, mark, err := encodeValue("value", v)
		if err != nil || v.Form() == secret.Fields && mark == formNatural && !json.Valid(again) {
			return
		}
		back, _, err := decodeValue("value", again, mark)
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if !back.Equal(v) {
			t.Errorf("%v of %d bytes came back as %v of %d bytes", v.Form(), v.Len(), back.Form(), back.Len())
		}
	})
}

// FuzzState: custom_metadata that anybody may have written is read without
// panic, and every number keeps the ordinal it has.
func FuzzState(f *testing.F) {
	f.Add(`{"n":3,"cur":1,"o":[[1,4]],"g":[[2,2]],"s":{"blue":3},"t":{"a":"b"}}`, `{"i":"00112233445566778899aabbccddeeff","d":true,"t":{}}`)
	f.Add(`{"n":-1,"cur":-9,"o":[[9223372036854775807,9223372036854775807]]}`, `{"c":"2024-01-01T00:00:00Z","x":{"a":"1"}}`)
	f.Add(`{}`, `{"c":""}`)
	f.Add(`{"o":[[2,5],[3,9]],"g":[[1,1]]}`, `{"i":"","f":"j","m":"deleted"}`)
	f.Fuzz(func(t *testing.T, h, r string) {
		st := &state{exists: true, metadata: metadata{Current: 3, Custom: map[string]string{headKey: h, keyOf(2): r, aheadOf(3) + "x": r}}}
		st.Versions = map[string]versionFact{"1": {}, "2": {}, "3": {}, "x": {}}
		if st.parseHead() != nil {
			return
		}
		st.numbers = st.number()
		_, _ = st.roles()
		var last secret.Ordinal
		for _, n := range st.numbers {
			o := st.head.ordinal(n)
			if o <= last || st.numberOf(o) != n {
				t.Errorf("number %d has ordinal %d, after %d", n, o, last)
			}
			last = o
		}
		for _, n := range st.numbers {
			rec, ok, err := st.record(n)
			if err != nil || !ok {
				continue
			}
			var v secret.Version
			rec.fill(&v)
			if again := ascii(recordOf(&v, rec.Form)); !json.Valid([]byte(again)) || bytes.ContainsFunc([]byte(again), func(r rune) bool { return r < 0x20 || r > 0x7e }) {
				t.Error("a record is not what custom_metadata takes")
			}
		}
	})
}
