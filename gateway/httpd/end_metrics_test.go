package httpd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/vaultferry/vaultferry/gateway"
)

// TestEndMetrics: ends are series by whose they are; many callers make no more
// series than their bound, and the ends that come first are among them.
func TestEndMetrics(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	ends := []gateway.End{
		{Kind: "token", Store: "main", Name: "approle", Renewed: true, At: at},
		{Kind: "certificate", Name: "server.tls", At: at},
		{Kind: "token", Caller: "app", Name: "token:x", At: at},
		{Kind: "token", Caller: "app", Name: "token:x", At: at.Add(time.Hour)}, // by another section
	}
	m := NewMetrics()
	m.TellEnds(func() []gateway.End { return ends })
	want := `# HELP vaultferry_expiry_timestamp_seconds When a certificate, token, password or key ends, of the gateway itself, of a store or of a caller. renewal: automatic, if another one comes in time by itself.
# TYPE vaultferry_expiry_timestamp_seconds gauge
vaultferry_expiry_timestamp_seconds{caller="",kind="certificate",name="server.tls",renewal="manual",store=""} 1.8e+09
vaultferry_expiry_timestamp_seconds{caller="",kind="token",name="approle",renewal="automatic",store="main"} 1.8e+09
vaultferry_expiry_timestamp_seconds{caller="app",kind="token",name="token:x",renewal="manual",store=""} 1.8e+09
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "vaultferry_expiry_timestamp_seconds"); err != nil {
		t.Error(err)
	}
	for i := range 2 * mostEnds {
		ends = append(ends, gateway.End{Kind: "token", Caller: fmt.Sprint("c", i), Name: "token:y", At: at})
	}
	if n, err := testutil.GatherAndCount(m.registry, "vaultferry_expiry_timestamp_seconds"); n != mostEnds+2 || err != nil {
		t.Errorf("%d series, %v", n, err)
	}
}
