package kv2

import (
	"errors"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestRaftEntryLimit: integrated storage refuses an entry of more than 1 MiB.
// The largest values and the most attributes that we admit are below it.
func TestRaftEntryLimit(t *testing.T) {
	t.Parallel()
	f := over(t, vaulttest.StartRaft(t, 1).Nodes[0])
	for what, v := range map[string]secret.Value{
		"text":    secret.TextValue(strings.Repeat("x", connection.MaxValue)),
		"binary":  secret.BinaryValue([]byte(strings.Repeat("\xff", connection.MaxValue))),
		"fields":  secret.FieldsValue(connection.Marshal(map[string]string{"a": strings.Repeat("x", connection.MaxValue-20)})),
		"escapes": secret.TextValue(strings.Repeat("\n", connection.MaxValue/2)),
		"HTML":    secret.TextValue(strings.Repeat("<", connection.MaxPayload/6-20)),
	} {
		name := secret.Name("fits-" + what)
		f.mustPut(t, name, secret.Draft{Value: v})
		if got := f.mustGet(t, name, secret.Current).Versions[0].Value; !got.Equal(v) {
			t.Errorf("%s: %d bytes came back as %d", what, v.Len(), got.Len())
		}
	}
	full := kvtest.Many("full", 40, strings.Repeat("t", 25_000)) // more than the companion holds
	losses := f.Forecast(full)
	if secret.Worst(losses) != secret.Meaning {
		t.Fatalf("the worst loss is %v", secret.Worst(losses))
	}
	if _, err := f.Import(t.Context(), full, "token"); err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, full, f.mustExport(t, "full"), losses)
	// What the storage itself refuses is too large, and nothing else.
	_, err := f.writeData(t.Context(), "beyond", connection.Marshal(map[string]string{"a": strings.Repeat("x", 600_000), "b": strings.Repeat("x", 600_000)}), 0)
	if !errors.Is(err, secret.TooLarge) {
		t.Errorf("an entry beyond the limit: %v", err)
	}
}
