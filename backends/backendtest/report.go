package backendtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecaster is the part of a backend that tells what it can hold. It does no I/O.
type Forecaster interface {
	Capabilities() backends.Capabilities
	Forecast(s *secret.Secret) []secret.Loss
}

// CapabilityReport is what a backend holds, found by asking its Forecast about secrets
// that differ in one thing. Run holds the backend to every line of it.
type CapabilityReport struct {
	backends.Capabilities
	Sizes []Size
	Holds []Holding
}

// Size is the most of one thing that is held without a loss.
type Size struct {
	What, Unit string
	// Most is what is still held; zero where Asked is, the largest that was
	// asked for.
	Most, Asked int
}

// Holding is what becomes of one attribute.
type Holding struct {
	Attribute limits.Attribute
	// Worst is the grade of the gravest loss. Zero: it is held, and native
	// tools see nothing else.
	Worst secret.Grade
	// What are the words of these losses, see loss.Apply.
	What []string
}

// ReportOf asks b.
func ReportOf(b Forecaster) CapabilityReport {
	c := CapabilityReport{Capabilities: b.Capabilities()}
	for _, p := range sizes() {
		c.Sizes = append(c.Sizes, Size{p.what, p.unit, p.measure(b), p.up})
	}
	for _, p := range attributes() {
		c.Holds = append(c.Holds, p.ask(b))
	}
	return c
}

// Lost reports whether the attribute itself is not held. What native tools see
// differently is not lost.
func (h Holding) Lost() bool {
	return slices.ContainsFunc(h.What, func(w string) bool { return loss.TakesAway(secret.Loss{What: w}) })
}

func (h Holding) String() string {
	words := strings.ReplaceAll(strings.Join(h.What, ", "), "_", " ")
	switch {
	case h.Worst == 0:
		return "held"
	case h.Lost():
		return fmt.Sprintf("**lost** (%s: %s)", h.Worst, words)
	}
	return fmt.Sprintf("held (%s: %s)", h.Worst, words)
}

func (s Size) String() string {
	if s.Most == 0 {
		return fmt.Sprintf("≥ %d", s.Asked)
	}
	return fmt.Sprint(s.Most)
}

// String is the report as a table of Markdown.
func (c CapabilityReport) String() string { return Table(c) }

// Table sets reports side by side, in Markdown.
func Table(reports ...CapabilityReport) string {
	if len(reports) == 0 {
		return ""
	}
	var t strings.Builder
	row := func(head string, cell func(CapabilityReport) string) {
		t.WriteString("| " + head)
		for _, c := range reports {
			t.WriteString(" | " + cell(c))
		}
		t.WriteString(" |\n")
	}
	row("", func(c CapabilityReport) string { return c.Product })
	t.WriteString("|" + strings.Repeat("---|", len(reports)+1) + "\n")
	for i, s := range reports[0].Sizes {
		row(s.What+", "+s.Unit, func(c CapabilityReport) string { return c.Sizes[i].String() })
	}
	for i, h := range reports[0].Holds {
		row(string(h.Attribute), func(c CapabilityReport) string { return c.Holds[i].String() })
	}
	for _, f := range facts() {
		row(f.what, func(c CapabilityReport) string { return f.of(c.Capabilities) })
	}
	return t.String()
}

type fact struct {
	what string
	of   func(backends.Capabilities) string
}

func facts() []fact {
	yes := func(what string, of func(backends.Capabilities) bool) fact {
		return fact{what, func(c backends.Capabilities) string {
			if of(c) {
				return "yes"
			}
			return "no"
		}}
	}
	return []fact{
		yes("a name that is taken cannot be created twice in a race", func(c backends.Capabilities) bool { return c.AtomicCreate }),
		yes("an import shows whole or not at all", func(c backends.Capabilities) bool { return c.AtomicImport }),
		yes("the case of names is ignored by the product", func(c backends.Capabilities) bool { return c.FoldsCase }),
		yes("outlives the process", func(c backends.Capabilities) bool { return c.Durable }),
		{"keeps what is deleted", func(c backends.Capabilities) string {
			if c.MaxRetention == 0 {
				return "as long as is asked"
			}
			return fmt.Sprintf("at most %d days", c.MaxRetention/(24*time.Hour))
		}},
	}
}
