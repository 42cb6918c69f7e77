package migrate_test

import (
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
)

// TestFound: a loss is found if a part shows it, and none by what nobody can see.
func TestFound(t *testing.T) {
	t.Parallel()
	src := &inventory.Entry{Name: "n", Current: 2, Previous: 1}
	e := &migrate.Entry{Name: "n", Losses: []migrate.Loss{
		{Grade: "data", Version: 1, What: loss.Version},
		{Grade: "meaning", Version: 2, What: loss.ExpiresFraction},
		{Grade: "trace", Version: 2, What: loss.UID},
		{Grade: "data", Version: 3, What: loss.Value}, // and the target leaves out what has none
	}}
	for _, c := range []struct {
		parts []inventory.Part
		want  []string
	}{
		{nil, nil},
		{[]inventory.Part{{Version: 1, What: inventory.PartMissing}}, []string{loss.Version}},
		{[]inventory.Part{{What: inventory.PartPrevious}, {Version: 2, What: loss.Expires}}, []string{loss.Version, loss.ExpiresFraction}},
		{[]inventory.Part{{Version: 3, What: inventory.PartMissing}}, []string{loss.Value}},
		{[]inventory.Part{{Version: 2, What: inventory.PartUnseen}, {Version: 2, What: inventory.PartValue}}, nil},
	} {
		var got []string
		for _, l := range (&migrate.Verdict{Entry: e, Source: src, Parts: c.parts}).Found() {
			got = append(got, l.What)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.parts, got, c.want)
		}
	}
}

// TestJudge: a secret that one side lacks, or could not read, is never as foretold.
func TestJudge(t *testing.T) {
	t.Parallel()
	there := &inventory.Entry{Name: "n"}
	unread := &inventory.Entry{Name: "n", Unread: "denied"}
	for _, c := range []struct {
		src, have *inventory.Entry
		want      inventory.Sign
	}{
		{there, there, inventory.Same},
		{there, nil, inventory.OnlyA},
		{nil, there, inventory.OnlyB},
		{nil, nil, inventory.OnlyB},
		{unread, there, inventory.Incomparable},
		{there, unread, inventory.Incomparable},
	} {
		if v := (&migrate.Entry{Name: "n"}).Judge(c.src, c.have); v.Sign != c.want || v.Foretold {
			t.Errorf("%v, %v: %c, foretold %v", c.src, c.have, v.Sign, v.Foretold)
		}
	}
}
