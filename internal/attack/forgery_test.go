package attack

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestForgedTokens: no other token than one that the login issued, to the byte,
// is taken, and all are refused alike.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	_, answer := x.logIn(t, client, appSecret+"ab")
	var issued struct {
		Token string `json:"access_token"`
	}
	must(t, json.Unmarshal([]byte(answer), &issued))
	ask := func(token string) (int, string) {
		return do(t, client, x.azure(t, "GET", "/secrets", token, http.NoBody))
	}
	if code, body := ask(issued.Token); code != http.StatusOK {
		t.Fatal(code, body)
	}
	parts := strings.Split(issued.Token, ".")
	decode := func(part string) map[string]any {
		b, err := base64.RawURLEncoding.DecodeString(part)
		must(t, err)
		var m map[string]any
		must(t, json.Unmarshal(b, &m))
		return m
	}
	encode := func(v any) string {
		b, err := json.Marshal(v)
		must(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	head, claims := decode(parts[0]), decode(parts[1])
	with := func(m map[string]any, more ...any) map[string]any {
		out := map[string]any{}
		for k, v := range m {
			out[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i].(string)] = more[i+1] //nolint:forcetypeassert // above and below
		}
		return out
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	sign := func(head, claims map[string]any) string {
		text := encode(head) + "." + encode(claims)
		sum := sha256.Sum256([]byte(text))
		r, s, err := ecdsa.Sign(rand.Reader, own, sum[:])
		must(t, err)
		return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	public, err := own.PublicKey.Bytes()
	must(t, err)
	jwk := map[string]any{
		"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(public[1:33]), "y": base64.RawURLEncoding.EncodeToString(public[33:]),
	}
	_, keys := do(t, client, x.login(t, "GET", "/adfs/discovery/keys", http.NoBody))
	symmetric := func(key string) string {
		text := encode(with(head, "alg", "HS256")) + "." + parts[1]
		mac := hmac.New(sha256.New, []byte(key))
		_, _ = mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	raw := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, token := range map[string]string{
		"no signature":        parts[0] + "." + parts[1] + ".",
		"alg none":            encode(with(head, "alg", "none")) + "." + parts[1] + ".",
		"alg None, signed":    encode(with(head, "alg", "None")) + "." + parts[1] + "." + parts[2],
		"the public key HMAC": symmetric(keys),
		"an empty key HMAC":   symmetric(""),
		"another key":         sign(with(head, "alg", "ES256"), claims),
		"its key inside":      sign(with(head, "alg", "ES256", "jwk", jwk), claims),
		"its key elsewhere":   sign(with(head, "alg", "ES256", "jku", "https://"+x.address+"/keys"), claims),
		"a certificate":       sign(with(head, "alg", "ES256", "x5c", []string{"AAAA"}), claims),
		"kid a path":          sign(with(head, "alg", "ES256", "kid", "../../dev/null"), claims),
		"kid an array":        encode(with(head, "kid", []any{head["kid"]})) + "." + parts[1] + "." + parts[2],
		"crit":                encode(with(head, "crit", []string{"x"}, "x", 1)) + "." + parts[1] + "." + parts[2],
		"b64 false":           encode(with(head, "b64", false, "crit", []string{"b64"})) + "." + parts[1] + "." + parts[2],
		"another type":        encode(with(head, "typ", "JWT+x")) + "." + parts[1] + "." + parts[2],
		"another subject":     parts[0] + "." + encode(with(claims, "sub", "weak")) + "." + parts[2],
		"longer":              parts[0] + "." + encode(with(claims, "exp", 1<<40)) + "." + parts[2],
		"a member twice":      raw(`{"alg":"none",`+string(must2(base64.RawURLEncoding.DecodeString(parts[0])))[1:]) + "." + parts[1] + "." + parts[2],
		"other base64":        parts[0] + "." + parts[1] + "." + parts[2] + "=",
		"a line feed inside":  parts[0] + "." + parts[1][:9] + "%0a" + parts[1][9:] + "." + parts[2],
		"four parts":          issued.Token + "." + parts[2],
		"nested":              strings.Repeat(parts[0]+".", 100),
	} {
		if code, body := ask(token); code != http.StatusUnauthorized && code != http.StatusTooManyRequests {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if code, body := ask(issued.Token); code != http.StatusOK {
		t.Errorf("the good one, afterwards: %d %s", code, body)
	}
}

func must2(b []byte, _ error) []byte { return b }

// TestForgedBlobs: whatever is changed of a backup, there is one answer, in
// each API.
func TestForgedBlobs(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, honest)
	if code, body := x.set(t, vaultHost, "n", "v"); code != http.StatusOK {
		t.Fatal(code, body)
	}
	_, answer := x.send(t, client, call{method: "POST", path: "/secrets/n/backup"})
	var made struct {
		Blob string `json:"secret_blob"`
	}
	must(t, json.Unmarshal([]byte(answer), &made))
	_, answer = do(t, client, x.azure(t, "POST", "/secrets/n/backup", appToken, http.NoBody))
	var value struct{ Value string }
	must(t, json.Unmarshal([]byte(answer), &value))
	blob, err := base64.RawURLEncoding.DecodeString(value.Value)
	must(t, err)
	// Behind the head, which names the key: another key's name may be told.
	first := bytes.IndexByte(blob, '.') + 1
	forged := [][]byte{blob[:len(blob)-1], blob[:len(blob)/2], append(bytes.Clone(blob), 'A'), bytes.Replace(blob, []byte("."), []byte(".."), 1), append(bytes.Clone(blob), ".A"...)}
	for i := range 30 {
		b := bytes.Clone(blob)
		at := first + i*(len(b)-1-first)/30
		if b[at] == '.' {
			at++
		}
		b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A']
		forged = append(forged, b)
	}
	seen := map[string]int{}
	for _, b := range forged {
		text := base64.RawURLEncoding.EncodeToString(b)
		code, body := do(t, client, x.azure(t, "POST", "/secrets/restore", appToken, strings.NewReader(`{"value":"`+text+`"}`)))
		seen[fmt.Sprint("azure ", code, body)]++
		code, body = x.send(t, client, call{method: "POST", path: "/secrets/restore", body: `{"secret_blob":"` + text + `"}`})
		seen[fmt.Sprint("huawei ", code, body)]++
	}
	if len(seen) != 2 {
		t.Errorf("%d answers: %v", len(seen), seen)
	}
	for a := range seen {
		if !strings.Contains(a, " 400") {
			t.Error(a)
		}
	}
}

// TestNoValueOutside: after all kinds of calls no value and no credential is in
// the log, the audit or the metrics.
func TestNoValueOutside(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	const value = "the-v4lue-itself"
	client := x.from(t, honest)
	for _, name := range []string{"n", "bad name", value} {
		x.send(t, client, call{method: "POST", path: "/secrets", body: secretBody(name, value)})
		x.send(t, client, call{method: "GET", path: "/secrets/n/versions/latest"})
		x.send(t, client, call{method: "POST", path: "/secrets", body: `{"name":"n","secret_string":"` + value + `",,}`})
		do(t, client, x.azure(t, "PUT", "/secrets/m", appToken, strings.NewReader(`{"value":"`+value+`","attributes":{"exp":"`+value+`"}}`)))
		do(t, client, x.azure(t, "PUT", "/secrets/m", value, strings.NewReader(`{"value":"`+value+`"}`)))
		do(t, client, x.azure(t, "POST", "/secrets/restore", appToken, strings.NewReader(`{"value":"`+value+`"}`)))
		x.logIn(t, client, value)
		x.logIn(t, client, appSecret+"ab")
	}
	audit, err := os.ReadFile(filepath.Join(x.dir, "audit.jsonl"))
	must(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+x.admin+"/metrics", http.NoBody)
	must(t, err)
	_, metrics := do(t, &http.Client{Timeout: time.Minute}, r)
	for where, text := range map[string]string{"the audit": string(audit), "the log": x.log.text(), "the metrics": metrics} {
		for _, secret := range []string{appToken, appSecret, weakSK + `"`, base64.StdEncoding.EncodeToString([]byte(value))} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", where, secret)
			}
		}
		// The third name is the value: where somebody puts it in the place of a
		// name it is one.
		if n := strings.Count(text, value) - strings.Count(text, `"name":"`+value+`"`); n > 0 {
			t.Errorf("%s holds the value %d times", where, n)
		}
	}
}
