package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/migrate"
)

// progress is how far a command has come with many secrets. It is the one source of
// what a terminal shows and of the events for programs, and holds numbers and names
// of stores alone.
type progress struct {
	total        atomic.Int64 // zero: nobody knows
	done, failed atomic.Int64
	stores       []pacedStore
	forPeople    bool // programs get the answer alone
	now          func() time.Time

	mu    sync.Mutex
	marks []mark // of the last time, the oldest first
}

type pacedStore struct {
	name string
	pace *migrate.Pace
}

// mark is how much was done when.
type mark struct {
	at   time.Time
	done int64
}

// span is over how long a rate is reckoned.
const span = 10 * time.Second

func newProgress(now func() time.Time, total int, sides ...*migrate.Side) *progress {
	p := &progress{now: now, marks: []mark{{at: now()}}}
	p.total.Store(int64(total))
	for _, s := range sides {
		if s != nil {
			p.stores = append(p.stores, pacedStore{s.Store, s.Pace})
		}
	}
	return p
}

// step counts one secret.
func (p *progress) step(failed bool) {
	p.done.Add(1)
	if failed {
		p.failed.Add(1)
	}
}

// progressEvent is a moment of a progress, for programs. Keys are only ever added.
type progressEvent struct {
	Event  string    `json:"event"` // "progress"
	At     time.Time `json:"at"`
	Done   int64     `json:"done"` // failed ones among them
	Failed int64     `json:"failed"`
	// Total is absent while nobody knows it, and so is SecondsLeft.
	Total       int64          `json:"total,omitempty"`
	PerSecond   float64        `json:"per_second"` // over the last ten seconds
	SecondsLeft *int64         `json:"seconds_left,omitempty"`
	Requests    int64          `json:"requests"`
	Throttled   []throttleView `json:"throttled,omitempty"`
}

// throttleView is a store whose product asks to be left alone for now.
type throttleView struct {
	Store   string `json:"store"`
	Refused int64  `json:"refused"` // requests, since the command began
	// AtOnce is how many calls are made at once meanwhile, instead of Most.
	AtOnce int `json:"at_once"`
	Most   int `json:"most"`
	// PerSecond is how many requests are made at most meanwhile; zero: as many as
	// ever.
	PerSecond float64 `json:"per_second,omitempty"`
	// Wait is for how many seconds nothing is asked.
	Wait float64 `json:"wait_seconds,omitempty"`
}

// look tells how far it is now.
func (p *progress) look() progressEvent {
	e := progressEvent{Event: "progress", At: p.now().UTC().Truncate(time.Millisecond), Done: p.done.Load(), Failed: p.failed.Load(), Total: p.total.Load()}
	if e.Total > 0 { // more may come to light
		e.Total = max(e.Total, e.Done)
	}
	e.PerSecond = p.rate(e.Done)
	if e.Total > 0 && e.PerSecond > 0 {
		left := int64(float64(e.Total-e.Done)/e.PerSecond + 0.5)
		e.SecondsLeft = &left
	}
	for _, s := range p.stores {
		state := s.pace.State()
		e.Requests += state.Requests
		if state.Wait > 0 || state.Width < state.Most || state.Bound > 0 {
			e.Throttled = append(e.Throttled, throttleView{
				s.name, state.Refusals, state.Width, state.Most, math.Round(state.Bound*10) / 10, state.Wait.Round(100 * time.Millisecond).Seconds(),
			})
		}
	}
	return e
}

// rate is how many secrets a second were done lately.
func (p *progress) rate(done int64) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.marks = append(p.marks, mark{now, done})
	for len(p.marks) > 2 && now.Sub(p.marks[1].at) >= span {
		p.marks = slices.Delete(p.marks, 0, 1)
	}
	first := p.marks[0]
	took := now.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(int64(float64(done-first.done)/took*10+0.5)) / 10
}

// head is how much is done, and rest what else there is to say, for people.
func (e *progressEvent) head() string {
	if e.Total == 0 {
		return fmt.Sprintf("%d", e.Done)
	}
	return fmt.Sprintf("%d of %d", e.Done, e.Total)
}

func (e *progressEvent) rest() string {
	parts := []string{fmt.Sprintf("%.1f/s", e.PerSecond)}
	if e.SecondsLeft != nil {
		parts = append(parts, (time.Duration(*e.SecondsLeft)*time.Second).String()+" left")
	}
	if e.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", e.Failed))
	}
	for _, t := range e.Throttled {
		var how []string
		if t.AtOnce < t.Most {
			how = append(how, fmt.Sprintf("%d of %d at once", t.AtOnce, t.Most))
		}
		if t.PerSecond > 0 {
			how = append(how, fmt.Sprintf("%.0f requests/s", t.PerSecond))
		}
		if t.Wait > 0 {
			how = append(how, fmt.Sprintf("waits %.0fs", t.Wait))
		}
		parts = append(parts, t.Store+" throttles: "+strings.Join(how, ", "))
	}
	return strings.Join(parts, ", ")
}

// watched is a progress that people or programs watch.
type watched struct {
	quit chan struct{}
	done chan struct{}
	end  func()
}

// stop ends it. What the command says afterwards stands where it stood.
func (w *watched) stop() {
	close(w.quit)
	<-w.done
	w.end()
}

// How often an event is written, and a terminal shows another one.
const (
	eachEvent = time.Second
	eachFrame = 250 * time.Millisecond
)

// watch lets programs or people watch p: with --output json as an event each second
// on standard output, else as a bar where standard error is a terminal, and nowhere
// else. Whoever calls it stops it before the answer.
func (a *app) watch(p *progress) *watched {
	w := &watched{quit: make(chan struct{}), done: make(chan struct{}), end: func() {}}
	each, tell := eachEvent, func() { a.event(p.look()) }
	if !a.json() {
		each, tell = eachFrame, nil
		if bar := a.bar(p); bar != nil {
			tell, w.end = bar.draw, bar.close
		}
	} else if p.forPeople {
		tell = nil
	}
	if tell == nil { // nobody looks
		close(w.done)
		return w
	}
	go func() {
		defer close(w.done)
		tick := time.NewTicker(each)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell()
			case <-w.quit:
				return
			}
		}
	}()
	return w
}

// whileShown does work that p is about.
func (a *app) whileShown(p *progress, work func() error) error {
	w := a.watch(p)
	defer w.stop()
	return work()
}

// event writes one line. Who does not read it gets no answer either, and hears of
// that then.
func (a *app) event(e progressEvent) {
	if b, err := jsonLine(e); err == nil {
		_, _ = a.out.Write(visibleJSON(b))
	}
}

// answer is print of a command whose progress is shown: for programs, the last line,
// with the event "end".
func (a *app) answer(document any, text func(w io.Writer) error) error {
	if !a.json() {
		return a.print(document, text)
	}
	b, err := jsonLine(document)
	if err != nil {
		return err
	}
	_, err = a.out.Write(visibleJSON(append([]byte(`{"event":"end",`), b[1:]...)))
	return err
}

// jsonLine is an object on one line, with its end.
func jsonLine(document any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(document)
	return b.Bytes(), err
}
