package migrate

import (
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Format is the one format of plans and journals that this release reads and
// writes.
const Format = 1

// kindOfPlan is how a plan begins.
const kindOfPlan = "plan"

// Class says what a secret is to a move.
type Class string

// The classes.
const (
	Create     Class = "create"     // the target has no such name
	Append     Class = "append"     // the target has it, and lacks newer versions
	Same       Class = "same"       // nothing is to be done
	Changed    Class = "changed"    // the versions are there, and attributes differ: shown, never written
	Conflict   Class = "conflict"   // the name is taken by something else
	Loses      Class = "loses"      // the target cannot hold all of it, or the source does not give all of it
	Refused    Class = "refused"    // the target does not take it
	Unmappable Class = "unmappable" // the target cannot spell the name
	Unreadable Class = "unreadable" // the source does not give it
	Deleted    Class = "deleted"    // it lies in the source's trash, or no version of it has a value
	Managed    Class = "managed"    // a certificate manages it at the source
)

// Classes lists all of them, in the order of a summary.
func Classes() []Class {
	return []Class{Create, Append, Same, Changed, Managed, Loses, Conflict, Refused, Unmappable, Unreadable, Deleted}
}

// Action is what a run does with a secret. The empty Action is nothing.
type Action string

// The actions.
const (
	DoCreate Action = "create"
	DoAppend Action = "append"
)

// Header is the first line of a plan.
type Header struct {
	Vaultferry string    `json:"vaultferry"` // "plan"
	Format     int       `json:"format"`
	Gateway    string    `json:"gateway"`
	Run        string    `json:"run"` // names the move in the audit
	Made       time.Time `json:"made"`
	// From and To are stores of the configuration.
	From        string `json:"from"`
	FromProduct string `json:"from_product"`
	To          string `json:"to"`
	ToProduct   string `json:"to_product"`
	// Match are the patterns of names that were asked for; Named: there was a list
	// of names.
	Match []string `json:"match,omitempty"`
	Named bool     `json:"named,omitempty"`
	Rules Rules    `json:"rules"`
	// RunKeyID tells the run key from others. RunKey is the key, wrapped for a
	// keyring; it is absent where the key is kept in a file of its own.
	RunKeyID string `json:"run_key_id"`
	RunKey   string `json:"run_key,omitempty"`
}

// Rules are what was decided beforehand for all secrets.
type Rules struct {
	OnConflict gateway.OnConflict        `json:"on_conflict"`
	OnLoss     gateway.OnLoss            `json:"on_loss"`
	OnLossOf   map[string]gateway.OnLoss `json:"on_loss_of,omitempty"` // by the word of a loss
}

// Entry is the line of one secret of the source.
type Entry struct {
	Name secret.Name `json:"name"`
	// To is its name at the target; Spelled what the target's product calls it,
	// where that is another.
	To      secret.Name `json:"to,omitempty"`
	Spelled string      `json:"spelled,omitempty"`
	Class   Class       `json:"class"`
	Action  Action      `json:"action,omitempty"`
	// Source and Target are the states that were seen. An empty Target: absent.
	Source inventory.Digest `json:"source,omitempty"`
	Target inventory.Digest `json:"target,omitempty"`
	// Versions of the source are to be written. Foreign is how many of the
	// target's versions the source does not have.
	Versions []secret.Ordinal `json:"versions,omitempty"`
	Foreign  int              `json:"foreign,omitempty"`
	// Numbers are those that versions get at the target, where it is another.
	Numbers map[secret.Ordinal]secret.Ordinal `json:"numbers,omitempty"`
	Differs []Differs                         `json:"differs,omitempty"`
	Losses  []Loss                            `json:"losses,omitempty"`
	// Why nothing is done, or not more.
	Why   string   `json:"why,omitempty"`
	Notes []string `json:"notes,omitempty"`
}

// Differs is a part in which source and target differ.
type Differs struct {
	Version secret.Ordinal `json:"version,omitempty"`
	What    string         `json:"what"`
}

// Loss is a foretold one.
type Loss struct {
	Grade   string         `json:"grade"`
	Version secret.Ordinal `json:"version,omitempty"`
	What    string         `json:"what"`
	Why     string         `json:"why"`
}

// Sentence says it in English.
func (l Loss) Sentence() string {
	return secret.Loss{Version: l.Version, What: l.What, Why: l.Why}.Sentence()
}

// Stays reports whether the plan leaves the secret where it is though it ought to
// move.
func (e *Entry) Stays(r Rules) bool {
	return e.left() && (e.Class != Conflict || r.OnConflict != gateway.ConflictSkip)
}

// left reports whether the plan promises nothing of the secret.
func (e *Entry) left() bool {
	switch e.Class {
	case Create, Append, Same, Changed, Deleted:
		return false
	case Conflict, Loses, Managed, Refused, Unmappable, Unreadable:
	}
	return e.Action == ""
}

// End is the last line of a plan.
type End struct {
	End     bool          `json:"end"` // true
	Ended   time.Time     `json:"ended"`
	Count   int           `json:"count"`
	Classes map[Class]int `json:"classes"`
	// Act is how many secrets a run writes, Stay how many ought to move and do not.
	Act  int `json:"act"`
	Stay int `json:"stay"`
	// Requests to both products and Seconds are what the run is expected to take.
	Requests int64 `json:"requests"`
	Seconds  int64 `json:"seconds"`
	// LeftOut is what the source's list does not show, in sentences.
	LeftOut []string `json:"left_out,omitempty"`
	// Root is that of the tree over all lines before this one. MAC is over the line
	// itself, without it.
	Root string           `json:"root"`
	MAC  inventory.Digest `json:"mac"`
}
