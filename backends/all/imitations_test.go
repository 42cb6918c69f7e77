package all_test

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
)

// TestImitations: a store that holds no more than a product is a backend like
// any other.
func TestImitations(t *testing.T) {
	t.Parallel()
	for as, im := range all.Profiles() {
		t.Run(as, func(t *testing.T) {
			t.Parallel()
			h := backendtest.Harness{Open: func(*testing.T) backends.Backend { return memory.New(memory.Options{}).Imitate(im) }}
			if im.Capabilities.MaxVersions > 0 {
				h.Writers = im.Capabilities.MaxVersions
			}
			backendtest.Run(t, h)
		})
	}
}
