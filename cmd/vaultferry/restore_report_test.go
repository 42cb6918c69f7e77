package main

import (
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestLossesOfManyFiles: what is lost is said of each file, and what only
// native tools notice once for all of them.
func TestLossesOfManyFiles(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var traces traceCount
	for _, name := range []string{"a", "b", "c"} {
		r := restoreReport{Name: name, Store: "kv", Result: "done", Versions: 2, lost: []secret.Loss{
			{Grade: secret.Trace, What: "created", Why: "Vault's own tools see the time of the import"},
			{Grade: secret.Trace, Version: 1, What: "form", Why: "bytes"},
			{Grade: secret.Trace, Version: 2, What: "form", Why: "bytes"},
		}}
		if name == "b" {
			r.lost = append(r.lost, secret.Loss{Grade: secret.Data, Version: 1, What: "version", Why: "is larger than 5 bytes"},
				secret.Loss{Grade: secret.Meaning, What: "description", Why: "no room"}, secret.Loss{Grade: secret.Trace, Version: 7, What: "updated", Why: "once"})
			r.Archive = "kept/b"
		}
		if err := restoreLines(&out, r); err != nil {
			t.Fatal(err)
		}
		traces.add(r.lost)
	}
	if err := traces.text(&out); err != nil {
		t.Fatal(err)
	}
	want := `restored a into kv: 2 versions
restored b into kv: 2 versions
  lost data: version 1 is larger than 5 bytes
  lost an attribute: the description of the secret is not kept: no room
  the whole backup is kept in kept/b
restored c into kv: 2 versions
note, 3 times: native tools see another creation time of the secret: Vault's own tools see the time of the import
note, 6 times: native tools see another form of the value of the secret: bytes
note: native tools see another update time of version 7: once
`
	if got := out.String(); got != want {
		t.Errorf("it says\n%swant\n%s", got, want)
	}
}
