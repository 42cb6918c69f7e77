package huaweicsms

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// creations keeps what each CreateSecret says of where the secret is made.
type creations struct {
	next http.RoundTripper
	said []map[string]string
}

func (c *creations) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/secrets") {
		return c.next.RoundTrip(r)
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	var body map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, err
	}
	said := map[string]string{}
	for _, member := range []string{"enterprise_project_id", "kms_key_id"} {
		if v, ok := body[member]; ok {
			said[member], _ = v.(string)
		}
	}
	c.said = append(c.said, said)
	return c.next.RoundTrip(r)
}

// TestCreatedWhereConfigured: a new secret is made in the enterprise project
// and under the key of the configuration. What that leaves open is not sent:
// the product has defaults of its own.
func TestCreatedWhereConfigured(t *testing.T) {
	t.Parallel()
	const enterprise, key = "5f0c1f9e-3c52-4d0a-9a3e-2f1d7a5b6c7d", "b168fe00-ff56-4924-95a7-d22974df2d0b"
	for _, want := range []map[string]string{
		{"enterprise_project_id": enterprise, "kms_key_id": key},
		{"enterprise_project_id": "0"},
		{"kms_key_id": key},
		{},
	} {
		heard := &creations{}
		b := open(t, gatewaytest.New(t, gatewaytest.Options{}), func(c *Config) {
			c.EnterpriseProjectID, c.KMSKeyID = want["enterprise_project_id"], want["kms_key_id"]
			c.wrap = func(next http.RoundTripper) http.RoundTripper { heard.next = next; return heard }
		})
		put(t, b, "put", secret.Draft{Value: secret.TextValue("canary")})
		if _, err := b.Import(t.Context(), history25("imported"), ""); err != nil {
			t.Fatal(err)
		}
		if len(heard.said) != 2 {
			t.Fatalf("%d secrets are created, want 2", len(heard.said))
		}
		for i, how := range []string{"Put", "Import"} {
			if !maps.Equal(heard.said[i], want) {
				t.Errorf("%s sends %v, want %v", how, heard.said[i], want)
			}
		}
	}
}
