package issuer_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

func enc(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// FuzzToken: nothing but what the issuer signed is accepted, in either way, every
// refusal is a TokenError, and none of its texts breaks out of a line.
func FuzzToken(f *testing.F) {
	w := newWorld(f)
	good := w.of.Token(f, w.now(), "app", audience)
	if _, err := w.Bearer(good); err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(good, ".")
	f.Add(good[:len(good)-2])
	f.Add(issuertest.NewKey(f).Sign(f, w.claims()))
	f.Add(enc(`{"alg":"none"}`) + "." + parts[1] + ".AA")
	f.Add(enc(`{"alg":"RS256","kid":["x"]}`) + ".e30.AA")
	f.Add(enc(`{"alg":"RS256","kid":"rsa-0"}`) + "." + enc(`{"iss":"`+w.of.URL+`","aud":"a\nb","exp":1e999}`) + ".AA")
	f.Add(parts[0] + "." + enc(`{"sub":"spiffe://x","_claim_names":{}}{}`) + "." + parts[2])
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := w.Bearer(token)
		if err == nil && token != good {
			t.Fatal("accepted")
		}
		if err != nil {
			e := fault(t, err)
			if strings.ContainsAny(e.Error()+e.Found+e.Want+e.Header, "\r\n\"") {
				t.Fatalf("%q", e.Found)
			}
		}
		if _, err := w.Assertion(token, "app"); err == nil {
			t.Fatal("accepted as an assertion")
		}
		if _, err := issuer.OwnAssertion(token, "app", nil, func(string) bool { return true }, w.now()); err == nil {
			t.Fatal("accepted without a key")
		}
	})
}

// FuzzJWKS: whatever an issuer says is a set of public keys, or an error.
func FuzzJWKS(f *testing.F) {
	public := issuertest.NewKey(f).Public()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set)
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"","y":""},null,1]}`))
	f.Add([]byte(`{"keys":{}}`))
	f.Add([]byte(`[`))
	file := filepath.Join(f.TempDir(), "keys.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = issuer.Check(issuer.Options{Issuers: []issuer.Issuer{{Name: "a", URL: "https://a.example", JWKSFile: file}}})
	})
}

// FuzzClientKey: a file is a public key, or an error.
func FuzzClientKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("not PEM"))
	file := filepath.Join(f.TempDir(), "key.pem")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = issuer.ReadClientKey(file)
	})
}
