package gatewaytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

// Audit is an audit file in memory.
type Audit struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	full   bool
	read   []audit.Entry // of the first bytes of buf
	readTo int
}

var errFull = errors.New("no space left on the audit device")

// NewAuditLog is a log in which every refusal has a line of its own, as tests
// want it that refuse many.
func NewAuditLog(f audit.File, now func() time.Time) *audit.Log {
	return audit.NewWith(f, audit.Options{Now: now, RefusedLines: 1 << 30})
}

// Fill makes every later write fail.
func (a *Audit) Fill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.full = true
}

// Write implements audit.File.
func (a *Audit) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.full {
		return 0, errFull
	}
	return a.buf.Write(b)
}

// Sync implements audit.File.
func (*Audit) Sync() error { return nil }

// Close implements audit.File.
func (*Audit) Close() error { return nil }

// Text is the whole file.
func (a *Audit) Text() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.buf.String()
}

// EntriesOf are the lines so far that name the store. It copies no other, which
// counts where many tests share a gateway.
func (a *Audit) EntriesOf(t testing.TB, store string) []audit.Entry {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []audit.Entry
	named := []byte(`"store":"` + store + `"`)
	for line := range bytes.Lines(a.buf.Bytes()) {
		if bytes.Contains(line, named) {
			var e audit.Entry
			must(t, json.Unmarshal(line, &e))
			all = append(all, e)
		}
	}
	return all
}

// Entries are the lines so far. Each line is decoded once, however often and by
// how many tests of one gateway they are asked for.
func (a *Audit) Entries(t testing.TB) []audit.Entry {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for line := range bytes.Lines(a.buf.Bytes()[a.readTo:]) {
		var e audit.Entry
		must(t, json.Unmarshal(line, &e))
		a.read = append(a.read, e)
		a.readTo += len(line)
	}
	return slices.Clone(a.read)
}
