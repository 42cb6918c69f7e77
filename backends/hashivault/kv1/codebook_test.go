package kv1

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends/sidecar"
)

// TestLetters: what stands in Vault is in the codebook.
func TestLetters(t *testing.T) {
	t.Parallel()
	if unknown := sidecar.CheckLetters(sidecars{}); len(unknown) > 0 {
		t.Errorf("not in the codebook: %v", unknown)
	}
}
