package httpd

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

// TestWitnessMetrics: a witness is shown once it was asked.
func TestWitnessMetrics(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	m := NewMetrics()
	m.WatchWitnesses(func() []audit.WitnessState {
		return []audit.WitnessState{
			{URL: "https://a", Lines: 7, Signed: at},
			{URL: "https://b", Signed: at, Since: at.Add(time.Minute), Reason: "it answers 503"},
			{URL: "https://c"},
			{URL: "https://d", Since: at, Reason: "it answers 403"},
		}
	})
	want := `# HELP vaultferry_audit_witness_signed_timestamp_seconds When the witness last signed a checkpoint; 0: not since the gateway began.
# TYPE vaultferry_audit_witness_signed_timestamp_seconds gauge
vaultferry_audit_witness_signed_timestamp_seconds{witness="https://a"} 1.8e+09
vaultferry_audit_witness_signed_timestamp_seconds{witness="https://b"} 1.8e+09
vaultferry_audit_witness_signed_timestamp_seconds{witness="https://d"} 0
# HELP vaultferry_audit_witness_up 1 if the witness signed the last checkpoint that it was asked for, 0 if not; absent until it was asked.
# TYPE vaultferry_audit_witness_up gauge
vaultferry_audit_witness_up{witness="https://a"} 1
vaultferry_audit_witness_up{witness="https://b"} 0
vaultferry_audit_witness_up{witness="https://d"} 0
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "vaultferry_audit_witness_up", "vaultferry_audit_witness_signed_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}

// TestSeatMetrics: what a witness signs and refuses is two counters.
func TestSeatMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	m.WatchSeat(func() (signed, refused int64) { return 5, 2 })
	want := `# HELP vaultferry_audit_witness_requests_total Checkpoints of other gateways that this one as a witness signed, or refused.
# TYPE vaultferry_audit_witness_requests_total counter
vaultferry_audit_witness_requests_total{result="refused"} 2
vaultferry_audit_witness_requests_total{result="signed"} 5
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "vaultferry_audit_witness_requests_total"); err != nil {
		t.Error(err)
	}
}
