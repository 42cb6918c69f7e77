package events

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// recordList is the state record of what happened, newest first.
type recordList struct{ records []Record }

// storedRecords is the JSON of a recordList. Times are milliseconds. A record
// names its target by its place among the targets.
type storedRecords struct {
	V       int            `json:"v"`
	Targets []Target       `json:"targets"`
	Records []storedRecord `json:"records"`
}

type storedRecord struct {
	Event   string         `json:"event"`
	Type    Type           `json:"type"`
	Time    int64          `json:"time"`
	Secret  secret.Name    `json:"secret"`
	Version secret.Ordinal `json:"version,omitempty"`
	Target  int            `json:"target"`
}

// MarshalJSON implements json.Marshaler.
func (l recordList) MarshalJSON() ([]byte, error) {
	out := storedRecords{V: stateVersion, Targets: []Target{}, Records: []storedRecord{}}
	for _, r := range l.records {
		at := slices.Index(out.Targets, r.Target)
		if at < 0 {
			at = len(out.Targets)
			out.Targets = append(out.Targets, r.Target)
		}
		out.Records = append(out.Records, storedRecord{r.Event, r.Type, r.Time.UnixMilli(), r.Secret, r.Version, at})
	}
	return encodeState(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *recordList) UnmarshalJSON(b []byte) error {
	var in storedRecords
	if err := decodeState(b, &in, &in.V); err != nil {
		return err
	}
	l.records = nil
	for _, r := range in.Records {
		if r.Target < 0 || r.Target >= len(in.Targets) {
			return errForeign
		}
		l.records = append(l.records, Record{r.Event, r.Type, fromMillis(r.Time), r.Secret, r.Version, in.Targets[r.Target]})
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
func (l *recordList) merge(more []Record, now time.Time) bool {
	before := slices.Clone(l.records)
	known := make(map[happened]bool, len(l.records)+len(more))
	for _, r := range l.records {
		known[r.happened()] = true
	}
	for _, r := range more {
		if h := r.happened(); !known[h] {
			known[h] = true
			l.records = append(l.records, r)
		}
	}
	oldest := now.AddDate(0, -recordMonths, 0)
	l.records = slices.DeleteFunc(l.records, func(r Record) bool { return r.Time.Before(oldest) })
	slices.SortFunc(l.records, func(a, b Record) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Secret, b.Secret), cmp.Compare(b.Version, a.Version), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Type, b.Type))
	})
	l.records = l.records[:min(len(l.records), maxRecords)]
	l.records = l.records[:l.room()]
	return !slices.Equal(before, l.records)
}

// happened tells records apart. It does not ask for the target: an event may
// have got another since.
type happened struct {
	event   string
	what    Type
	ms      int64
	secret  secret.Name
	version secret.Ordinal
}

func (r Record) happened() happened {
	return happened{r.Event, r.Type, r.Time.UnixMilli(), r.Secret, r.Version}
}

// room is how many of the records, newest first, a state record has room for.
func (l *recordList) room() int {
	return sort.Search(len(l.records), func(i int) bool {
		text, err := recordList{l.records[:i+1]}.MarshalJSON()
		return err != nil || len(text) > backends.MaxState
	})
}
