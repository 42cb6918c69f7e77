// Package audit writes who did what to which secret as JSON lines, each
// chained to the one before. A line that cannot be written fails the call
// that it tells of. No value ever comes here.
package audit

import "time"

// Phases of a mutation. A read has an outcome alone.
const (
	Intent  = "intent"
	Outcome = "outcome"
)

// Skipped is the result of a restore that left alone what stands.
const Skipped = "skipped"

// Entry is one line. Keys are only ever added.
type Entry struct {
	V          int       `json:"v"`     // 1
	Chain      string    `json:"chain"` // hex SHA-256 of the line before, without its newline
	Seq        uint64    `json:"seq"`   // from 1, no gaps
	Time       time.Time `json:"time"`
	Phase      string    `json:"phase"`
	RequestID  string    `json:"request_id"`
	Caller     string    `json:"caller"`
	Credential string    `json:"credential,omitempty"` // that proved the caller: its kind and its id or digest
	Address    string    `json:"address,omitempty"`
	Via        string    `json:"via"`
	Op         string    `json:"op"`
	Action     string    `json:"action"`
	Store      string    `json:"store,omitempty"`
	Name       string    `json:"name,omitempty"`
	Event      string    `json:"event,omitempty"`    // the name of an event of the store
	Versions   []int64   `json:"versions,omitempty"` // that were read or written
	BackendOps int64     `json:"backend_ops"`
	Result     string    `json:"result,omitempty"` // "ok", Skipped or a kind of error
	Reason     string    `json:"reason,omitempty"` // of an error, if it is known: in printable ASCII, no value
	Losses     []string  `json:"losses,omitempty"`
	Archive    string    `json:"archive,omitempty"` // the file that keeps the whole document
	DurationMS float64   `json:"duration_ms"`
	Origin     *Origin   `json:"origin,omitempty"`
	DryRun     bool      `json:"dry_run,omitempty"` // nothing was to be written
	Form       string    `json:"form,omitempty"`    // of a blob: "native", the product's own; else ours
}

// Origin is where a restored blob came from.
type Origin struct {
	Gateway string `json:"gateway"`
	Store   string `json:"store"`
	Name    string `json:"name"`
}
