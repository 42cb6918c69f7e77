package kv2

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends/sidecar"
)

// TestLetters: what stands in Vault is in the codebook.
func TestLetters(t *testing.T) {
	t.Parallel()
	for _, v := range []any{headEntry{}, trashEntry{}, openedEntry{}} {
		if unknown := sidecar.CheckLetters(v); len(unknown) > 0 {
			t.Errorf("not in the codebook: %v", unknown)
		}
	}
}
