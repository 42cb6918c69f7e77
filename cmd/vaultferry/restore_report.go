package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// restoreReport is one file's part of the answer to programs.
type restoreReport struct {
	File     string           `json:"file"`
	Path     string           `json:"path,omitempty"` // of the backup in the file
	Store    string           `json:"store"`
	Result   string           `json:"result"` // done, appended, skipped, would, declined, failed, interrupted or not tried
	Name     string           `json:"name,omitempty"`
	Spelled  []spelling       `json:"spelled,omitempty"` // where others see another name
	Versions int              `json:"versions"`
	Added    int              `json:"added,omitempty"`  // by append
	Mapped   map[string]int64 `json:"mapped,omitempty"` // versions that got another number
	Origin   *originView      `json:"origin,omitempty"`
	Losses   []lossView       `json:"losses,omitempty"`
	Archive  string           `json:"archive,omitempty"` // the file that keeps the whole document
	Error    string           `json:"error,omitempty"`
	// Unfinished says how to finish an import that failed midway, or remove it.
	Unfinished string `json:"unfinished,omitempty"`

	lost     []secret.Loss
	appended bool
}

type originView struct {
	Gateway string `json:"gateway"`
	Store   string `json:"store"`
	Name    string `json:"name"`
}

type lossView struct {
	Grade   string `json:"grade"`
	Version int64  `json:"version,omitempty"`
	What    string `json:"what"`
	Why     string `json:"why"`
}

func viewLosses(losses []secret.Loss) []lossView {
	var views []lossView
	for _, l := range losses {
		views = append(views, lossView{Grade: l.Grade.String(), Version: int64(l.Version), What: l.What, Why: l.Why})
	}
	return views
}

// lossLines says what is lost of one secret, but for traces. lost is how.
func lossLines(w io.Writer, losses []secret.Loss, lost string) error {
	var b strings.Builder
	for _, l := range losses {
		switch l.Grade {
		case secret.Data:
			fmt.Fprintf(&b, "  %s data: %s\n", lost, printable(l.Sentence()))
		case secret.Meaning:
			fmt.Fprintf(&b, "  %s an attribute: %s\n", lost, printable(l.Sentence()))
		case secret.Trace:
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *restoreReport) fill(out *gateway.Outcome, dryRun bool) {
	r.Name, r.Versions, r.Added = string(out.Secret.Name), len(out.Secret.Versions), out.Added
	r.appended, r.Archive = out.Appended, out.Archive
	if out.Origin.Store != "" { // a product's own backup tells none
		r.Origin = &originView{Gateway: out.Origin.Gateway, Store: out.Origin.Store, Name: string(out.Origin.Name)}
	}
	for from, to := range out.Versions {
		if from != to {
			if r.Mapped == nil {
				r.Mapped = map[string]int64{}
			}
			r.Mapped[from.String()] = int64(to)
		}
	}
	r.lost, r.Losses = out.Losses, viewLosses(out.Losses)
	switch {
	case out.Skipped:
		r.Result = "skipped"
	case dryRun:
		r.Result = "would"
	case out.Appended:
		r.Result = "appended"
	default:
		r.Result = "done"
	}
}

// place says which backup of which file it was.
func (r *restoreReport) place() string {
	if r.Path == "" {
		return r.File
	}
	return r.File + ", at " + printable(r.Path)
}

// sentence says the result to people.
func (r *restoreReport) sentence() string {
	name, stand := printable(r.Name), versions(r.Versions)+" stand"
	if r.Versions == 1 {
		stand += "s"
	}
	switch {
	case r.Result == "skipped":
		return fmt.Sprintf("skipped %s: %s already has it, with %s", name, r.Store, versions(r.Versions))
	case r.appended && r.Added == 0:
		return fmt.Sprintf("nothing to add to %s in %s: all its versions stand there", name, r.Store)
	case r.appended && r.Result == "would":
		return fmt.Sprintf("would add %s to %s in %s: %s", versions(r.Added), name, r.Store, stand)
	case r.appended:
		return fmt.Sprintf("added %s to %s in %s: %s", versions(r.Added), name, r.Store, stand)
	case r.Result == "would":
		return fmt.Sprintf("would restore %s into %s: %s", name, r.Store, versions(r.Versions))
	}
	return fmt.Sprintf("restored %s into %s: %s", name, r.Store, versions(r.Versions))
}

func versions(n int) string { return many(n, "version") }

// restoreLines says one file's result. Traces are counted, and said at the end.
func restoreLines(w io.Writer, r restoreReport) error {
	var b strings.Builder
	b.WriteString(r.sentence() + "\n")
	for _, s := range r.Spelled {
		b.WriteString("  the name " + s.sentence() + "\n")
	}
	lost, kept := "lost", "is kept"
	if r.Result == "would" {
		lost, kept = "would lose", "would be kept"
	}
	if err := lossLines(&b, r.lost, lost); err != nil {
		return err
	}
	if r.Archive != "" {
		fmt.Fprintf(&b, "  the whole backup %s in %s\n", kept, printable(r.Archive))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// traceCount counts losses of grade trace, which are the same for one secret
// after another.
type traceCount struct {
	order []secret.Loss // without a version, where it was met more than once
	times map[string]int
}

func (t *traceCount) add(losses []secret.Loss) {
	if t.times == nil {
		t.times = map[string]int{}
	}
	for _, l := range losses {
		if l.Grade != secret.Trace {
			continue
		}
		key := l.What + "\x00" + l.Why
		if t.times[key]++; t.times[key] == 1 {
			t.order = append(t.order, l)
		}
	}
}

// lines are one for each kind of trace.
func (t *traceCount) lines() []string {
	var out []string
	for _, l := range t.order {
		n := t.times[l.What+"\x00"+l.Why]
		note := "note: "
		if n > 1 {
			l.Version = 0
			note = fmt.Sprintf("note, %d times: ", n)
		}
		out = append(out, note+printable(l.Sentence()))
	}
	return out
}

func (t *traceCount) text(w io.Writer) error {
	for _, line := range t.lines() {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
