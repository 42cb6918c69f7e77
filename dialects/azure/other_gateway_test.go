package azure_test

import (
	"net/http"
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestABlobOfAnotherGatewayIsNotOurs: production and test share a keyring and call
// their stores alike. A secret of the one gets into the other by a rule with
// from alone.
func TestABlobOfAnotherGatewayIsNotOurs(t *testing.T) {
	t.Parallel()
	keys := gatewaytest.NewKeyring(t)
	open := func(id string) *gatewaytest.Gateway {
		return gatewaytest.New(t, gatewaytest.Options{Keyring: keys, ID: id})
	}
	const production, other = "00000000000000000000000000000001", "00000000000000000000000000000002"
	g := open(production)
	set(t, g, "main", "db-pass", "v")
	blob := blobOf(t, g, "main", "db-pass")
	for id, want := range map[string]int{production: http.StatusOK, other: http.StatusForbidden, "": http.StatusForbidden} {
		target := open(id)
		if r := do(t, target, "main", http.MethodPost, "/secrets/restore", blob); r.status != want {
			t.Errorf("restored by gateway %q: %d %s, want %d", id, r.status, r.code(), want)
		}
	}
}
