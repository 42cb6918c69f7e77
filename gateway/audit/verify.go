package audit

import (
	"crypto"
	"encoding/hex"
	"fmt"

	"github.com/vaultferry/vaultferry/internal/merkle"
)

// Verification is what a log is held to.
type Verification struct {
	Keys []crypto.PublicKey // that sign checkpoints; none: signatures are not verified
	Kept []*Signed          // checkpoints that somebody kept elsewhere
}

// Finding is something at a line.
type Finding struct {
	File   string `json:"file,omitempty"`
	Number int    `json:"number,omitempty"` // of the line in the file
	Seq    uint64 `json:"seq,omitempty"`    // of the line in the log
	What   string `json:"what"`
}

// Report is what a verification found. The log is whole where there are no
// Problems.
type Report struct {
	First       uint64    `json:"first"` // numbers of the lines
	Last        uint64    `json:"last"`
	Chain       string    `json:"chain"` // what the next line will hold
	Log         string    `json:"log,omitempty"`
	Root        string    `json:"root,omitempty"`
	Checkpoints int       `json:"checkpoints"` // that the files hold
	Signatures  bool      `json:"signatures_verified"`
	Covered     int64     `json:"covered"` // lines under the last checkpoint that was verified
	Problems    []Finding `json:"problems"`
	Notes       []Finding `json:"notes"` // what is no problem, and good to know
}

// maxFindings bounds a report: one break is often followed by many.
const maxFindings = 20

// Verify reads a log's files, in their order, and finds where they are not as
// they were written.
func Verify(paths []string, v Verification) (*Report, error) {
	c := &checker{Verification: v, report: &Report{Problems: []Finding{}, Notes: []Finding{}}, kept: map[int64][]*Signed{}}
	for _, s := range v.Kept {
		c.keep(s)
	}
	err := Scan(paths, func(l Line) error {
		c.line(l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.end()
	return c.report, nil
}

type checker struct {
	Verification
	report *Report
	kept   map[int64][]*Signed
	at     link
	begun  bool
	here   Finding
}

func (c *checker) problem(format string, args ...any) {
	if len(c.report.Problems) < maxFindings {
		f := c.here
		f.What = fmt.Sprintf(format, args...)
		c.report.Problems = append(c.report.Problems, f)
	}
}

func (c *checker) note(format string, args ...any) {
	if len(c.report.Notes) < maxFindings {
		f := c.here
		f.What = fmt.Sprintf(format, args...)
		c.report.Notes = append(c.report.Notes, f)
	}
}

func (c *checker) keep(s *Signed) {
	if len(c.Keys) > 0 {
		if err := s.Verify(c.Keys); err != nil {
			c.problem("the checkpoint of %d lines that was kept: %v", s.Size, err)
			return
		}
	}
	c.kept[s.Size] = append(c.kept[s.Size], s)
}

func (c *checker) line(l Line) {
	c.here = Finding{File: l.File, Number: l.Number}
	e, err := Parse(l.Raw)
	if !c.begun {
		c.begin(e, err == nil)
	}
	c.here.Seq = c.at.seq + 1
	switch {
	case err != nil && torn(l.Raw):
		c.note("cut short, as by a crash or a full disk")
	case err != nil:
		c.problem("this is no audit line")
	case l.Torn:
		c.note("the last line lacks its end of line")
		c.entry(&e)
	default:
		c.entry(&e)
	}
	c.at.follow(l.Raw)
	c.against()
}

// begin takes the first line: of a log, or of a file that goes on behind
// others that are not here.
func (c *checker) begin(e Entry, parsed bool) {
	c.begun = true
	c.at = firstLink()
	c.at.tree = &merkle.Edge{}
	c.report.First = 1
	if !parsed || e.Seq == 1 {
		c.against()
		return
	}
	c.report.First = e.Seq
	if e.Op == OpBegin {
		c.note("the lines before %d are not in these files", e.Seq)
	} else {
		c.problem("the lines before %d were removed: a file begins with line 1, or with one that says so", e.Seq)
	}
	c.resume(&e)
	c.against()
}

// resume goes on from what a line says of those before it.
func (c *checker) resume(e *Entry) {
	log := c.at.log
	if e.Tree != nil {
		var at link
		if at.place(e, 0) == nil {
			c.at = at
			return
		}
	}
	c.at = link{seq: e.Seq - 1, log: log}
	_, _ = hex.Decode(c.at.sum[:], []byte(e.Chain)) // Parse has seen that it is good
}

// entry holds a line to the chain, and to the tree where it has one.
func (c *checker) entry(e *Entry) {
	switch at := &c.at; {
	case e.Seq > at.seq+1:
		c.problem("lines %d to %d are missing before it", at.seq+1, e.Seq-1)
	case e.Seq <= at.seq:
		c.problem("line %d stands behind line %d", e.Seq, at.seq)
	case e.Chain != at.hex():
		c.problem("the chain is broken before it: line %d is not the one that it was written behind", at.seq)
	default:
		c.here.Seq = e.Seq
		c.told(e)
		return
	}
	c.here.Seq = e.Seq
	c.resume(e)
	c.told(e)
}

// told is what the line says of the log itself.
func (c *checker) told(e *Entry) {
	switch {
	case e.Result == Damaged:
		c.problem("the gateway found the audit damaged: %s", e.Reason)
	case e.Op == OpGap && e.Tally != nil:
		c.note("%d lines could not be written from %s to %s: %s", e.Tally.Count, e.Tally.First.Format(timeFormat), e.Tally.Last.Format(timeFormat), e.Reason)
	}
	if e.Tree != nil && c.at.tree != nil && !sameEdge(e.Tree, c.at.tree) {
		c.problem("the tree in it is not that of the lines before it")
	}
	if e.Checkpoint == nil {
		return
	}
	s, err := ParseCheckpoint(e.Checkpoint.Note)
	if err != nil {
		c.problem("%v", err)
		return
	}
	c.report.Checkpoints++
	if len(c.Keys) > 0 {
		if err := s.Verify(c.Keys); err != nil {
			c.problem("%v", err)
			return
		}
		c.report.Signatures = true
	}
	if e.Op == OpCheckpoint { // that of a witness is of lines further back
		c.holds(s)
	}
}

const timeFormat = "2006-01-02T15:04:05Z"

func sameEdge(t *TreeState, edge *merkle.Edge) bool {
	have := edge.Hashes()
	if t.Size != edge.Size() || len(t.Hashes) != len(have) {
		return false
	}
	for i := range have {
		if have[i] != t.Hashes[i] {
			return false
		}
	}
	return true
}

// holds compares a checkpoint with the tree as it stands.
func (c *checker) holds(s *Signed) {
	switch {
	case c.at.tree == nil:
		return
	case c.at.log != "" && s.Log != c.at.log:
		c.problem("the checkpoint of %d lines is of another log: %s", s.Size, s.Origin)
	case s.Size != c.at.tree.Size() || s.Root != c.at.tree.Root():
		c.problem("the first %d lines are not those that the checkpoint was made of", s.Size)
	default:
		c.report.Covered = s.Size
	}
}

// against compares the kept checkpoints of the size that is reached.
func (c *checker) against() {
	if c.at.tree == nil {
		return
	}
	size := c.at.tree.Size()
	for _, s := range c.kept[size] {
		c.holds(s)
	}
	delete(c.kept, size)
}

func (c *checker) end() {
	c.here = Finding{}
	if !c.begun {
		c.at = firstLink()
		c.at.tree = &merkle.Edge{}
	}
	for size := range c.kept {
		switch {
		case c.at.tree == nil:
			c.problem("the checkpoint of %d lines cannot be compared: the lines here begin, or break, without a tree", size)
		case size > c.at.tree.Size():
			c.problem("the checkpoint tells of %d lines, and there are %d: the end was cut", size, c.at.tree.Size())
		default:
			c.problem("the checkpoint of %d lines is older than the first line here: name the files before it, too", size)
		}
	}
	c.report.Last, c.report.Chain, c.report.Log = c.at.seq, c.at.hex(), c.at.log
	if c.at.tree != nil {
		root := c.at.tree.Root()
		c.report.Root = hex.EncodeToString(root[:])
	}
}
