package huawei_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	keyring "github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/secret"
)

// TestRecordedRequestsChanged: what the vendor's tools were seen to send is
// refused under another key id, at another time, and without its signature.
func TestRecordedRequestsChanged(t *testing.T) {
	t.Parallel()
	const key, layout = "HPUAEXAMPLEACCESSKEY", "20060102T150405Z"
	var now time.Time
	clock := func() time.Time { return now }
	g, creds := twoStores(t), access.NewCredentials()
	must(t, creds.AddAccessKey(key, secret.TextValue("exampleSecretKey0123456789exampleSecretKey"), access.Credential{Caller: "recorded"}))
	d, err := huawei.New(huawei.Options{
		Service: g.Service, Events: g.Events, Credentials: creds, IAM: emptyIAM(t, creds), Throttle: access.NewThrottle(clock), Now: clock,
		Routes: []huawei.Route{{Project: "0605767fcd80d5762fdbc0189dexampl", Store: "a"}},
	})
	must(t, err)
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	d.Mount(router)
	data, err := os.ReadFile("../../internal/sdkhmac/testdata/requests.jsonl")
	must(t, err)
	asked := 0
	for line := range bytes.Lines(data) {
		var rec struct {
			Op, Method, Host, Body string
			Target                 string `json:"request_target"`
			Headers                http.Header
		}
		must(t, json.Unmarshal(line, &rec))
		at, err := time.Parse(layout, rec.Headers.Get("X-Sdk-Date"))
		if err != nil || !strings.Contains(rec.Headers.Get("Authorization"), "Access="+key+",") {
			continue
		}
		ask := func(shift time.Duration, says string, edit func(http.Header)) {
			t.Helper()
			asked++
			r := httptest.NewRequestWithContext(t.Context(), rec.Method, "http://"+rec.Host+rec.Target, strings.NewReader(rec.Body))
			r.Header, r.RemoteAddr = rec.Headers.Clone(), fmt.Sprintf("192.0.%d.%d:1", asked/256, asked%256)
			edit(r.Header)
			now = at.Add(shift)
			w := httptest.NewRecorder()
			router.ServeHTTP(w, r)
			if body := w.Body.String(); !strings.Contains(body, says) && !strings.Contains(body, "APIGW.0101") {
				t.Errorf("%s %s: %d %s, want %s", rec.Op, rec.Target, w.Code, body, says)
			}
		}
		replace := func(old, changed string) func(http.Header) {
			return func(h http.Header) { h.Set("Authorization", strings.Replace(h.Get("Authorization"), old, changed, 1)) }
		}
		ask(0, "ak not exist", func(h http.Header) {
			replace(key, key[:len(key)-1]+"X")(h)
			h.Del("X-Security-Token") // with one it is a temporary key
		})
		ask(0, saysWrong, func(h http.Header) { h.Set("X-Sdk-Date", at.Add(time.Second).Format(layout)) })
		ask(15*time.Minute+time.Second, "within 15 minutes", func(http.Header) {})
		ask(-15*time.Minute-time.Second, "within 15 minutes", func(http.Header) {})
		ask(0, "must be signed and within", replace(";x-sdk-date", ""))
		ask(0, "malformed", replace(", Signature=", ", SignedHeaders=x-sdk-date, Signature="))
		ask(0, "x-auth-token not found", func(h http.Header) { h.Del("Authorization"); h.Del("X-Auth-Token") })
	}
	if asked < 7*80 {
		t.Errorf("only %d requests tried", asked)
	}
}

// emptyIAM has no users and no signing key.
func emptyIAM(t testing.TB, creds *access.Credentials) *iam.IAM {
	t.Helper()
	ring, err := keyring.NewKeyringOf(keyring.AlgA256KW)
	must(t, err)
	x, err := iam.New(iam.Options{Keyring: ring, Credentials: creds, Domain: "acct"})
	must(t, err)
	return x
}
