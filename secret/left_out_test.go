package secret

import (
	"slices"
	"strings"
	"testing"
)

// TestLeftOutIsOnOnePage: whoever goes through pages of any size meets each
// once.
func TestLeftOutIsOnOnePage(t *testing.T) {
	t.Parallel()
	all := []LeftOut{
		{Why: LeftOutFolder, Name: "b/"},
		{Why: LeftOutUnreadable, Name: "b"},
		{Why: LeftOutEmpty, Name: "a"},
		{Why: LeftOutUnfinished, Name: "z"},
		{Why: LeftOutName, Native: "b~"},
		{Why: LeftOutName},
	}
	for _, ends := range [][]Name{{""}, {"a", ""}, {"b", "b/", ""}, {"0", "a", "b", "y", "z", ""}} {
		seen := make([]int, len(all))
		after := Name("")
		for _, next := range ends {
			for i := range all {
				if all[i].On(Query{After: after}, next) {
					seen[i]++
				}
			}
			after = next
		}
		if !slices.Equal(seen, []int{1, 1, 1, 1, 1, 1}) {
			t.Errorf("pages to %q show each %v times", ends, seen)
		}
	}
	folder := all[0]
	for _, q := range []Query{{After: "b/", Under: "b/"}, {After: "b/c/", Under: "b/c/"}} {
		if !folder.On(q, "") || !folder.On(q, "b/c/d") || !folder.Under(q) {
			t.Errorf("whoever asks for what is in %q is not told that it cannot be listed", q.Under)
		}
	}
	for _, q := range []Query{{After: "b/c", Under: "b/"}, {After: "b0/", Under: "b0/"}} {
		if folder.On(q, "") {
			t.Errorf("it is told again on a page of %q", q.Under)
		}
	}
	if folder.Under(Query{Under: "b0/"}) || !all[4].Under(Query{Under: "b"}) || all[4].Under(Query{Under: "b/"}) || all[5].Under(Query{Under: "b"}) {
		t.Error("what is elsewhere is told of a folder")
	}
}

func TestLeftOutSentences(t *testing.T) {
	t.Parallel()
	var all []LeftOut
	for range 22 {
		all = append(all, LeftOut{Why: LeftOutName, Native: "\x1b[31m"})
	}
	all = append(all, LeftOut{Why: LeftOutName}, LeftOut{Why: LeftOutName, Native: strings.Repeat("n", 70), Detail: "long"},
		LeftOut{Why: LeftOutFolder, Name: "a/", Detail: "it says no"}, LeftOut{Why: LeftOutFolder, Name: "b/", Detail: "it says no"},
		LeftOut{Why: LeftOutFolder, Name: "c/", Detail: "it says why"}, LeftOut{Why: LeftOutEmpty, Name: "e"})
	got := LeftOutSentences(all)
	want := []string{
		"23 entries have names that the gateway cannot hold (" + strings.Repeat(`"\x1b[31m", `, 19) + `"\x1b[31m" and 3 more)`,
		`1 entry has a name that the gateway cannot hold ("` + strings.Repeat("n", 60) + `..."): long`,
		`2 folders could not be listed ("a/", "b/"): it says no`,
		`1 folder could not be listed ("c/"): it says why`,
		`1 secret is without a version that can be read ("e")`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for i, incomplete := range map[LeftOutReason]bool{
		LeftOutFolder: true, LeftOutUnreadable: true, LeftOutName: true, LeftOutEmpty: false, LeftOutUnfinished: false,
	} {
		if l := (LeftOut{Why: i}); l.Incomplete() != incomplete || leftOutWords[i][0] == "" {
			t.Errorf("%s: incomplete is %v", i, l.Incomplete())
		}
	}
}
