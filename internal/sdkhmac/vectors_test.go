package sdkhmac_test

import (
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
	Canonical     string            `json:"canonical_request"`
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

func vectorNamed(t testing.TB, name string) vector {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no vector %s", name)
	return vector{}
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
	verified := map[string]int{}
	for _, v := range vectors(t) {
		r := v.request(t, true)
		err := verify(r, []byte(v.Body), v.SecretKey, date(t, r))
		if v.Algorithm != sdkhmac.Algorithm && v.Algorithm != sdkhmac.DerivedAlgorithm {
			if !errors.Is(err, sdkhmac.ErrAlgorithm) {
				t.Errorf("%s: got %v, want ErrAlgorithm", v.Name, err)
			}
			continue
		}
		verified[v.Algorithm]++
		if err != nil {
			t.Errorf("%s: a good signature is refused: %v", v.Name, err)
		}
	}
	if verified[sdkhmac.Algorithm] != 12 || verified[sdkhmac.DerivedAlgorithm] != 2 {
		t.Errorf("vectors tried: %v", verified)
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
