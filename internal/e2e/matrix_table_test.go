package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/golden"
	"github.com/vaultferry/vaultferry/secret"
)

const tableIntro = `# What arrives

Written by ` + "`make golden`" + `; a test fails where it is stale.

A secret goes from each product into each product and home again, into a second store of the first product: %d ways. A
vendor's own client takes each backup, and one restores it. The Vault is a real one; the Key Vault and the CSMS are this
gateway's own dialects. Each way was gone %d times, and it made no difference who backed up and who restored:
%s.

What moves is the reference secret of the tests: twelve versions, 1 to 13 without 6, that use all the model has. 5 has 25600
bytes, 7 is no UTF-8, 8 was destroyed, 9 is disabled, 10 is fields, 11 is previous, 12 current and 13 staged; the secret has
a description, tags and extra members. All of it arrives but for what is named here, and every version answers to its old
ids in both dialects. Tags are compared as those of each version and of the secret, and being without is not an empty set;
that each API shows the other's is a [view](apis.md#tags-in-both-apis).

- **data**: a version or a value is gone, or can be read by native tools though it is disabled.
- **meaning**: a state, expiry, stage or tag is not held.
- **trace**: native tools see another fact; the gateway keeps the true one beside it and brings it back.

The words are those of the reports; the numbers are versions, and 0 the secret as a whole. Losses of data and meaning are
taken only by a store that was told to; these were.

## What each product holds of it

| product | data | meaning | trace |
|---|---|---|---|
`

// checkTable compares what all ways brought with the table in docs. The
// dialects must have made no difference.
func checkTable(t *testing.T, m *matrix, seen map[way]*trip) {
	t.Helper()
	rows := map[[2]string]map[string][]way{}
	for w, tr := range seen {
		pair := [2]string{w.from, w.into}
		if rows[pair] == nil {
			rows[pair] = map[string][]way{}
		}
		row := tableRow(tr)
		rows[pair][row] = append(rows[pair][row], w)
	}
	kinds := slices.Sorted(maps.Keys(moving()))
	name := func(kind string) string { return m.backends["from-"+kind].Capabilities().Product }
	var b strings.Builder
	fmt.Fprintf(&b, tableIntro, len(rows), len(seen)/len(rows), wiresRun())
	for _, kind := range kinds {
		first := seen[way{"azure", "azure", kind, kind}].first
		fmt.Fprintf(&b, "| %s | %s |\n", name(kind), strings.Join(byGrade(first), " | "))
	}
	for _, from := range kinds {
		fmt.Fprintf(&b, "\n## From %s\n\n| into | data | meaning | trace | lost on the way home |\n|---|---|---|---|---|\n", name(from))
		for _, into := range kinds {
			all := slices.Sorted(maps.Keys(rows[[2]string{from, into}]))
			if len(all) != 1 {
				t.Errorf("%s to %s: the dialects differ: %v", from, into, rows[[2]string{from, into}])
			}
			fmt.Fprintf(&b, "| %s | %s |\n", name(into), all[0])
		}
	}
	golden.Compare(t, "../../docs/matrix.md", b.String())
}

// wiresRun lists the pairs of dialects.
func wiresRun() string {
	var pairs []string
	for _, out := range slices.Sorted(maps.Keys(dialects)) {
		for _, in := range slices.Sorted(maps.Keys(dialects)) {
			pairs = append(pairs, fmt.Sprintf("%s and %s", out, in))
		}
	}
	return strings.Join(pairs, ", ")
}

// tableRow is what a trip lost, there by grades and home in one. What was gone
// on the way there is not lost again, and what the first store could not hold
// neither.
func tableRow(tr *trip) string {
	there := slices.Concat(secret.ExportLosses(tr.left), tr.there)
	back := slices.DeleteFunc(slices.Concat(secret.ExportLosses(tr.arrived), tr.back), func(l secret.Loss) bool {
		return slices.ContainsFunc(slices.Concat(tr.first, there), func(o secret.Loss) bool { return o.Version == l.Version && o.What == l.What })
	})
	return strings.Join(append(byGrade(there), lossWords(back, secret.Data, secret.Meaning)), " | ")
}

func byGrade(losses []secret.Loss) []string {
	return []string{lossWords(losses, secret.Data), lossWords(losses, secret.Meaning), lossWords(losses, secret.Trace)}
}

// lossWords are the words of some grades, each with its versions.
func lossWords(losses []secret.Loss, grades ...secret.Grade) string {
	versions := map[string][]int{}
	for _, l := range losses {
		if slices.Contains(grades, l.Grade) {
			versions[l.What] = append(versions[l.What], int(l.Version))
		}
	}
	if len(versions) == 0 {
		return "nothing"
	}
	var words []string
	for _, what := range slices.Sorted(maps.Keys(versions)) {
		words = append(words, fmt.Sprintf("`%s` %s", what, ranges(versions[what])))
	}
	return strings.Join(words, ", ")
}

// ranges writes numbers as 1-5 7.
func ranges(all []int) string {
	slices.Sort(all)
	all = slices.Compact(all)
	var out []string
	for i := 0; i < len(all); {
		last := i
		for last+1 < len(all) && all[last+1] == all[last]+1 {
			last++
		}
		if last > i {
			out = append(out, fmt.Sprintf("%d-%d", all[i], all[last]))
		} else {
			out = append(out, fmt.Sprint(all[i]))
		}
		i = last + 1
	}
	return strings.Join(out, " ")
}
