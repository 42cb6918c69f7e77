package wire_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/vaultferry/vaultferry/dialects/wire"
)

func FuzzAppendString(f *testing.F) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, s := range []string{"", "plain", string(all), "a \"quote\"\\\n", "ä €\u2028\u2029\ufffd\U0001f600", "cut \xe2\x82", "<&>'\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := string(wire.AppendString([]byte("before"), s)) + "\n"; got != "before"+want.String() {
			t.Fatalf("%q: %s, want %s", s, got, want.String())
		}
	})
}
