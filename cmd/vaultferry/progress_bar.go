package main

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progressBar shows a progress on a terminal. What the command says meanwhile stands
// above it.
type progressBar struct {
	a      *app
	screen *os.File
	p      *progress
	seen   atomic.Pointer[progressEvent] // what the bar shows
	all    *mpb.Progress
	bar    *mpb.Bar
}

// bar is nil where standard error is no terminal.
func (a *app) bar(p *progress) *progressBar {
	screen, ok := a.errOut.(*os.File)
	if !ok || !isTerminal(screen) {
		return nil
	}
	b := &progressBar{a: a, screen: screen, p: p, all: mpb.New(mpb.WithOutput(screen), mpb.WithRefreshRate(eachFrame))}
	first := p.look()
	b.seen.Store(&first)
	filler := mpb.BarStyle().Build()
	bar, err := b.all.Add(0, mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error {
		if b.seen.Load().Total == 0 { // nobody knows how far it is
			return nil
		}
		return filler.Fill(w, stat)
	}),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return b.seen.Load().head() })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.seen.Load().rest() })),
		mpb.BarWidth(barWidth),
	)
	if err != nil { // never: nothing has ended it
		return nil
	}
	b.bar, a.errOut = bar, b
	return b
}

// barWidth leaves room for words.
const barWidth = 24

func (b *progressBar) draw() {
	e := b.p.look()
	b.seen.Store(&e)
	if e.Total > 0 {
		b.bar.SetTotal(e.Total, false)
	}
	b.bar.SetCurrent(e.Done)
}

// close takes the bar away.
func (b *progressBar) close() {
	b.bar.Abort(true)
	b.all.Wait()
	b.a.errOut = b.screen
}

// Write puts lines above the bar, and is a terminal like the one below it.
func (b *progressBar) Write(text []byte) (int, error) {
	if n, err := b.all.Write(text); err == nil {
		return n, nil
	}
	return b.screen.Write(text) // the bar is gone: its terminal has no size
}

// Fd implements what isTerminal asks for.
func (b *progressBar) Fd() uintptr { return b.screen.Fd() }
