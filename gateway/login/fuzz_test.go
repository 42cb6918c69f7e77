package login_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
)

// FuzzForm: no form but one with the right secret gets a token, at neither
// endpoint, and no answer repeats it.
func FuzzForm(f *testing.F) {
	f.Add(form("client_secret", "guess"), "application/x-www-form-urlencoded", "")
	f.Add(form()+"&client_secret=x", "application/x-www-form-urlencoded", "Basic eDp5")
	f.Add("grant_type=client_credentials&scope=%zz", "application/x-www-form-urlencoded; charset=\"", "Basic ")
	f.Add("\x00&&==;", "", "basic OjpoOg==")
	f.Add(strings.Repeat("a=&", 5000), "application/x-www-form-urlencoded", "")
	f.Add(form("scope", "", "resource", resource+"/", "client_secret", "guess"), "application/x-www-form-urlencoded", "")
	f.Add(form("client_secret", "", "client_assertion", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJjaStjZCIsInN1YiI6ImNpK2NkIn0.AA", "client_assertion_type", jwtBearer), "application/x-www-form-urlencoded", "")
	d := newDesk(f, backup.NewKeyring())
	f.Fuzz(func(t *testing.T, body, kind, auth string) {
		change := func(r *http.Request) {
			r.Header.Set("Content-Type", kind)
			r.Header.Set("Authorization", auth)
		}
		checkFuzzed(t, d.post(t, body, change), body, auth)
		checkFuzzed(t, d.postOlder(t, olderPath, body, change), body, auth)
	})
}

func checkFuzzed(t *testing.T, w *httptest.ResponseRecorder, body, auth string) {
	t.Helper()
	if w.Code == http.StatusOK {
		if _, password, _ := mustRequest(t, func(r *http.Request) { r.Header.Set("Authorization", auth) }).BasicAuth(); !strings.Contains(body+password, "s3cr3t") {
			t.Fatal("a token without the secret")
		}
		return
	}
	if e := errorOf(t, w); e.Code == "" || e.Code == "server_error" || strings.Contains(w.Body.String(), "s3cr3t") {
		t.Fatalf("%d %s", w.Code, e.Code)
	}
}

// FuzzToken: nothing but what the login itself signed is accepted, and every
// refusal is a TokenError.
func FuzzToken(f *testing.F) {
	ring := backup.NewKeyring()
	d := newDesk(f, ring)
	good := sign(f, ring, nil, nil)
	f.Add(good[:len(good)-2])
	f.Add(sign(f, backup.NewKeyring(), nil, nil))
	f.Add(sign(f, ring, nil, map[string]any{"exp": 0}))
	f.Add(enc(`{"alg":"none"}`) + "." + enc(`{}`) + ".")
	f.Add(enc(`{"alg":"EdDSA","typ":"at+jwt","kid":["x"]}`) + ".e30.AA")
	f.Add("..")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := d.Verify(token)
		if err == nil {
			t.Fatal("accepted")
		}
		var e *access.TokenError
		if !errors.As(err, &e) {
			t.Fatalf("%T", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{backup.AlgEdDSA, backup.AlgES256} {
		b.Run(alg, func(b *testing.B) {
			ring, err := backup.NewKeyringOf(backup.AlgA256KW, alg)
			if err != nil {
				b.Fatal(err)
			}
			d := newDesk(b, ring)
			token := d.token(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Verify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
