package gatewaytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

// Audit is an audit file in memory.
type Audit struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	full bool
}

var errFull = errors.New("no space left on the audit device")

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

// Entries are the lines so far.
func (a *Audit) Entries(t testing.TB) []audit.Entry {
	t.Helper()
	var all []audit.Entry
	for dec := json.NewDecoder(bytes.NewBufferString(a.Text())); dec.More(); {
		var e audit.Entry
		must(t, dec.Decode(&e))
		all = append(all, e)
	}
	return all
}
