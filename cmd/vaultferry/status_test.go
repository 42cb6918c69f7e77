package main

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/control"
)

// TestAttention: what needs a look is told, worst first, and nothing else is.
func TestAttention(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	sound := control.Overview{
		Stores: []gateway.StoreHealth{{Name: "a", State: gateway.StoreUp}, {Name: "b", State: gateway.StoreUnknown}},
		Fleet: []gateway.FleetMember{
			{Member: gateway.Member{Name: "gw-1", Version: "v2", Began: now.Add(-time.Minute)}, This: true}, // an upgrade is under way
			{Member: gateway.Member{Name: "gw-2", Version: "v1", Began: now.Add(-48 * time.Hour), Seen: now.Add(-time.Minute)}},
			{Member: gateway.Member{Name: "gw-3", Version: "v2", Began: now.Add(-10 * time.Second), Seen: now}}, // it was killed, and is back
			{Member: gateway.Member{Name: "gw-3", Version: "v2", Began: now.Add(-48 * time.Hour), Seen: now.Add(-20 * time.Second)}},
		},
		Ends: []gateway.End{{What: "the certificate", At: now.Add(8 * 24 * time.Hour)}, {What: "the token", At: now.Add(time.Minute), Renewed: true}},
	}
	sound.Audit.Witnesses = []audit.WitnessState{ // not asked yet, idle since yesterday, and just gone
		{URL: "https://a"}, {URL: "https://b", Signed: now.Add(-24 * time.Hour)}, {URL: "https://c", Since: now.Add(-4 * time.Minute), Reason: "it answers 503"},
	}
	if got := attention(&sound, now); len(got) != 0 {
		t.Errorf("a sound gateway: %q", got)
	}
	poor := control.Overview{
		Stores: []gateway.StoreHealth{{Name: "a", State: gateway.StoreDown, Reason: "unavailable"}},
		Fleet: []gateway.FleetMember{
			{Member: gateway.Member{Name: "gw-1", Version: "v2", Began: now.Add(-2 * time.Hour)}, This: true},
			{Member: gateway.Member{Name: "gw-2", Version: "v1", Began: now.Add(-48 * time.Hour), Seen: now.Add(-time.Second)}},
			{Member: gateway.Member{ID: "0123456789abcdef", Version: "v1", Seen: now.Add(-5 * time.Minute)}, Silent: true},
			{Member: gateway.Member{Name: "gw-2", Version: "v1", Began: now.Add(-time.Hour * 2), Seen: now.Add(-time.Second)}},
		},
		Configuration: control.ConfigurationState{Stale: true},
		Audit: control.AuditOverview{Trouble: "no space left", Damaged: 2, Low: true, Missed: 3, Witnesses: []audit.WitnessState{
			{URL: "https://b", Since: now.Add(-6 * time.Minute), Reason: "it answers 503"},
			{URL: "https://a", Since: now, Rewritten: true, Reason: "it was cut"},
		}, WitnessOf: []audit.WitnessedLog{{Origin: "vaultferry/a/b"}, {Origin: "vaultferry/a/c", Refused: "it was changed"}}},
		Ends: []gateway.End{{What: "the credential x of app", At: now.Add(-time.Hour)}, {What: "the token", At: now.Add(-time.Second), Renewed: true}, {What: "the certificate", At: now.Add(49 * time.Hour)}},
	}
	want := []string{
		"the audit cannot be written, so every request is refused: no space left",
		"the audit is not what the witness https://a has signed: it was cut",
		"the audit's file was changed by somebody else, 2 times: see the log",
		"store a is down: unavailable",
		"gateway with the audit 0123456789abcdef has been silent for 5 minutes",
		"two gateways are named gw-2: gateway.name tells them apart",
		"the gateways are of different releases: v1, v2",
		"the audit's disk is nearly full",
		"the witness https://b has not signed for 6 minutes: it answers 503",
		"this gateway as a witness does not sign the audit vaultferry/a/c: it was changed",
		"the collector of audit lines did not get 3; they stand in the file",
		"the configuration has changed and was not taken: vaultferry reload says why",
		"the credential x of app has ended",
		"the token has ended, and no other one came",
		"the certificate ends in 2 days",
	}
	if got := attention(&poor, now); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestNotReady: a gateway that needs a look takes requests, unless nobody can write
// down what they do, or it stops.
func TestNotReady(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]control.Overview{
		"": {
			Stores: []gateway.StoreHealth{{Name: "a", State: gateway.StoreDown}}, Configuration: control.ConfigurationState{Stale: true},
			Audit: control.AuditOverview{Damaged: 1, Low: true},
		},
		"no space left": {Audit: control.AuditOverview{Trouble: "no space left"}},
		"stopping":      {Stopping: true},
	} {
		if err := notReady(&o); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestFleetPrintsNoControls: what another gateway tells of itself does nothing to the
// terminal of whoever asks this one.
func TestFleetPrintsNoControls(t *testing.T) {
	t.Parallel()
	const evil = "x\x1b]0;y\a\nz\tw\u202e"
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	fleet := []gateway.FleetMember{
		{Member: gateway.Member{ID: evil, Name: evil, Version: evil}},
		{Member: gateway.Member{ID: evil, Version: evil}, Silent: true},
		{Member: gateway.Member{ID: "1", Version: "v1"}},
	}
	said := fleetAttention(fleet, now)
	witnesses := []audit.WitnessState{{URL: "https://a", Since: now.Add(-time.Hour), Reason: evil}, {URL: "https://b", Since: now, Rewritten: true, Reason: evil}}
	said = append(append(said, witnessSilence(witnesses, now)...), witnessRewritten(witnesses)...)
	for _, row := range witnessRows(&control.AuditOverview{Witnesses: witnesses}, now) {
		said = append(said, row...)
	}
	for _, row := range fleetRows(fleet, now) {
		said = append(said, row...)
	}
	if len(said) != 2+2*len(fleet)+2+2*len(witnesses) {
		t.Errorf("%q", said)
	}
	for _, line := range said {
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", line)
		}
	}
}
