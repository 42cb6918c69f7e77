package report

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// What the payload says of its own form.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = predicateTypes + "v1"

	predicateTypes = "https://github.com/vaultferry/vaultferry/migration/"
)

// Statement is the payload: an in-toto Statement v1.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"` // of the plan, the source's and the target's inventory
	PredicateType string    `json:"predicateType"`
	Predicate     Migration `json:"predicate"`
}

// Subject is a file that the report is about.
type Subject struct {
	Name   string `json:"name"` // the file's, without its folder
	Digest Digest `json:"digest"`
}

// Digest is one of a whole file.
type Digest struct {
	SHA256 string `json:"sha256"` // in hex, as sha256sum prints it
}

// Migration is the predicate: what was planned, what was done, and what stands.
type Migration struct {
	Run     string    `json:"run"`     // the id of the move, by which the audit knows its calls
	Gateway string    `json:"gateway"` // the one that moved
	Program string    `json:"program"` // with its version
	Made    time.Time `json:"made"`    // the report
	// RunKeyID tells the key of the inventories' digests from others.
	RunKeyID string `json:"runKeyId"`
	Plan     Plan   `json:"plan"`
	Source   Store  `json:"source"`
	Target   Store  `json:"target"`
	Moved    Moved  `json:"moved"`
	// Compared counts the secrets by how the target's inventory differs from the
	// source's.
	Compared Compared `json:"compared"`
	Losses   []Loss   `json:"losses"`
	// Audit is absent where the lines of the run were not at hand.
	Audit *Audit `json:"audit,omitempty"`
}

// Plan is what was to be done.
type Plan struct {
	File    string         `json:"file"` // the subject's name
	Made    time.Time      `json:"made"`
	Secrets int            `json:"secrets"`
	Classes map[string]int `json:"classes"` // of the secrets, which add up
	Act     int            `json:"act"`     // secrets to be written
	Stay    int            `json:"stay"`    // secrets that ought to move and do not
	LeftOut int            `json:"leftOut"` // what the source's lists do not show
}

// Store is one side, as its inventory tells of it.
type Store struct {
	File    string    `json:"file"` // the subject's name
	Gateway string    `json:"gateway"`
	Store   string    `json:"store"`
	Product string    `json:"product"`
	Begun   time.Time `json:"begun"`
	Ended   time.Time `json:"ended"`
	Secrets int       `json:"secrets"`
	Unread  int       `json:"unread"`
	LeftOut int       `json:"leftOut"`
	// NoValues: no value was compared.
	NoValues bool   `json:"noValues,omitempty"`
	Root     string `json:"root"` // of the inventory's tree, in base64
}

// Moved is what the runs of the plan did. Each secret that the plan acts on is in
// one of Done, Failed, Skipped and NotTried.
type Moved struct {
	Begun    time.Time `json:"begun"` // the first run
	Ended    time.Time `json:"ended"` // the last one
	Runs     int       `json:"runs"`
	Done     int       `json:"done"`
	Failed   int       `json:"failed"`
	Skipped  int       `json:"skipped"` // what the plan saw did not hold any more
	NotTried int       `json:"notTried"`
	Versions int       `json:"versions"` // written
}

// Compared counts secrets by what a comparison of the two inventories says.
type Compared struct {
	Same       int `json:"same"`
	Foretold   int `json:"foretold"`   // all that differs was foretold
	Attributes int `json:"attributes"` // attributes differ that nobody foretold
	Different  int `json:"different"`  // values, their order or states do
	OnlySource int `json:"onlySource"`
	OnlyTarget int `json:"onlyTarget"`
	Unread     int `json:"unread"`
}

// Loss counts one kind of loss among what was moved, the versions and the secrets
// themselves together.
type Loss struct {
	Grade    string `json:"grade"` // data, meaning or trace
	What     string `json:"what"`
	Foretold int    `json:"foretold"`
	// Found is how often the comparison shows it. What only native tools see it
	// does not show.
	Found int `json:"found"`
}

// Audit names the first and the last line of the run in the gateway's audit.
type Audit struct {
	First Line `json:"first"`
	Last  Line `json:"last"`
}

// Line is one of the audit.
type Line struct {
	Number uint64 `json:"number"` // seq
	SHA256 string `json:"sha256"` // of the line without its newline, in hex: the chain of the next one
}

// New returns the statement of a migration. The SHA-256 of the three files are in
// hex. Kind: Invalid, where the facts do not fit together.
func New(m Migration, plan, source, target string) (*Statement, error) {
	for _, file := range []*string{&m.Plan.File, &m.Source.File, &m.Target.File} {
		*file = filepath.Base(*file)
	}
	for _, at := range m.times() {
		*at = at.UTC().Truncate(time.Millisecond)
	}
	m.Losses = append([]Loss{}, m.Losses...)
	if m.Plan.Classes == nil {
		m.Plan.Classes = map[string]int{}
	}
	slices.SortFunc(m.Losses, compareLosses)
	s := &Statement{
		Type: StatementType, PredicateType: PredicateType, Predicate: m,
		Subject: []Subject{{m.Plan.File, Digest{plan}}, {m.Source.File, Digest{source}}, {m.Target.File, Digest{target}}},
	}
	return s, s.validate()
}

// StoreOf is what an inventory that was read to its end says of its store.
func StoreOf(file string, r *inventory.Reader) Store {
	return Store{
		File: filepath.Base(file), Gateway: r.Header.Gateway, Store: r.Header.Store, Product: r.Header.Product,
		Begun: r.Header.Begun.UTC().Truncate(time.Millisecond), Ended: r.End.Ended,
		Secrets: r.End.Count, Unread: r.End.Unread, LeftOut: len(r.End.LeftOut), NoValues: r.Header.NoValues, Root: r.End.Root,
	}
}

func (m *Migration) times() []*time.Time {
	return []*time.Time{&m.Made, &m.Plan.Made, &m.Source.Begun, &m.Source.Ended, &m.Target.Begun, &m.Target.Ended, &m.Moved.Begun, &m.Moved.Ended}
}

// grades of losses, the worst first.
var grades = []string{secret.Data.String(), secret.Meaning.String(), secret.Trace.String()}

func compareLosses(a, b Loss) int {
	if d := slices.Index(grades, a.Grade) - slices.Index(grades, b.Grade); d != 0 {
		return d
	}
	switch {
	case a.What < b.What:
		return -1
	case a.What > b.What:
		return 1
	}
	return 0
}

var (
	word = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)
	hash = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func invalid(format string, args ...any) error {
	return secret.Errorf(secret.Invalid, "%s", fmt.Sprintf(format, args...))
}

// validate holds of whatever is signed, and of whatever is read.
func (s *Statement) validate() error {
	m := &s.Predicate
	switch {
	case s.Type != StatementType:
		return invalid("its type is not %s", StatementType)
	case s.PredicateType != PredicateType:
		return invalid("its predicate's type is not %s", PredicateType)
	case len(s.Subject) != 3:
		return invalid("it is not about three files")
	}
	for i, file := range []string{m.Plan.File, m.Source.File, m.Target.File} {
		if name := s.Subject[i].Name; name != file || file == "" || file == "." {
			return invalid("subject %d is not the file that the predicate names", i+1)
		}
		if !hash.MatchString(s.Subject[i].Digest.SHA256) {
			return invalid("the sha256 of %s is not 64 lower-case hex digits", file)
		}
		if slices.IndexFunc(s.Subject, func(o Subject) bool { return o.Name == file }) != i {
			return invalid("two files are called %s: a report tells them apart by their names", file)
		}
	}
	for _, at := range m.times() {
		if at.IsZero() || at.Location() != time.UTC {
			return invalid("a time is missing, or not in UTC")
		}
	}
	return m.validate()
}

func (m *Migration) validate() error {
	if m.Run == "" || m.Gateway == "" || m.Program == "" {
		return invalid("the run, the gateway or the program has no name")
	}
	if b, err := hex.DecodeString(m.RunKeyID); err != nil || len(b) != 8 {
		return invalid("the id of the run key is not 16 hex digits")
	}
	for _, side := range []*Store{&m.Source, &m.Target} {
		if b, err := base64.StdEncoding.DecodeString(side.Root); err != nil || len(b) != 32 {
			return invalid("the root of %s is not 32 bytes in base64", side.File)
		}
	}
	for _, l := range m.Losses {
		if !slices.Contains(grades, l.Grade) || !word.MatchString(l.What) || l.Foretold < 0 || l.Found < 0 {
			return invalid("a loss has no grade, no word or no count")
		}
	}
	for i := 1; i < len(m.Losses); i++ {
		if compareLosses(m.Losses[i-1], m.Losses[i]) >= 0 {
			return invalid("the losses are not in their order, each once")
		}
	}
	if a := m.Audit; a != nil && (!hash.MatchString(a.First.SHA256) || !hash.MatchString(a.Last.SHA256) || a.First.Number == 0 || a.Last.Number < a.First.Number) {
		return invalid("the lines of the audit are none")
	}
	return m.addUp()
}

// addUp holds counts to each other.
func (m *Migration) addUp() error {
	sum := 0
	for class, n := range m.Plan.Classes {
		if !word.MatchString(class) || n < 0 {
			return invalid("the plan has a class without a word or a count")
		}
		sum += n
	}
	c := &m.Compared
	for _, n := range []int{
		m.Plan.Act, m.Plan.Stay, m.Plan.LeftOut, m.Source.Secrets, m.Source.Unread, m.Source.LeftOut, m.Target.Secrets, m.Target.Unread,
		m.Target.LeftOut, m.Moved.Runs, m.Moved.Done, m.Moved.Failed, m.Moved.Skipped, m.Moved.NotTried, m.Moved.Versions,
		c.Same, c.Foretold, c.Attributes, c.Different, c.OnlySource, c.OnlyTarget, c.Unread,
	} {
		if n < 0 {
			return invalid("a count is below 0")
		}
	}
	switch {
	case sum != m.Plan.Secrets:
		return invalid("the classes of the plan add up to %d secrets, not %d", sum, m.Plan.Secrets)
	case m.Moved.Done+m.Moved.Failed+m.Moved.Skipped+m.Moved.NotTried != m.Plan.Act:
		return invalid("what the runs did does not add up to the %d secrets that the plan acts on", m.Plan.Act)
	}
	return nil
}

// Whole reports whether all that ought to move did, all could be read, and nothing
// differs that nobody foretold. What else the target has is nothing of the move's.
func (m *Migration) Whole() bool {
	c := &m.Compared
	return m.Moved.Done == m.Plan.Act && m.Plan.Stay+m.Plan.LeftOut == 0 &&
		c.Attributes+c.Different+c.OnlySource+c.Unread == 0 &&
		m.Source.Unread+m.Source.LeftOut+m.Target.Unread+m.Target.LeftOut == 0
}

func (s *Statement) encode() ([]byte, error) { return json.Marshal(s) }
