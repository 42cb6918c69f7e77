package report

import "time"

// Event is something that happened in a run.
type Event struct {
	At   time.Time
	What EventKind
}

// EventKind says what happened.
type EventKind uint8

// The kinds of events.
const (
	EventDone      EventKind = iota // a secret stands at the target
	EventFailed                     // one does not
	EventThrottled                  // a product asked to be left alone for a while
)

// Timeline counts events in equal spans of time.
type Timeline struct {
	Begun time.Time
	Span  time.Duration
	Bars  []Bar
}

// Bar is one span.
type Bar struct{ Done, Failed, Throttled int }

// maxBars is what a page has room for.
const maxBars = 120

// spans are those that people count in.
var spans = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
	10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// NewTimeline counts the events, which come in any order.
func NewTimeline(events []Event) Timeline {
	if len(events) == 0 {
		return Timeline{}
	}
	first, last := events[0].At, events[0].At
	for _, e := range events {
		if e.At.Before(first) {
			first = e.At
		}
		if e.At.After(last) {
			last = e.At
		}
	}
	t := Timeline{Begun: first}
	for _, t.Span = range spans {
		if last.Sub(first)/t.Span < maxBars {
			break
		}
	}
	for last.Sub(first)/t.Span >= maxBars {
		t.Span *= 2
	}
	t.Bars = make([]Bar, last.Sub(first)/t.Span+1)
	for _, e := range events {
		b := &t.Bars[e.At.Sub(first)/t.Span]
		switch e.What {
		case EventDone:
			b.Done++
		case EventFailed:
			b.Failed++
		case EventThrottled:
			b.Throttled++
		}
	}
	return t
}

// Ended is the end of the last span.
func (t *Timeline) Ended() time.Time { return t.Begun.Add(t.Span * time.Duration(len(t.Bars))) }

// Rate is n in one span, in one second.
func (t *Timeline) Rate(n int) float64 { return float64(n) / t.Span.Seconds() }
