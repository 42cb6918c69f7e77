package gateway

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// recordsNote is the note of what happened, newest first.
type recordsNote struct{ records []Record }

// storedRecords is the JSON of a recordsNote. Times are milliseconds. A record
// names its target by its place among the targets.
type storedRecords struct {
	V       int            `json:"v"`
	Targets []EventTarget  `json:"targets"`
	Records []storedRecord `json:"records"`
}

type storedRecord struct {
	Event   string         `json:"event"`
	Type    EventType      `json:"type"`
	Time    int64          `json:"time"`
	Secret  secret.Name    `json:"secret"`
	Version secret.Ordinal `json:"version,omitempty"`
	Target  int            `json:"target"`
}

// MarshalJSON implements json.Marshaler.
func (n recordsNote) MarshalJSON() ([]byte, error) {
	out := storedRecords{V: noteVersion, Targets: []EventTarget{}, Records: []storedRecord{}}
	for _, r := range n.records {
		at := slices.Index(out.Targets, r.Target)
		if at < 0 {
			at = len(out.Targets)
			out.Targets = append(out.Targets, r.Target)
		}
		out.Records = append(out.Records, storedRecord{r.Event, r.Type, r.Time.UnixMilli(), r.Secret, r.Version, at})
	}
	return encodeNote(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *recordsNote) UnmarshalJSON(b []byte) error {
	var in storedRecords
	if err := decodeNote(b, &in, &in.V); err != nil {
		return err
	}
	n.records = nil
	for _, r := range in.Records {
		if r.Target < 0 || r.Target >= len(in.Targets) {
			return errNoteForm
		}
		n.records = append(n.records, Record{r.Event, r.Type, fromMillis(r.Time), r.Secret, r.Version, in.Targets[r.Target]})
	}
	return nil
}

// Records are kept for three months, as the vendor does, and no more of them
// than a client takes at once.
const (
	recordMonths = 3
	maxRecords   = 1000
)

// merge adds what is not there yet, and forgets what is too old or has no room.
// It reports whether that makes a difference to keep.
func (n *recordsNote) merge(more []Record, now time.Time) bool {
	before := slices.Clone(n.records)
	known := make(map[happened]bool, len(n.records)+len(more))
	for _, r := range n.records {
		known[r.happened()] = true
	}
	for _, r := range more {
		if h := r.happened(); !known[h] {
			known[h] = true
			n.records = append(n.records, r)
		}
	}
	oldest := now.AddDate(0, -recordMonths, 0)
	n.records = slices.DeleteFunc(n.records, func(r Record) bool { return r.Time.Before(oldest) })
	slices.SortFunc(n.records, func(a, b Record) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Secret, b.Secret), cmp.Compare(b.Version, a.Version), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Type, b.Type))
	})
	n.records = n.records[:min(len(n.records), maxRecords)]
	n.records = n.records[:n.room()]
	return !slices.Equal(before, n.records)
}

// happened tells records apart. It does not ask for the target: an event may
// have got another since.
type happened struct {
	event   string
	what    EventType
	ms      int64
	secret  secret.Name
	version secret.Ordinal
}

func (r Record) happened() happened {
	return happened{r.Event, r.Type, r.Time.UnixMilli(), r.Secret, r.Version}
}

// room is how many of the records, newest first, a note has room for.
func (n *recordsNote) room() int {
	return sort.Search(len(n.records), func(i int) bool {
		text, err := recordsNote{n.records[:i+1]}.MarshalJSON()
		return err != nil || len(text) > backends.MaxState
	})
}
