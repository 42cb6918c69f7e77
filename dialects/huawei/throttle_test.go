package huawei_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
)

// door is a gateway with a clock, asked from chosen addresses.
type door struct {
	*gatewaytest.Gateway
	now time.Time
}

const weakSecret = "a secret that people remember"

func newDoor(t testing.TB, secretKey string) *door {
	d := &door{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	now := func() time.Time { return d.now }
	d.Gateway = gatewaytest.New(t, gatewaytest.Options{Now: now, SecretKey: secretKey, Stores: []gateway.Store{
		{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{Now: now})},
	}})
	return d
}

const (
	saysWrong  = "verify aksk signature fail, the signature does not match"
	saysNoKey  = "ak not exist"
	saysLocked = "AK access failed to reach the limit,forbidden."
)

// asks sends m from the address and wants a 401 that says says; nothing: a 200.
func (d *door) asks(t testing.TB, m message, address, says string) string {
	t.Helper()
	m.Path = or(m.Path, "/secrets")
	if m.Now.IsZero() {
		m.Now = d.now
	}
	r := m.request(t, d.Gateway)
	r.RemoteAddr = address
	w := httptest.NewRecorder()
	d.Handler.ServeHTTP(w, r)
	body := strings.ReplaceAll(w.Body.String(), w.Header().Get("X-Request-Id"), "{id}")
	switch {
	case says == "" && w.Code != http.StatusOK:
		t.Errorf("got %d %s, want a 200", w.Code, body)
	case says != "" && (w.Code != http.StatusUnauthorized || !strings.Contains(body, says) || !strings.Contains(body, "APIGW.0301")):
		t.Errorf("got %d %s, want a 401 that says %s", w.Code, body, says)
	}
	return body
}

// TestLockOfThePair: five wrong signatures in a row lock a key whose secret can
// be guessed for their network, for five minutes, and for nobody else.
func TestLockOfThePair(t *testing.T) {
	t.Parallel()
	d := newDoor(t, weakSecret)
	right, wrong := message{}, message{SK: "wrong"}
	for range 4 {
		d.asks(t, wrong, "192.0.2.1:1000", saysWrong)
	}
	d.asks(t, right, "192.0.2.1:1001", "") // and the count starts anew
	for i := range 5 {
		d.asks(t, wrong, fmt.Sprintf("192.0.2.1:%d", 2000+i), saysWrong)
	}
	d.asks(t, right, "192.0.2.1:1002", saysLocked)
	d.asks(t, right, "192.0.2.2:1000", "")
	d.asks(t, right, "[2001:db8::1]:1000", "")
	d.asks(t, message{Key: "AKOTHER"}, "192.0.2.1:1000", saysNoKey)
	d.now = d.now.Add(5*time.Minute - time.Second)
	d.asks(t, right, "192.0.2.1:1003", saysLocked) // which does not prolong the lock
	d.now = d.now.Add(time.Second)
	d.asks(t, right, "192.0.2.1:1004", "")
	for i := range 5 { // one IPv6 network
		d.asks(t, wrong, fmt.Sprintf("[2001:db8::%d]:1", i+2), saysWrong)
	}
	d.asks(t, right, "[2001:db8::1]:1000", saysLocked)
	d.asks(t, right, "[2001:db8:0:1::1]:1000", "")
}

// TestLockFromElsewhere: ten networks do not guess ten times as fast at a secret
// that can be guessed, and do not lock out whoever has proved it where he is.
func TestLockFromElsewhere(t *testing.T) {
	t.Parallel()
	d := newDoor(t, weakSecret)
	d.asks(t, message{}, "192.0.2.1:1000", "")
	for i := range 50 {
		d.asks(t, message{SK: "wrong"}, fmt.Sprintf("198.51.100.%d:1", i), saysWrong)
	}
	d.asks(t, message{SK: "wrong"}, "203.0.113.1:1", saysLocked)
	d.asks(t, message{}, "203.0.113.1:1", saysLocked)
	d.asks(t, message{}, "192.0.2.1:1001", "")
	d.now = d.now.Add(5 * time.Minute)
	d.asks(t, message{}, "203.0.113.1:1", "")
}

// TestLockOfTheNetwork: whoever tries many keys is slowed for all of them.
func TestLockOfTheNetwork(t *testing.T) {
	t.Parallel()
	d := newDoor(t, weakSecret)
	for i := range 100 {
		d.asks(t, message{Key: fmt.Sprint("AK", i)}, "192.0.2.1:1", saysNoKey)
	}
	d.asks(t, message{Key: "AKNEXT"}, "192.0.2.1:1", saysLocked)
	d.asks(t, message{}, "192.0.2.1:1", saysLocked)
	d.asks(t, message{}, "192.0.2.2:1", "")
}

// claimed is m with a header that says its body's hash.
func claimed(m message) message {
	m.Before = func(r *http.Request) {
		sum := sha256.Sum256([]byte(m.Body))
		r.Header.Set(sdkhmac.HeaderSHA256, hex.EncodeToString(sum[:]))
	}
	return m
}

// TestNoLockForStrongSecrets: who proves a secret that nobody guesses is served
// however often others, at his address too, fail at his key.
func TestNoLockForStrongSecrets(t *testing.T) {
	t.Parallel()
	d := newDoor(t, "")
	const address = "192.0.2.1:1000"
	for range 5 {
		d.asks(t, message{SK: "wrong"}, address, saysWrong)
	}
	for i := range 3 {
		body := message{Method: "POST", Body: fmt.Sprintf(`{"name":"n%d","secret_string":"x"}`, i)}
		with := message{Method: "POST", Body: fmt.Sprintf(`{"name":"m%d","secret_string":"x"}`, i)}
		d.asks(t, message{SK: "wrong"}, address, saysLocked)
		d.asks(t, message{}, address, "") // and the count starts anew
		for range 5 {
			d.asks(t, message{SK: "wrong"}, address, saysWrong)
		}
		d.asks(t, body, address, "")
		for range 5 {
			d.asks(t, message{SK: "wrong"}, address, saysWrong)
		}
		d.asks(t, claimed(with), address, "")
		for range 5 {
			d.asks(t, message{SK: "wrong"}, address, saysWrong)
		}
	}
}

// TestLockDisclosesNothing: while a pair is locked the answer to everything but
// a right proof by a strong secret is the same: whether the key exists, and
// whichever part of the proof is wrong.
func TestLockDisclosesNothing(t *testing.T) {
	t.Parallel()
	strong, weak := newDoor(t, ""), newDoor(t, weakSecret)
	const address = "192.0.2.1:1000"
	for _, d := range []*door{strong, weak} {
		for range 5 {
			d.asks(t, message{SK: "wrong"}, address, saysWrong)
			d.asks(t, message{Key: "AKUNKNOWN"}, address, saysNoKey)
		}
	}
	first := strong.asks(t, message{SK: "wrong"}, address, saysLocked)
	body := `{"name":"n","secret_string":"x"}`
	for name, m := range map[string]message{
		"a wrong signature":              {SK: "wrong"},
		"an unknown key":                 {Key: "AKUNKNOWN"},
		"a stale date":                   {Now: strong.now.Add(-time.Hour)},
		"a claim of a body":              {After: func(r *http.Request) { r.Header.Set(sdkhmac.HeaderSHA256, strings.Repeat("0", 64)) }},
		"an absent secret":               {Path: "/secrets/none", SK: "wrong"},
		"a body":                         {Method: "POST", Body: body, SK: "wrong"},
		"a body and an unknown key":      {Method: "POST", Body: body, Key: "AKUNKNOWN"},
		"a body's hash":                  claimed(message{Method: "POST", Body: body, SK: "wrong"}),
		"a hash, and an unknown key":     claimed(message{Method: "POST", Body: body, Key: "AKUNKNOWN"}),
		"another body's hash":            claimed(message{Method: "POST", Body: body, After: func(r *http.Request) { r.Header.Set(sdkhmac.HeaderSHA256, strings.Repeat("0", 64)) }}),
		"a body too large":               {Method: "POST", Body: body, SK: "wrong", After: func(r *http.Request) { r.ContentLength = 1 << 40 }},
		"too large, of an unknown key":   {Method: "POST", Body: body, Key: "AKUNKNOWN", After: func(r *http.Request) { r.ContentLength = 1 << 40 }},
		"a derived key of another scope": {SK: "wrong", After: func(r *http.Request) { signLike(t, r, "", strong.AccessKey, "wrong", "r/s", "x-sdk-date") }},
	} {
		if got := strong.asks(t, m, address, saysLocked); got != first {
			t.Errorf("%s: %s, and else %s", name, got, first)
		}
	}
	if got := weak.asks(t, message{}, address, saysLocked); got != first {
		t.Errorf("a weak secret: %s, and else %s", got, first)
	}
}

// TestMistakesDoNotLock: what guesses at no secret is counted against nobody.
func TestMistakesDoNotLock(t *testing.T) {
	t.Parallel()
	d := newDoor(t, "")
	const address = "192.0.2.1:1000"
	set := func(k, v string) message {
		return message{After: func(r *http.Request) { r.Header.Set(k, v) }}
	}
	for range 6 {
		d.asks(t, message{Now: d.now.Add(16 * time.Minute)}, address, "15 minutes")
		d.asks(t, set("Authorization", "SDK-HMAC-SM3 Access="+d.AccessKey+", SignedHeaders=x-sdk-date, Signature=00"), address, "must be")
		d.asks(t, set("Authorization", "SDK-HMAC-SHA256 Access="+d.AccessKey), address, "malformed")
		d.asks(t, set(sdkhmac.HeaderSHA256, strings.Repeat("0", 64)), address, "differs from what was signed")
	}
	d.asks(t, message{}, address, "")
}

// FuzzDoor: no Authorization header but a signature opens the door, whatever
// else is sent with it.
func FuzzDoor(f *testing.F) {
	d := newDoor(f, "")
	good := message{Path: "/secrets", Now: d.now}.request(f, d.Gateway)
	f.Add(good.Header.Get("Authorization"), good.Header.Get(sdkhmac.HeaderDate), "/secrets?limit=2", "")
	f.Add("SDK-HMAC-SHA256 Access="+d.AccessKey+", SignedHeaders=x-sdk-date, Signature="+strings.Repeat("0", 64), "20260102T030405Z", "/secrets", "{}")
	f.Add("V11-HMAC-SHA256 Credential="+d.AccessKey+"/20260102/r/s, SignedHeaders=host;x-sdk-date, Signature="+strings.Repeat("0", 64), "20260102T030405Z", "/secrets/n", "")
	f.Fuzz(func(t *testing.T, auth, date, target, body string) {
		if auth == good.Header.Get("Authorization") && date == good.Header.Get(sdkhmac.HeaderDate) {
			return // the one that is right
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.Endpoint()+"/v1/"+gatewaytest.Project("a")+target, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header = http.Header{"Authorization": {auth}, sdkhmac.HeaderDate: {date}, "User-Agent": {"test"}}
		r.RemoteAddr = fmt.Sprintf("192.0.%d.%d:1", len(auth)%256, len(target)%256)
		w := httptest.NewRecorder()
		d.Handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized && w.Code != http.StatusNotFound {
			t.Errorf("%q at %q of %q: %d %s", auth, date, target, w.Code, w.Body)
		}
		if w.Code == http.StatusNotFound && !strings.Contains(w.Body.String(), "APIGW.0101") {
			t.Errorf("%q: something was looked for: %s", target, w.Body)
		}
	})
}
