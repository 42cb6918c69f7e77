package kv2

import (
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/sidecar"
)

// TestRecoverSetsNoEnd: a version that was to stay stays, though Vault sets the
// time of deletion of what is undeleted anew; one that was to go still goes. So
// it is where a recovery broke off.
func TestRecoverSetsNoEnd(t *testing.T) {
	f := newFixture(t)
	for i := range 3 {
		f.nativePut(t, "s", map[string]any{"value": fmt.Sprint("canary-", i+1)})
	}
	f.nativeWrite(t, "metadata/s", map[string]any{"delete_version_after": "720h"})
	f.nativePut(t, "s", map[string]any{"value": "canary-4"})
	check := func(what string) {
		t.Helper()
		if got := f.metadataOf(t, "s").DeleteVersionAfter; got != 720*time.Hour {
			t.Errorf("%s: delete_version_after is %v", what, got)
		}
		for n := 1; n <= 4; n++ {
			v, err := f.kv.GetVersion(t.Context(), "s", n)
			if err != nil || v.Data["value"] != fmt.Sprint("canary-", n) || v.VersionMetadata.DeletionTime.IsZero() == (n == 4) {
				t.Errorf("%s: version %d ends at %v: %v", what, n, v.VersionMetadata.DeletionTime, err)
			}
		}
	}
	for what, broken := range map[string]string{"once": "", "after one that broke off": "720h0m0s"} {
		f.mustDelete(t, "s")
		if broken != "" {
			var e trashEntry
			custom := f.metadataOf(t, "s").CustomMetadata
			if err := sidecar.Decode(custom[trashKey].(string), sidecar.ASCII, &e); err != nil {
				t.Fatal(err)
			}
			e.Lasting = broken
			f.custom(t, "s", map[string]any{trashKey: sidecar.ASCII(e)})
			f.nativeWrite(t, "metadata/s", map[string]any{"delete_version_after": "0s"})
			f.nativeWrite(t, "undelete/s", map[string]any{"versions": []int{1, 2, 3}})
		}
		if _, err := f.Recover(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		check(what)
	}
}
