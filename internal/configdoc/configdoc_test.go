package configdoc

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/internal/golden"
)

func document(t *testing.T) *Document {
	t.Helper()
	d, err := New("../..", all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestConfigurationPage and TestConfigurationSchema: what is in the tree is
// what the structs say.
func TestConfigurationPage(t *testing.T) {
	t.Parallel()
	golden.Compare(t, "../../docs/configuration.md", document(t).Page())
}

func TestConfigurationSchema(t *testing.T) {
	t.Parallel()
	s, err := document(t).Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "../../config/schema.json", string(s))
}
