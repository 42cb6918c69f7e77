// Package audit writes who did what to which secret as JSON lines, each
// chained to the one before, and proves later that they stand as they were
// written. A line that cannot be written fails the call that it tells of. No
// value ever comes here.
package audit

import "time"

// Phases of a mutation. A read has an outcome alone.
const (
	Intent  = "intent"
	Outcome = "outcome"
)

// Results beside the kinds of errors.
const (
	OK = "ok"
	// Skipped is the result of a restore that left alone what stands.
	Skipped = "skipped"
	// Damaged is the result of a line that tells of lines that are gone.
	Damaged = "damaged"
)

// Operations of the gateway itself: of its life, and of the audit's.
const (
	OpStart      = "gateway.start"
	OpStop       = "gateway.stop"
	OpReload     = "gateway.reload"
	OpBegin      = "audit.begin"      // the first line of a file that goes on behind another
	OpCheckpoint = "audit.checkpoint" // the tree over all lines before, signed
	OpCosigned   = "audit.cosigned"   // a checkpoint with the signatures of witnesses
	OpGap        = "audit.gap"        // lines could not be written
	OpDamage     = "audit.damage"     // the file was not as the gateway had left it
	OpRefused    = "audit.refused"    // refusals of strangers, or beyond a rate, that have no line each
)

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
	Versions   []int64   `json:"versions,omitempty"` // that were read or written: the first MaxVersions
	BackendOps int64     `json:"backend_ops"`
	Result     string    `json:"result,omitempty"` // OK, Skipped or a kind of error
	Reason     string    `json:"reason,omitempty"` // of an error, if it is known: in printable ASCII, no value
	Losses     []string  `json:"losses,omitempty"` // the first MaxLosses
	Archive    string    `json:"archive,omitempty"`
	DurationMS float64   `json:"duration_ms"`
	Origin     *Origin   `json:"origin,omitempty"`
	DryRun     bool      `json:"dry_run,omitempty"` // nothing was to be written
	Form       string    `json:"form,omitempty"`    // of a blob: "native", the product's own; else ours

	VersionsRest *Rest       `json:"versions_rest,omitempty"` // those beyond Versions
	LossesRest   *Rest       `json:"losses_rest,omitempty"`   // those beyond Losses
	File         string      `json:"file,omitempty"`          // that was written, or that this one goes on behind
	Digest       string      `json:"digest,omitempty"`        // hex SHA-256 of the file, or of the configuration
	Key          string      `json:"key,omitempty"`           // the id of a key that was made or retired, or that signed the file
	Tally        *Tally      `json:"tally,omitempty"`         // of what has no lines of its own
	Tree         *TreeState  `json:"tree,omitempty"`          // over all lines before this one
	Checkpoint   *Checkpoint `json:"checkpoint,omitempty"`
}

// Origin is where a restored blob came from.
type Origin struct {
	Gateway string `json:"gateway"`
	Store   string `json:"store"`
	Name    string `json:"name"`
}

// Rest is what a list is too long for.
type Rest struct {
	Count  int    `json:"count"`
	Ranges string `json:"ranges"` // of versions, "101-11500,11502"; of losses how many of each grade, "data 3, trace 9"
	SHA256 string `json:"sha256"` // of the rest, a line each
}

// Tally counts what has no lines of its own.
type Tally struct {
	Count   int64            `json:"count"`
	First   time.Time        `json:"first"`
	Last    time.Time        `json:"last"`
	Results map[string]int64 `json:"results,omitempty"`
}

// TreeState is a Merkle tree that a reader can go on from.
type TreeState struct {
	Log    string   `json:"log"`    // 16 hex digits of the SHA-256 of the log's first line
	Size   int64    `json:"size"`   // lines
	Hashes []string `json:"hashes"` // of its complete subtrees, the largest first
}

// Checkpoint is a signed note over a tree.
type Checkpoint struct {
	Note string `json:"note"`
}
