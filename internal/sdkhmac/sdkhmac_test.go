package sdkhmac_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

type vector struct {
	Name          string            `json:"name"`
	Algorithm     string            `json:"algorithm"`
	AccessKey     string            `json:"access_key"`
	SecretKey     string            `json:"secret_key"`
	Method        string            `json:"method"`
	Endpoint      string            `json:"endpoint"`
	Target        string            `json:"request_target_sent_by_go_sdk"`
	Headers       map[string]string `json:"headers_before_signing"`
	Added         map[string]string `json:"headers_added_by_signer"`
	Body          string            `json:"body_bytes_sent"`
	Authorization string            `json:"authorization_header_from_sdk"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) != 16 {
		t.Fatalf("%d vectors, want 16", len(file.Vectors))
	}
	return file.Vectors
}

// request is the vector as it arrives at a server.
func (v vector) request(t testing.TB, signed bool) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), v.Method, v.Endpoint+v.Target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for k, s := range v.Headers {
		r.Header[http.CanonicalHeaderKey(k)] = []string{s}
	}
	if ct := v.Headers["Content-Type"]; ct != "" && !strings.Contains(ct, "json") {
		r.Header.Set(sdkhmac.HeaderSHA256, sdkhmac.UnsignedPayload) // as the SDK does before it signs
	}
	if signed {
		for k, s := range v.Added {
			r.Header.Set(k, s)
		}
	}
	return r
}

func date(t testing.TB, r *http.Request) time.Time {
	t.Helper()
	d, err := time.Parse("20060102T150405Z", r.Header.Get(sdkhmac.HeaderDate))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func verify(r *http.Request, body []byte, sk string, now time.Time) error {
	a, err := sdkhmac.Parse(r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	return sdkhmac.Verify(r, body, a, secret.TextValue(sk), now)
}

func TestVectorsVerify(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			r := v.request(t, true)
			err := verify(r, []byte(v.Body), v.SecretKey, date(t, r))
			switch {
			case v.Algorithm == sdkhmac.Algorithm && err != nil:
				t.Errorf("a good signature is refused: %v", err)
			case v.Algorithm != sdkhmac.Algorithm && !errors.Is(err, sdkhmac.ErrAlgorithm):
				t.Errorf("got %v, want ErrAlgorithm", err)
			}
		})
	}
}

func TestVectorsSign(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.Algorithm != sdkhmac.Algorithm {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			r := v.request(t, false)
			if err := sdkhmac.Sign(r, []byte(v.Body), v.AccessKey, secret.TextValue(v.SecretKey), time.Now()); err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("Authorization"); got != v.Authorization {
				t.Errorf("got  %s\nwant %s", got, v.Authorization)
			}
		})
	}
}

// TestOneByteChanged turns one bit of every signed byte in turn.
func TestOneByteChanged(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.Algorithm != sdkhmac.Algorithm {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			now := date(t, v.request(t, true))
			refused := func(what string, i int, r *http.Request, body []byte, sk string) {
				if err := verify(r, body, sk, now); err == nil {
					t.Errorf("byte %d of %s may be changed", i, what)
				}
			}
			if !sdkhmac.Unsigned(v.request(t, true)) {
				for i := range len(v.Body) {
					refused("the body", i, v.request(t, true), []byte(flip(v.Body, i)), v.SecretKey)
				}
				refused("the body's end", 0, v.request(t, true), []byte(v.Body+" "), v.SecretKey)
			}
			for i := range len(v.SecretKey) {
				refused("the secret", i, v.request(t, true), []byte(v.Body), flip(v.SecretKey, i))
			}
			a, err := sdkhmac.Parse(v.Authorization)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range append(a.SignedHeaders, "authorization") {
				r := v.request(t, true)
				whole := r.Header.Get(name)
				for i := range len(whole) {
					if name == "authorization" && i >= len(sdkhmac.Algorithm+" Access=") && i < strings.IndexByte(whole, ',') {
						continue // who signed: the verifier looks the secret up by it
					}
					r := v.request(t, true)
					r.Header.Set(name, flip(whole, i))
					refused(name, i, r, []byte(v.Body), v.SecretKey)
				}
			}
			refusedTargets(t, v, func(r *http.Request, i int) { refused("the target", i, r, []byte(v.Body), v.SecretKey) })
			r := v.request(t, true)
			r.Method = "PUT"
			refused("the method", 0, r, []byte(v.Body), v.SecretKey)
		})
	}
}

func refusedTargets(t *testing.T, v vector, refused func(*http.Request, int)) {
	t.Helper()
	for i := 1; i < len(v.Target); i++ {
		changed := v
		changed.Target = flip(v.Target, i)
		if strings.ContainsAny(string(changed.Target[i]), "%#?/ \x7f\"") || v.Target[i] == '%' || i >= 2 && v.Target[i-2] == '%' || v.Target[i-1] == '%' {
			continue // another shape of target, or one that is no URL; see TestPathShapes
		}
		refused(changed.request(t, true), i)
	}
}

// flip changes one bit and stays within printable ASCII.
func flip(s string, i int) string {
	b := []byte(s)
	b[i] ^= 1
	return string(b)
}

func TestRecordedRequestsVerify(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/requests.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	signed, tokens := 0, 0
	for line := range bytes.Lines(data) {
		var rec struct {
			Source, Op, Note, Method, Host, Body string
			Target                               string      `json:"request_target"`
			Headers                              http.Header `json:"headers"`
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), rec.Method, "http://"+rec.Host+rec.Target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = rec.Headers
		if r.Header.Get("Authorization") == "" {
			tokens++
			if err := verify(r, []byte(rec.Body), recordedSecret, time.Now()); !errors.Is(err, sdkhmac.ErrAlgorithm) {
				t.Errorf("%s %s: got %v for a request without signature", rec.Op, rec.Note, err)
			}
			continue
		}
		signed++
		if err := verify(r, []byte(rec.Body), recordedSecret, date(t, r)); err != nil {
			t.Errorf("%s %s: %v", rec.Op, rec.Note, err)
		}
		if err := verify(r, []byte(rec.Body+"\n"), recordedSecret, date(t, r)); !errors.Is(err, sdkhmac.ErrSignature) {
			t.Errorf("%s %s: with a longer body: %v", rec.Op, rec.Note, err)
		}
	}
	if signed != 72 || tokens != 2 {
		t.Errorf("%d signed and %d token requests read", signed, tokens)
	}
}

// recordedSecret signed the recordings; it opens nothing.
const recordedSecret = "exampleSecretKey0123456789exampleSecretKey"
