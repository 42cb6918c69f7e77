package migrate

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/internal/jsonl"
	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Step is what a line of a journal says.
type Step string

// The steps.
const (
	Opened  Step = "opened"  // a run began, or went on
	Begun   Step = "begun"   // the next thing is a write to the target
	Done    Step = "done"    // what the plan says stands
	Failed  Step = "failed"  // it does not; the next run tries again
	Skipped Step = "skipped" // what the plan saw does not hold any more, and nothing was written
	Closed  Step = "closed"  // a run came to its end
)

// Line is one line of a journal.
type Line struct {
	Number int64       `json:"number"`
	At     time.Time   `json:"at"`
	Step   Step        `json:"step"`
	Plan   string      `json:"plan,omitempty"` // SHA-256 of the plan's file: of Opened
	Name   secret.Name `json:"name,omitempty"`
	// Versions that stand at the target after Done. Archive is the file that keeps
	// what the target cannot.
	Versions int    `json:"versions,omitempty"`
	Archive  string `json:"archive,omitempty"`
	Why      string `json:"why,omitempty"`
	// Refused is how many requests products refused for now since the line before
	// that says so.
	Refused int64 `json:"refused,omitempty"`
	// MAC is over the line before and this one without it.
	MAC inventory.Digest `json:"mac"`
}

// Journal says what a run has done. Each line is on stable storage before Write
// returns. A nil Journal is that of a rehearsal: it knows nothing, and keeps nothing.
type Journal struct {
	key  inventory.Key
	file *os.File
	now  func() time.Time
	tell func(Line) // each line that is replayed; nil: nobody asks

	mu     sync.Mutex
	last   inventory.Digest // the MAC of the last line
	number int64
	steps  map[secret.Name]Step
	buffer bytes.Buffer
	wrote  *sync.Cond
	queued int64 // lines that are in the file or the buffer
	synced int64 // lines on stable storage
	busy   bool  // somebody writes
	err    error // the first; nothing is written after it
}

// ErrLocked says that another run has the journal.
var ErrLocked = errors.New("another run of this plan is at work")

// OpenJournal opens or makes the journal at path, for a plan whose file has the
// digest. A line that was torn by a crash is cut. Kinds: Corrupt; ErrLocked.
func OpenJournal(path string, k inventory.Key, plan string, now func() time.Time) (*Journal, error) {
	f, err := osfile.OpenRegular(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{key: k, file: f, now: now, steps: map[secret.Name]Step{}}
	j.wrote = sync.NewCond(&j.mu)
	if err := j.open(path, plan); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// ReadJournal tells each line of a journal, which a run may be writing meanwhile.
// Kinds: Corrupt. A file that is not there has no lines.
func ReadJournal(path string, k inventory.Key, plan string, tell func(Line)) error {
	f, err := osfile.OpenRegular(path, os.O_RDONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	j := &Journal{key: k, file: f, tell: tell}
	_, err = j.replay(plan)
	return errors.Join(err, f.Close())
}

func (j *Journal) open(path, plan string) error {
	err := osfile.TryLock(j.file)
	if errors.Is(err, osfile.ErrHeld) {
		return ErrLocked
	}
	if err != nil {
		return err
	}
	whole, err := j.replay(plan)
	if err != nil {
		return err
	}
	if err := j.file.Truncate(whole); err != nil {
		return err
	}
	if _, err := j.file.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	if err := osfile.Sync(filepath.Dir(path)); err != nil {
		return err
	}
	return j.Write(Line{Step: Opened, Plan: plan})
}

// replay reads the lines and returns how long the file is up to the last whole
// one.
func (j *Journal) replay(plan string) (whole int64, err error) {
	r := bufio.NewReader(j.file)
	for {
		line, err := r.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF):
			return whole, j.torn(line)
		case err != nil:
			return 0, err
		}
		l, ok := j.check(line[:len(line)-1])
		if !ok || l.Number != j.number+1 || l.Number == 1 && l.Step != Opened {
			return 0, secret.Errorf(secret.Corrupt, "line %d of the journal is not what the run wrote: it was changed, or belongs to another plan", j.number+1)
		}
		if l.Step == Opened && l.Plan != plan {
			return 0, secret.Errorf(secret.Corrupt, "the journal belongs to another plan, %s", l.Plan)
		}
		switch {
		case j.tell != nil:
			j.tell(l)
		case l.Name != "":
			j.steps[l.Name] = l.Step
		}
		j.number, j.last = l.Number, l.MAC
		j.queued, j.synced = l.Number, l.Number
		whole += int64(len(line))
	}
}

// torn takes what follows the last whole line: nothing, or the beginning of one, and
// zeros where a file system had room for what it did not get any more.
func (j *Journal) torn(rest []byte) error {
	rest = bytes.TrimRight(rest, "\x00")
	if len(rest) == 0 {
		return nil
	}
	if _, ok := j.check(rest[:len(rest)-1]); ok || !begins(rest) {
		return secret.Errorf(secret.Corrupt, "the journal's end is not what the run wrote: it was changed")
	}
	return nil
}

// begins reports whether a line may begin so.
func begins(rest []byte) bool {
	const start = `{"number":`
	n := min(len(rest), len(start))
	return string(rest[:n]) == start[:n]
}

// check decodes a line that follows the last one.
func (j *Journal) check(b []byte) (Line, bool) {
	var l Line
	if jsonl.Decode(b, &l) != nil {
		return l, false
	}
	mac, err := l.mac(j.key, j.last)
	return l, err == nil && hmac.Equal([]byte(mac), []byte(l.MAC))
}

func (l Line) mac(k inventory.Key, before inventory.Digest) (inventory.Digest, error) {
	l.MAC = ""
	b, err := json.Marshal(l)
	return k.MAC(journalLabel, []byte(before), b), err
}

// Step is what the journal says last of a secret; empty: nothing.
func (j *Journal) Step(name secret.Name) Step {
	if j == nil {
		return ""
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.steps[name]
}

// Write adds a line, and returns once it is on stable storage. Lines that come
// together share one sync. After an error nothing more can be written.
func (j *Journal) Write(l Line) error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	l.Number, l.At = j.number+1, j.now().UTC().Truncate(time.Millisecond)
	var err error
	if l.MAC, err = l.mac(j.key, j.last); err != nil {
		return err
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	j.number, j.last = l.Number, l.MAC
	j.buffer.Write(append(b, '\n'))
	j.queued++
	mine := j.queued
	for j.synced < mine && j.err == nil {
		if j.busy {
			j.wrote.Wait()
			continue
		}
		j.flush()
	}
	if j.err != nil {
		return j.err
	}
	if l.Name != "" {
		j.steps[l.Name] = l.Step
	}
	return nil
}

// flush writes what is buffered. It gives j.mu back meanwhile.
func (j *Journal) flush() {
	batch, upTo := bytes.Clone(j.buffer.Bytes()), j.queued
	j.buffer.Reset()
	j.busy = true
	j.mu.Unlock()
	_, err := j.file.Write(batch)
	if err == nil {
		err = j.file.Sync()
	}
	j.mu.Lock()
	j.busy = false
	if err != nil {
		j.err = &secret.Error{Kind: secret.Internal, Op: "journal", Detail: "the journal cannot be written, so nothing more is done", Err: err}
	} else {
		j.synced = upTo
	}
	j.wrote.Broadcast()
}

// Close lets others have the journal.
func (j *Journal) Close() error {
	_ = osfile.Unlock(j.file) // a child that is being started may have the file open, too
	return j.file.Close()
}
