package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/internal/schematest"
)

// TestInitKnowsItsSchema: what init writes is sound by the schema that it
// writes beside it.
func TestInitKnowsItsSchema(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, _, errOut := testApp(nil)
	if code := a.run(t.Context(), []string{"init", dir}); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	text, err := os.ReadFile(filepath.Join(dir, "vaultferry.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := schematest.Check(string(text)); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, config.SchemaFile)); err != nil || string(b) != config.Schema() {
		t.Errorf("the schema beside it is another one: %v", err)
	}
}
