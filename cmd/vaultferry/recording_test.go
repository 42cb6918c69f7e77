package main

import (
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/golden"
	"github.com/vaultferry/vaultferry/internal/recording"
)

// TestRecording draws what the demo prints (-update, or make recording), or fails while
// the picture shows something else.
func TestRecording(t *testing.T) {
	t.Parallel()
	a, out, errOut := testApp(nil)
	if code := a.run(t.Context(), []string{"demo"}); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(line)) > recording.Columns+1 {
			t.Errorf("%d columns do not hold %s", recording.Columns, line)
		}
	}
	golden.Compare(t, "../../docs/demo.svg", recording.SVG("vaultferry demo", recording.Steady(out.String()),
		"vaultferry demo: a secret leaves by the API of Azure Key Vault and comes back by that of Huawei Cloud CSMS, and the other way, with every version"))
}
