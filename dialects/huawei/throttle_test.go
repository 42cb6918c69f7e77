package huawei_test

import (
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

func newDoor(t testing.TB) *door {
	d := &door{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	now := func() time.Time { return d.now }
	d.Gateway = gatewaytest.New(t, gatewaytest.Options{Now: now, Stores: []gateway.Store{
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

// TestLockOfThePair: five wrong signatures in a row lock the key id for their
// address, for five minutes, and for nobody else.
func TestLockOfThePair(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
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
}

// TestLockDisclosesNothing: while a pair is locked the answer is the same,
// whether the key exists, and whether the signature is right.
func TestLockDisclosesNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const address = "192.0.2.1:1000"
	for range 5 {
		d.asks(t, message{SK: "wrong"}, address, saysWrong)
		d.asks(t, message{Key: "AKUNKNOWN"}, address, saysNoKey)
	}
	first := d.asks(t, message{}, address, saysLocked)
	for name, m := range map[string]message{
		"a wrong signature": {SK: "wrong"},
		"an unknown key":    {Key: "AKUNKNOWN"},
		"a stale date":      {Now: d.now.Add(-time.Hour)},
		"a claim of a body": {After: func(r *http.Request) { r.Header.Set(sdkhmac.HeaderSHA256, strings.Repeat("0", 64)) }},
		"an absent secret":  {Path: "/secrets/none"},
		"a derived key":     {After: func(r *http.Request) { signLike(t, r, "", d.AccessKey, d.SecretKey, "r/s", "x-sdk-date") }},
	} {
		if got := d.asks(t, m, address, saysLocked); got != first {
			t.Errorf("%s: %s, and else %s", name, got, first)
		}
	}
}

// TestMistakesDoNotLock: what guesses at no secret is counted against nobody.
func TestMistakesDoNotLock(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
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
	d := newDoor(f)
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
