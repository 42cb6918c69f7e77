package connection

import (
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/secret"
)

// TestToldOfVault: the status of an answer is told, its text where it is known to
// the letter, and nothing else of it.
func TestToldOfVault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		says   []string
		want   string
	}{
		{403, []string{"1 error occurred:\n\t* permission denied\n\n", "permission denied"}, "Vault refused the gateway's own credentials (HTTP 403): permission denied"},
		{400, []string{"canary"}, "Vault refused the request (HTTP 400)"},
		{400, []string{"permission denied canary", "canary permission denied"}, "Vault refused the request (HTTP 400)"},
		{405, []string{"unsupported operation"}, "Vault refused the request (HTTP 405): unsupported operation"},
		{503, []string{"Vault is sealed"}, "Vault is not ready (HTTP 503): Vault is sealed"},
		{500, nil, "Vault is not ready (HTTP 500)"},
		{404, []string{"canary"}, ""},
	} {
		got := secret.DetailOf(classify(&api.ResponseError{StatusCode: c.status, Errors: c.says}, false))
		if got != c.want || strings.Contains(got, "canary") {
			t.Errorf("%d %q: %q, want %q", c.status, c.says, got, c.want)
		}
	}
}
