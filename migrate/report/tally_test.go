package report_test

import (
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate/report"
)

// TestTally: each sign has one count, and losses come out in their order.
func TestTally(t *testing.T) {
	t.Parallel()
	var c report.Compared
	for i, sign := range []inventory.Sign{
		inventory.Same, inventory.Attribute, inventory.Different, inventory.OnlyA, inventory.OnlyB, inventory.Incomparable,
	} {
		for range i + 1 {
			c.Add(sign, false)
		}
		if sign != inventory.Same && sign != inventory.Incomparable {
			c.Add(sign, true)
		}
	}
	if want := (report.Compared{Same: 1, Attributes: 2, Different: 3, OnlySource: 4, OnlyTarget: 5, Unread: 6, Foretold: 4}); c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
	m := facts()
	m.Losses = nil
	m.Foretell("trace", "uid")
	m.Foretell("data", "version")
	m.Foretell("trace", "uid")
	m.Foretell("data", "disabled")
	m.Find("data", "version")
	want := []report.Loss{{"data", "disabled", 1, 0}, {"data", "version", 1, 1}, {"trace", "uid", 2, 0}}
	if got := statement(t, m).Predicate.Losses; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// TestWhole: a report says that all is well only if it is.
func TestWhole(t *testing.T) {
	t.Parallel()
	m := facts()
	if !m.Whole() {
		t.Fatal("all is well, and it says that it is not")
	}
	for name, change := range map[string]func(*report.Migration){
		"failed":        func(m *report.Migration) { m.Moved.Done, m.Moved.Failed = 2, 1 },
		"not tried":     func(m *report.Migration) { m.Moved.Done, m.Moved.NotTried = 2, 1 },
		"stays":         func(m *report.Migration) { m.Plan.Stay = 1 },
		"left out":      func(m *report.Migration) { m.Plan.LeftOut = 1 },
		"attributes":    func(m *report.Migration) { m.Compared.Attributes = 1 },
		"different":     func(m *report.Migration) { m.Compared.Different = 1 },
		"missing":       func(m *report.Migration) { m.Compared.OnlySource = 1 },
		"unread":        func(m *report.Migration) { m.Compared.Unread = 1 },
		"source unread": func(m *report.Migration) { m.Source.Unread = 1 },
		"target hides":  func(m *report.Migration) { m.Target.LeftOut = 1 },
	} {
		m := facts()
		change(&m)
		if m.Whole() {
			t.Errorf("%s: it says that all is well", name)
		}
	}
	m.Compared.OnlyTarget = 9
	if !m.Whole() {
		t.Error("what else the target has is nothing of the move's")
	}
}
