package kv2

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// FuzzState: custom_metadata that anybody may have written is read without
// panic, and every number keeps the ordinal it has.
func FuzzState(f *testing.F) {
	f.Add(`{"r":[1,0],"l":[[1,4]],"g":{"a":"b"},"s":{"blue":3},"A":3,"G":[[2,2]]}`, `{"u":"AAECAwQFBgcICQoLDA0ODw","g":{},"d":true}`)
	f.Add(`{"r":[1,-9],"l":[[9223372036854775807,9223372036854775807]],"A":-1}`, `{"c":1704067200,"x":{"a":1}}`)
	f.Add(`{}`, `{"c":""}`)
	f.Add(`{"r":[9,0],"l":[[2,5],[3,9]],"G":[[1,1]]}`, `{"f":"j","a":"deleted"}`)
	f.Fuzz(func(t *testing.T, h, r string) {
		st := &state{exists: true, metadata: metadata{Current: 3, Custom: map[string]string{headKey: h, keyOf(2): r, aheadOf(3) + "x": r}}}
		st.Versions = map[string]versionFact{"1": {}, "2": {}, "3": {}, "x": {}}
		if st.parseHead() != nil {
			return
		}
		st.numbers = st.listNumbers()
		_, _ = st.roles()
		var last secret.Ordinal
		for _, n := range st.numbers {
			o := st.head.Shifts.Ordinal(n)
			if o <= last || st.numberOf(o) != n || st.head.Shifts.Number(o) != n {
				t.Errorf("number %d has ordinal %d, after %d", n, o, last)
			}
			last = o
		}
		for _, n := range st.numbers {
			e, ok, err := st.entryOf(n)
			if err != nil || !ok {
				continue
			}
			var v secret.Version
			e.Overlay(&v, 0)
			if again := sidecar.ASCII(versionEntry(&v, e.Form)); !json.Valid([]byte(again)) || strings.ContainsFunc(again, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
				t.Error("an entry is not what custom_metadata takes")
			}
		}
	})
}
