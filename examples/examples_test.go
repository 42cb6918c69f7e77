// Package examples holds configurations to start from. This test keeps them
// loading.
package examples

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/internal/schematest"
)

func TestExamplesLoad(t *testing.T) {
	for _, name := range []string{"TOKEN", "APP_TOKEN", "APP_SECRET", "APP_SK", "PIPELINE_SK", "PIPELINE_PASSWORD", "VAULT_TOKEN", "VAULT_SECRET_ID", "AZURE_CLIENT_SECRET", "CSMS_SK", "RED_TOKEN", "BLUE_TOKEN", "PAY_IDENTITY_HEADER"} {
		sum := sha256.Sum256([]byte(name)) // as strong as a real one
		t.Setenv(name, hex.EncodeToString(sum[:]))
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			_, said, err := config.Load(file, all.Registry())
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := schematest.Check(string(text)); err != nil {
				t.Error(err)
			}
			// An example shows nothing that a reader should not copy.
			for _, p := range said {
				t.Errorf("%s: %s", p.Severity, p)
			}
		})
	}
}
