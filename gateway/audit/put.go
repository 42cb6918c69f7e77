package audit

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"

	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/internal/osfile"
)

// put writes a batch, with whatever must stand before it. Called with turn
// held.
func (l *Log) put(b *batch) {
	if l.shared != nil {
		defer l.shared.done()
		if err := l.ready(); err != nil {
			l.fail(b, fmt.Errorf("audit: %w", err))
			return
		}
	}
	if l.gap == nil {
		l.write(b)
		return
	}
	l.mu.Lock()
	why := l.err
	l.mu.Unlock()
	l.notes = append(l.notes, Entry{Phase: Outcome, Op: OpGap, Result: "unavailable", Reason: printable(why), Tally: l.gap})
	l.write(b)
	if l.gap != nil { // the next one tells of it
		l.notes = slices.DeleteFunc(l.notes, func(e Entry) bool { return e.Op == OpGap })
	}
}

// ready has the file's lock, and what the file lacks or tells of it noted.
func (l *Log) ready() error {
	notes, err := l.shared.ready(&l.at)
	for _, e := range notes {
		l.say(e)
	}
	l.notes = append(l.notes, notes...)
	if err != nil {
		return err
	}
	return nil
}

// write writes the notes and then the batch.
func (l *Log) write(b *batch) {
	out, at := l.compose(l.notes, b)
	n := 0
	var err error
	if len(out) > 0 {
		n, err = l.file.Write(out)
	}
	if err == nil {
		l.at = at
		b.kept = len(b.ends)
		l.wrote(out)
		l.notes = l.notes[:0]
		if l.gap != nil {
			l.o.Log.Warn("audit: lines are written again", slog.Int64("refused", l.gap.Count))
			l.gap = nil
			l.setErr(nil)
		}
		return
	}
	lines := l.partly(out[:n])
	told := min(lines, len(l.notes))
	l.notes = l.notes[:copy(l.notes, l.notes[told:])]
	b.kept = lines - told
	l.fail(b, fmt.Errorf("audit: %w", err))
}

// compose makes the text of all lines, and where the chain stands behind them.
// The tree follows when they are written.
func (l *Log) compose(notes []Entry, b *batch) ([]byte, link) {
	out, at := l.out[:0], l.at
	at.tree = nil
	l.sums, l.ends = l.sums[:0], l.ends[:0]
	if at.torn && len(notes)+len(b.ends) > 0 {
		out = append(out, '\n')
		at.size++
	}
	begin := len(out)
	end := func() {
		line := out[begin : len(out)-1]
		at.follow(line)
		l.sums = append(l.sums, at.sum)
		begin = len(out)
		l.ends = append(l.ends, begin)
	}
	for i := range notes {
		out = appendHead(out, &at, l.now().UTC())
		out = appendBody(out, &notes[i])
		end()
	}
	from := 0
	for i, to := range b.ends {
		out = appendHead(out, &at, b.times[i])
		out = append(out, b.bodies[from:to]...)
		from = to
		end()
	}
	l.out = out
	at.tree = l.at.tree
	return out, at
}

// wrote tells the tree, and the sink, of lines that stand in the file.
func (l *Log) wrote(out []byte) {
	if len(l.ends) == 0 {
		return
	}
	if l.at.tree != nil {
		for i := range l.sums {
			l.at.tree.Append(merkle.Leaf(l.sums[i][:]))
		}
	}
	begin := 0
	switch {
	case len(l.ends) > 1:
		begin = l.ends[len(l.ends)-2]
	case out[0] == '\n': // it ended a line that was cut short
		begin = 1
	}
	l.at.keep(out[begin : len(out)-1])
	if l.o.Sink == nil {
		return
	}
	for line := range bytes.Lines(out) {
		if len(line) > 1 {
			l.o.Sink(line[:len(line)-1])
		}
	}
}

// partly moves behind what a write that failed has written, and returns how
// many lines that was.
func (l *Log) partly(out []byte) int {
	if l.at.torn && len(out) > 0 {
		out = out[1:]
		l.at.size++
		l.at.torn = false
	}
	lines := 0
	for line := range bytes.Lines(out) {
		whole, isWhole := bytes.CutSuffix(line, []byte("\n"))
		if !isWhole {
			l.at.tear(line)
			break
		}
		l.at.follow(whole)
		l.at.keep(whole)
		lines++
	}
	return lines
}

// fail tells those of the batch whose lines are not there.
func (l *Log) fail(b *batch, err error) {
	b.err = err
	l.failed(err, int64(len(b.ends)-b.kept))
}

// failed remembers lines that could not be written, for the line that tells of
// the gap.
func (l *Log) failed(err error, lines int64) {
	now := l.now().UTC()
	if l.gap == nil {
		l.gap = &Tally{First: now}
		l.o.Log.Error("audit: a line could not be written, so its call is refused", slog.Any("error", err))
	}
	l.gap.Count += lines
	l.gap.Last = now
	l.setErr(err)
}

// printable is an error's text in printable ASCII.
func printable(err error) string {
	if err == nil {
		return ""
	}
	text := []byte(err.Error())
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '?'
		}
	}
	return string(text)
}

// say tells the operator what was found of the file.
func (l *Log) say(e Entry) {
	if e.Result != Damaged {
		l.o.Log.Info("audit: "+e.Reason, slog.String("file", l.shared.path))
		return
	}
	l.state.damaged.Add(1)
	l.o.Log.Error("THE AUDIT WAS DAMAGED: "+e.Reason, slog.String("file", l.shared.path), slog.Uint64("line", l.at.seq))
}

// due: the file is larger, or older, than it is to be, and can be moved while it is
// open.
func (l *Log) due() bool {
	switch {
	case l.at.size == 0 || !l.shared.regular || !osfile.Replaces:
		return false
	case l.o.MaxSize > 0 && l.at.size >= l.o.MaxSize:
		return true
	}
	return l.o.MaxAge > 0 && !l.shared.begun.IsZero() && l.now().Sub(l.shared.begun) >= l.o.MaxAge
}
