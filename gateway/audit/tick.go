package audit

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

const (
	// checkpointEvery is how much of the audit's end nobody could prove.
	checkpointEvery = time.Minute
	tickEvery       = time.Second
)

// state is what operators watch.
type state struct {
	damaged atomic.Int64
	free    atomic.Int64
	low     atomic.Bool
}

// State is how the audit fares.
type State struct {
	Free    int64 // bytes of room on its disk; negative: not known
	Low     bool  // less room than the low-water mark
	Damaged int64 // times that the file was not as the gateway had left it
	Size    int64 // of the present file
	// Checkpointed is when it was last time for a checkpoint. Zero: none is signed.
	Checkpointed time.Time
}

// State tells how the audit fares.
func (l *Log) State() State {
	s := State{Free: l.state.free.Load(), Low: l.state.low.Load(), Damaged: l.state.damaged.Load()}
	if at := l.checkpointed.Load(); at > 0 && l.signs() {
		s.Checkpointed = time.Unix(0, at)
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	s.Size = l.at.size
	return s
}

// Run does what the time asks for until ctx ends: checkpoints, rotation, lines
// of what was refused without a line, a look at the disk's room.
func (l *Log) Run(ctx context.Context) {
	if l.shared != nil {
		removeAbandoned(l.shared.path, time.Now())
	}
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		if err := l.Tick(); err != nil {
			l.o.Log.Error("audit", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Tick is one round of Run.
func (l *Log) Tick() error {
	now := l.now()
	l.lookAtDisk()
	_ = l.Healthy() // where lines could not be written, it tries
	err := errors.Join(l.look(), l.tellRefused(now))
	if !l.signs() {
		return err
	}
	if at := l.checkpointed.Load(); now.UnixNano()-at >= int64(checkpointEvery) {
		l.checkpointed.Store(now.UnixNano())
		err = errors.Join(err, l.checkpointAndCosign())
	}
	l.turn.Lock()
	due := l.due()
	l.turn.Unlock()
	if due {
		_, rotateErr := l.Rotate("")
		err = errors.Join(err, rotateErr)
	}
	return err
}

// look finds out what was done to the file while nobody writes to it: else the
// next line does.
func (l *Log) look() error {
	l.turn.Lock()
	defer l.turn.Unlock()
	if l.shared == nil || l.isClosed() || l.gap != nil || l.shared.stands(l.at.size) {
		return nil
	}
	b := &batch{}
	l.put(b)
	return b.err
}

// signs: this log makes checkpoints.
func (l *Log) signs() bool { return l.o.Gateway != "" && l.shared != nil && l.shared.regular }

// Checkpoint signs the tree over all lines, writes that down, and returns it.
// Where nothing has happened since the last one, it returns that.
func (l *Log) Checkpoint() (string, error) {
	l.turn.Lock()
	text, err := l.checkpoint()
	l.turn.Unlock()
	if err != nil {
		return "", err
	}
	if err := l.syncs.after(l.sync); err != nil {
		return "", err
	}
	return text, replaceFile(CheckpointFile(l.shared.path), text)
}

// checkpointAndCosign has witnesses sign what is new to them, whoever made it a
// checkpoint, and what one of them did not sign before, and writes down what they
// signed.
func (l *Log) checkpointAndCosign() error {
	text, err := l.Checkpoint()
	if err != nil || l.o.Cosign == nil || text == "" {
		return err
	}
	again := text == l.asked
	if !again {
		l.owed, l.asked = text, text
	}
	if l.owed == "" {
		return nil
	}
	asked := l.owed
	cosigned, err := l.o.Cosign(asked, l.ProvePrefix)
	if err == nil || errors.Is(err, ErrRewritten) {
		l.owed = ""
	}
	if errors.Is(err, ErrRewritten) && !l.rewritten.Swap(true) {
		err = errors.Join(err, l.tellRewritten(err))
	}
	if cosigned == asked || cosigned == "" || again && err != nil { // a line each minute would be news each minute
		return err
	}
	if err == nil && !l.witnessed.Swap(true) {
		l.o.Log.Info("audit: witnesses sign")
	}
	lineErr := l.Write(Entry{Phase: Outcome, Op: OpCosigned, Result: OK, Checkpoint: &Checkpoint{Note: cosigned}}, true)
	l.turn.Lock()
	if l.last == text && l.at.tree != nil && l.at.tree.Size() == l.signed+1 { // its own line is no news
		l.signed, l.last, l.asked = l.at.tree.Size(), cosigned, cosigned
	} else if l.last == text {
		l.last, l.asked = cosigned, cosigned
	}
	l.turn.Unlock()
	return errors.Join(err, lineErr, replaceFile(CheckpointFile(l.shared.path), cosigned))
}

// ErrRewritten is of Options.Cosign: a witness has signed lines that are not in the
// log any more.
var ErrRewritten = errors.New("the audit was rewritten")

// tellRewritten says what a witness knows of lines that are gone.
func (l *Log) tellRewritten(found error) error {
	e := Entry{Phase: Outcome, Op: OpDamage, Result: Damaged, Reason: found.Error()}
	l.turn.Lock()
	l.say(e)
	l.turn.Unlock()
	return l.Write(e, true)
}

// UseSigner signs checkpoints from now on. Nil: it signs none.
func (l *Log) UseSigner(by crypto.Signer) {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.o.Signer = by
}

// checkpoint is Checkpoint for the one whose turn it is.
func (l *Log) checkpoint() (string, error) {
	if !l.signs() {
		return "", errors.New("audit: this log makes no checkpoints")
	}
	defer l.shared.done()
	if err := l.ready(); err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	switch {
	case l.at.tree == nil:
		return "", fmt.Errorf("audit: %s begins with line %d and holds no tree, so there are no checkpoints of it", l.shared.path, l.at.seq)
	case l.at.tree.Size() == l.signed || l.at.tree.Size() == 0:
		return l.last, nil
	}
	text, err := checkpointNote(originOf(l.o.Gateway, l.at.log), l.at.tree, l.o.Signer)
	if err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	l.notes = append(l.notes, Entry{Phase: Outcome, Op: OpCheckpoint, Result: OK, Tree: l.at.state(), Checkpoint: &Checkpoint{Note: text}})
	b := &batch{}
	l.write(b)
	if b.err != nil {
		l.notes = l.notes[:0]
		return "", b.err
	}
	l.signed, l.last = l.at.tree.Size(), text
	return text, nil
}

// Rotate moves the file to a name with the time, behind a last checkpoint, and
// goes on in another one. It returns the file's new name.
func (l *Log) Rotate(why string) (string, error) {
	if l.shared == nil || !l.shared.regular {
		return "", errors.New("audit: this log is no file that could be rotated")
	}
	if err := l.syncs.after(l.sync); err != nil { // so that nobody waits for the most of it
		return "", err
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	if l.o.Gateway != "" {
		if _, err := l.checkpoint(); err != nil {
			l.o.Log.Error("audit: no checkpoint before the rotation", slog.Any("error", err))
		}
	}
	defer l.shared.done()
	if err := l.ready(); err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	if why == "" {
		why = "the file had its size or age"
	}
	old, err := l.shared.rotate(&l.at, why)
	if err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	l.o.Log.Info("audit: rotated", slog.String("file", old), slog.String("why", why))
	return old, nil
}

// cutMeanwhile compares the checkpoint beside the file, which may tell of lines
// that are gone since somebody wrote last. Nil: it does not.
func (l *Log) cutMeanwhile() *Entry {
	if !l.signs() || l.at.tree == nil {
		return nil
	}
	text, err := os.ReadFile(CheckpointFile(l.shared.path))
	if err != nil {
		return nil
	}
	s, err := ParseCheckpoint(string(text))
	if err != nil || s.Log == l.at.log && s.Size <= l.at.tree.Size() {
		return nil
	}
	return &Entry{
		Phase: Outcome, Op: OpDamage, Result: Damaged, Tree: l.at.state(),
		Reason: fmt.Sprintf("while no gateway ran the file was cut, or another took its place: the checkpoint beside it tells of %d lines, and there are %d", s.Size, l.at.tree.Size()),
	}
}

// lookAtDisk says early that room is running out.
func (l *Log) lookAtDisk() {
	if l.shared == nil {
		l.state.free.Store(-1)
		return
	}
	free, err := osfile.Room(filepath.Dir(l.shared.path))
	if err != nil {
		free = -1
	}
	l.state.free.Store(free)
	low := free >= 0 && free < l.o.LowWater
	switch was := l.state.low.Swap(low); {
	case low && !was:
		l.o.Log.Error("THE AUDIT'S DISK IS NEARLY FULL: when it is full, every call is refused",
			slog.Int64("free_bytes", free), slog.Int64("low_water", l.o.LowWater), slog.String("file", l.shared.path))
	case was && !low:
		l.o.Log.Warn("audit: the disk has room again", slog.Int64("free_bytes", free))
	}
}

// replaceFile writes a file of mode 0600, whole or not at all.
func replaceFile(path, text string) error {
	f, temp, err := createTemp(path)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(temp)))
	}
	return nil
}
