package witness

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

// refuseAll stands before the witness while it is away.
type refuseAll struct{ http.RoundTripper }

func (refuseAll) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Status: "503 Service Unavailable", Body: http.NoBody, Request: r}, nil
}

// TestStates: a gateway knows how its witness fares, and asks it again for what it
// did not sign, also where nothing has happened since.
func TestStates(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	client := p.client()
	group := Group{client}
	l, err := audit.OpenWith(p.path, audit.Options{Gateway: loggerID, Signer: p.logger, Cosign: group.Cosign, Now: func() time.Time { return p.now }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	state := func() audit.WitnessState { return group.States()[0] }
	idle := func() error {
		p.now = p.now.Add(time.Minute)
		return l.Tick()
	}

	if s := state(); s != (audit.WitnessState{URL: p.url}) {
		t.Errorf("before it was asked: %+v", s)
	}
	if err := p.minute(t, l); err != nil {
		t.Fatal(err)
	}
	if s := state(); s != (audit.WitnessState{URL: p.url, Lines: 7, Signed: p.now}) {
		t.Errorf("once it has signed: %+v", s)
	}
	signed := p.now

	there := client.HTTP
	client.HTTP = &http.Client{Transport: refuseAll{}}
	if err := p.minute(t, l); err == nil {
		t.Error("it signs while it is away")
	}
	away := p.now
	before, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := idle(); err == nil {
			t.Error("an idle gateway does not ask again")
		}
	}
	if s := state(); s.Behind < 7 || s.Lines != 7 || !s.Signed.Equal(signed) || !s.Since.Equal(away) || !strings.Contains(s.Reason, "503") || s.Rewritten {
		t.Errorf("while it is away: %+v", s)
	}
	if after, err := os.ReadFile(p.path); err != nil || len(after) != len(before) {
		t.Errorf("asking again wrote %d bytes: %v", len(after)-len(before), err)
	}

	client.HTTP = there
	if err := idle(); err != nil {
		t.Error(err)
	}
	if s := state(); s.Behind != 0 || s.Lines <= 7 || !s.Signed.Equal(p.now) || !s.Since.IsZero() || s.Reason != "" {
		t.Errorf("once it is back: %+v", s)
	}
	if err := p.cosigned(t); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	asked := state().Signed
	if err := idle(); err != nil || !state().Signed.Equal(asked) {
		t.Errorf("it is asked again for what it has signed: %v", err)
	}
	if again, err := os.ReadFile(p.path); err != nil || len(again) != len(after) {
		t.Errorf("an idle minute wrote %d bytes: %v", len(again)-len(after), err)
	}
}

// TestLogs: a witness knows whose checkpoints it signs, and after a new start no
// more when it did so last.
func TestLogs(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	counts := func(what string, wantSigned, wantRefused int64) {
		t.Helper()
		if signed, refused := p.handler.Load().Counts(); signed != wantSigned || refused != wantRefused {
			t.Errorf("%s: %d signed, %d refused", what, signed, refused)
		}
	}
	if logs := p.handler.Load().Logs(); len(logs) != 0 {
		t.Errorf("at first: %+v", logs)
	}
	counts("at first", 0, 0)
	l := p.open(t)
	if err := p.minute(t, l); err != nil {
		t.Fatal(err)
	}
	logs := p.handler.Load().Logs()
	if len(logs) != 1 || logs[0].Lines != 7 || logs[0].Signed.IsZero() || !strings.Contains(logs[0].Origin, loggerID) {
		t.Errorf("signed: %+v", logs)
	}
	counts("signed", 1, 0)
	p.startWitness(t)
	if again := p.handler.Load().Logs(); len(again) != 1 || again[0].Lines != 7 || !again[0].Signed.IsZero() {
		t.Errorf("after a new start: %+v", again)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	changeLine(t, p.path)
	if err := os.Remove(audit.CheckpointFile(p.path)); err != nil {
		t.Fatal(err)
	}
	_ = p.minute(t, p.open(t)) // its own audit says what comes of it
	if logs := p.handler.Load().Logs(); len(logs) != 1 || !strings.Contains(logs[0].Refused, "it was changed") || logs[0].Lines != 7 {
		t.Errorf("of what was changed: %+v", logs)
	}
	counts("changed", 0, 1)
}

// TestRewrittenState: lines that are gone are another matter than a witness that is away.
func TestRewrittenState(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := p.open(t)
	for range 3 {
		if err := p.minute(t, l); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cutTo(t, p.path, 3)
	if err := os.Remove(audit.CheckpointFile(p.path)); err != nil {
		t.Fatal(err)
	}
	group := Group{p.client()}
	l, err := audit.OpenWith(p.path, audit.Options{Gateway: loggerID, Signer: p.logger, Cosign: group.Cosign, Now: func() time.Time { return p.now }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := p.minute(t, l); err == nil {
		t.Error("it signs what was cut")
	}
	if s := group.States()[0]; !s.Rewritten || s.Since.IsZero() {
		t.Errorf("%+v", s)
	}
}

// TestACheckpointByHandIsCosigned though nothing happens behind it.
func TestACheckpointByHandIsCosigned(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := p.open(t)
	if err := p.minute(t, l); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(audit.Entry{Op: "o"}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	p.now = p.now.Add(time.Minute)
	if err := l.Tick(); err != nil {
		t.Fatal(err)
	}
	if err := p.cosigned(t); err != nil {
		t.Error(err)
	}
}
