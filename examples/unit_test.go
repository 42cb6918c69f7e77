package examples

import (
	"os/exec"
	"testing"
)

// TestUnit: the service that the manual installs is confined, by systemd's own
// measure (10.0 is not at all).
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", "vaultferry.service").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
