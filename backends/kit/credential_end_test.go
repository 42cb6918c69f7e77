package kit

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestEnds: what holds no end has none, and nothing that is read is trusted.
func TestEnds(t *testing.T) {
	t.Parallel()
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
	}
	for token, want := range map[string]int64{
		jwt(`{"exp":1800000000}`): 1800000000, jwt(`{"exp":1.8e9}`): 1800000000,
		jwt(`{}`): 0, jwt(`{"exp":"soon"}`): 0, jwt(`{"exp":-1}`): 0, jwt(`{"exp":1e300}`): 0, jwt(`[`): 0,
		"": 0, "a.b": 0, "a.!.c": 0, "hvs.CAES": 0,
	} {
		if got := TokenEnd(token); want == 0 && !got.IsZero() || want != 0 && got.Unix() != want {
			t.Errorf("%s ends at %v", token, got)
		}
	}
	file := filepath.Join(t.TempDir(), "cert.pem")
	for what, text := range map[string]string{
		"nothing": "", "a key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := CertificateEnd(file); !got.IsZero() {
			t.Errorf("%s ends at %v", what, got)
		}
	}
	if got := CertificateEnd(filepath.Join(t.TempDir(), "none")); !got.Equal(time.Time{}) {
		t.Errorf("no file ends at %v", got)
	}
}
