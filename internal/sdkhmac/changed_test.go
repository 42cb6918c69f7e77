package sdkhmac_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// TestVectorsChanged turns every bit of all that the vectors sign.
func TestVectorsChanged(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if _, err := sdkhmac.Parse(v.Authorization); err != nil {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			request := func() *http.Request { return v.request(t, true) }
			refused := changeAll(t, request, v.Body, v.SecretKey, 0xff)
			if len(refused) < 500 {
				t.Errorf("only %d changes tried", len(refused))
			}
			// What may change is the spelling of an escape, no more.
			for what, refused := range refused {
				if !refused && !strings.Contains(what, "query") {
					t.Errorf("%s may be changed", what)
				}
			}
		})
	}
}

// changeAll changes, one at a time, the chosen bits of every byte of a signed
// request, and says which changes were refused. Whether each had to be is for
// the judge to say.
func changeAll(t *testing.T, request func() *http.Request, body, sk string, bits byte) map[string]bool {
	t.Helper()
	r := request()
	j := newJudge(t, r, body, sk, date(t, r))
	refused := map[string]bool{}
	try := func(part, whole string, edit func(*http.Request, string) string) {
		for i := range len(whole) {
			for bit := byte(1); bit != 0; bit <<= 1 {
				if bits&bit == 0 {
					continue
				}
				changed := []byte(whole)
				changed[i] ^= bit
				r, what := request(), fmt.Sprintf("bit %#02x of byte %d of the %s", bit, i, part)
				refused[what] = j.check(t, what, r, edit(r, string(changed)))
			}
		}
	}
	try("method", r.Method, func(r *http.Request, s string) string { r.Method = s; return body })
	try("path", r.URL.Path, func(r *http.Request, s string) string { r.URL.Path = s; return body })
	try("query", r.URL.RawQuery, func(r *http.Request, s string) string { r.URL.RawQuery = s; return body })
	if !sdkhmac.Unsigned(r) {
		try("body", body, func(_ *http.Request, s string) string { return s })
		refused["a longer body"] = j.check(t, "a longer body", request(), body+"\n")
	}
	for _, name := range j.auth.SignedHeaders {
		if name == "host" {
			try(name, r.Host, func(r *http.Request, s string) string { r.Host = s; return body })
			continue
		}
		try(name, r.Header.Get(name), func(r *http.Request, s string) string { r.Header.Set(name, s); return body })
	}
	changeSecret(t, j, request, refused)
	changeAuthorization(t, j, request, refused)
	return refused
}

func changeSecret(t *testing.T, j judge, request func() *http.Request, refused map[string]bool) {
	t.Helper()
	for i := range len(j.sk) {
		sk := []byte(j.sk)
		sk[i] ^= 1
		err := sdkhmac.Verify(request(), []byte(j.body), j.auth, secret.TextValue(string(sk)), j.now)
		if !errors.Is(err, sdkhmac.ErrSignature) {
			t.Errorf("byte %d of the secret may be changed: %v", i, err)
		}
		refused[fmt.Sprintf("byte %d of the secret", i)] = err != nil
	}
}

// changeAuthorization leaves alone who signed in the plain form: the secret is
// looked up by it.
func changeAuthorization(t *testing.T, j judge, request func() *http.Request, refused map[string]bool) {
	t.Helper()
	header := j.auth.String()
	for i := range len(header) {
		if first := len(sdkhmac.Algorithm + " Access="); j.auth.Scope == "" && first <= i && i < first+len(j.auth.Access) {
			continue
		}
		for bit := byte(1); bit != 0; bit <<= 1 {
			changed := []byte(header)
			changed[i] ^= bit
			r, what := request(), fmt.Sprintf("bit %#02x of byte %d of Authorization", bit, i)
			r.Header.Set("Authorization", string(changed))
			if err := verify(r, []byte(j.body), j.sk, j.now); err == nil {
				t.Errorf("%s may be changed", what)
			}
			refused[what] = true
		}
	}
}

// TestRecordedRequestsVerify: what the vendor's tools were seen to send is
// accepted at its own time, and with any byte changed it is not.
func TestRecordedRequestsVerify(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/requests.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	signed, tokens, temporary := 0, 0, 0
	for line := range bytes.Lines(data) {
		var rec struct {
			Op, Note, Method, Host, Body string
			Target                       string      `json:"request_target"`
			Headers                      http.Header `json:"headers"`
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		request := func() *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), rec.Method, "http://"+rec.Host+rec.Target, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = rec.Headers.Clone()
			return r
		}
		if r := request(); r.Header.Get("Authorization") == "" {
			tokens++
			if err := verify(r, []byte(rec.Body), recordedSecret, time.Now()); !errors.Is(err, sdkhmac.ErrAlgorithm) {
				t.Errorf("%s %s: got %v for a request without signature", rec.Op, rec.Note, err)
			}
			continue
		}
		signed++
		if rec.Headers.Get("X-Security-Token") != "" {
			temporary++
		}
		for what, refused := range changeAll(t, request, rec.Body, recordedSecret, 1) {
			if !refused {
				t.Errorf("%s %s: %s may be changed", rec.Op, rec.Note, what)
			}
		}
	}
	if signed != 89 || tokens != 2 || temporary != 1 {
		t.Errorf("%d signed, %d of them temporary, and %d token requests read", signed, temporary, tokens)
	}
}

// recordedSecret signed the recordings; it opens nothing.
const recordedSecret = "exampleSecretKey0123456789exampleSecretKey"
