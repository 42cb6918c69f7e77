package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestBeyondTheRateCostsLittle: a caller who asks too often has few lines in the
// audit, by whichever API he asks. The one that tells of the rest names him.
func TestBeyondTheRateCostsLittle(t *testing.T) {
	t.Parallel()
	file := &gatewaytest.Audit{}
	var later atomic.Bool
	log := audit.New(file, func() time.Time {
		if later.Load() {
			return time.Now().Add(time.Hour)
		}
		return time.Now()
	})
	g := gatewaytest.New(t, gatewaytest.Options{AuditLog: log, Rates: map[string]access.Rate{gatewaytest.Caller: {Requests: 1, Per: time.Hour, Burst: 1}}})
	x := &bounded{Gateway: g}
	answered(t, g.Client, x.azure(t, g.Token), nil)
	const each = 15
	for range each {
		for _, r := range []*http.Request{x.azure(t, g.Token), x.huawei(t, g.Token), x.login(t, g.ClientID, g.ClientSecret), x.iam(t, iamTokens, password(g.ClientID, g.ClientSecret))} {
			resp, err := g.Client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d", r.URL, resp.StatusCode)
			}
		}
	}
	later.Store(true)
	if err := log.Tick(); err != nil {
		t.Fatal(err)
	}
	var lines, rest int64
	for _, e := range file.Entries(t) {
		switch {
		case e.Result != "throttled":
		case e.Caller != gatewaytest.Caller:
			t.Errorf("a line of %q", e.Caller)
		case e.Op == audit.OpRefused:
			rest += e.Tally.Count
		default:
			lines++
		}
	}
	if lines != 10 || rest != 4*each-10 {
		t.Errorf("%d lines, and one that tells of %d", lines, rest)
	}
}
