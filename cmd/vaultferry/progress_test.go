package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/migrate"
)

// TestProgressLook: what is shown is reckoned from counts and the clock alone.
func TestProgressLook(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	side := &migrate.Side{Store: "cloud", Pace: migrate.NewPace(0, 8)}
	p := newProgress(func() time.Time { return clock }, 100, side, nil)
	if e := p.look(); e.Done != 0 || e.PerSecond != 0 || e.SecondsLeft != nil || len(e.Throttled) > 0 {
		t.Errorf("at the beginning: %+v", e)
	}
	for i := range 30 { // the first 10 in a second, then 1 a second
		if i >= 10 {
			clock = clock.Add(time.Second)
			p.look()
		} else if i == 9 {
			clock = clock.Add(time.Second)
		}
		p.step(i%10 == 0)
	}
	e := p.look()
	if e.Done != 30 || e.Failed != 3 || e.Total != 100 || e.PerSecond < 0.9 || e.PerSecond > 1.2 || *e.SecondsLeft < 58 || *e.SecondsLeft > 78 {
		t.Errorf("after 21 seconds: %+v, %d left", e, *e.SecondsLeft)
	}
	if got := e.head() + ": " + e.rest(); !strings.HasPrefix(got, "30 of 100: 1.") || !strings.HasSuffix(got, "s left, 3 failed") {
		t.Errorf("people read %q", got)
	}
	for range 20 {
		side.Pace.Wait(t.Context())
	}
	for range 20 { // all
		side.Pace.Refused(3 * time.Second)
	}
	e = p.look()
	if len(e.Throttled) != 1 || e.Throttled[0].Store != "cloud" || e.Throttled[0].Refused != 20 || e.Throttled[0].AtOnce >= 8 || e.Throttled[0].Most != 8 || e.Throttled[0].Wait <= 0 {
		t.Fatalf("after refusals: %+v", e.Throttled)
	}
	if got := e.rest(); !strings.Contains(got, fmt.Sprintf(", cloud throttles: %d of 8 at once", e.Throttled[0].AtOnce)) || !strings.HasSuffix(got, fmt.Sprintf(", waits %.0fs", e.Throttled[0].Wait)) {
		t.Errorf("people read %q", got)
	}
}

// TestProgressUnknownTotal: nobody reckons with a total that is not known.
func TestProgressUnknownTotal(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	p := newProgress(func() time.Time { return clock }, 0)
	clock = clock.Add(time.Second)
	p.step(false)
	if e := p.look(); e.Total != 0 || e.SecondsLeft != nil || e.head() != "1" || e.rest() != "1.0/s" {
		t.Errorf("%+v: %s %s", e, e.head(), e.rest())
	}
}

// TestProgressInAPipe: there is no bar where nobody looks, and no event for people.
func TestProgressInAPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := &app{out: &out, errOut: w, now: time.Now, output: "text"}
	p := newProgress(a.now, 1)
	if err := a.whileShown(p, func() error {
		p.step(false)
		a.complain("something")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	var said bytes.Buffer
	if _, err := said.ReadFrom(r); err != nil || said.String() != "vaultferry: something\n" || out.Len() > 0 {
		t.Errorf("standard error: %q, standard output: %q", said.String(), out.String())
	}
}

// TestAnswerIsALine: events and the answer are lines of their own, each an object
// that says what it is.
func TestAnswerIsALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{out: &out, now: time.Now, output: "json"}
	p := newProgress(a.now, 2)
	a.event(p.look())
	if err := a.answer(runReport{File: "a\u202e<b>.plan", Errors: []runErrorView{}}, nil); err != nil {
		t.Fatal(err)
	}
	var events []string
	for line := range strings.Lines(out.String()) {
		var e struct{ Event string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e.Event)
	}
	if len(events) != 2 || events[0] != "progress" || events[1] != "end" || !strings.Contains(out.String(), `"file":"a\u202e<b>.plan"`) {
		t.Errorf("%v: %s", events, out.String())
	}
}
