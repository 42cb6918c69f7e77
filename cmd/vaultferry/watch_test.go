package main

import (
	"testing"

	"github.com/vaultferry/vaultferry/config"
)

// TestWatch: files are taken once they have stayed as they are; what is invalid is
// waited for, then told once, and tried again now and then.
func TestWatch(t *testing.T) {
	t.Parallel()
	holds := func(b byte) map[string]config.Digest { return map[string]config.Digest{"f": {b}} }
	type step struct {
		now, last byte
		failed    bool
		want      verdict
	}
	repeat := func(n int, s step) (all []step) {
		for range n {
			all = append(all, s)
		}
		return all
	}
	for name, steps := range map[string][]step{
		"nothing":                 repeat(20, step{1, 1, false, idle}),
		"changed":                 {{1, 1, false, idle}, {2, 1, false, wait}, {2, 1, false, tries}, {2, 2, false, idle}},
		"written in parts":        {{1, 1, false, idle}, {2, 1, false, wait}, {3, 1, false, wait}, {4, 1, false, wait}, {4, 1, false, tries}},
		"written and back":        {{1, 1, false, idle}, {2, 1, false, wait}, {1, 1, false, idle}, {1, 1, false, idle}},
		"taken by hand meanwhile": {{1, 1, false, idle}, {2, 1, false, wait}, {2, 2, false, idle}},
		"stays invalid": append(append([]step{{2, 1, false, wait}}, repeat(patience-1, step{2, 1, false, tries})...),
			step{2, 1, false, takes}, step{2, 2, true, tries}, step{2, 2, true, idle}),
		"mended": {{2, 2, true, wait}, {3, 2, true, wait}, {3, 2, true, tries}, {3, 3, false, idle}},
		"tried again": append(append([]step{{2, 2, true, wait}}, repeat(retryAfter-1, step{2, 2, true, idle})...),
			step{2, 2, true, tries}, step{2, 2, true, idle}),
	} {
		var w watch
		for i, s := range steps {
			if got := w.look(holds(s.now), holds(s.last), s.failed); got != s.want {
				t.Errorf("%s, step %d: %d, want %d", name, i, got, s.want)
			}
		}
	}
}
