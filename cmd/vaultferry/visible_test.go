package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// Characters that turn the text beside them round, hide it, or steer the
// terminal: bidi controls, isolates, marks, zero width, escape, C1, a tag.
const steering = "\u202e\u2066\u200f\u061c\u200b\ufeff\x1b[2J\u009b\x7f\U000e0041"

func TestNothingThatIsPrintedSteers(t *testing.T) {
	t.Parallel()
	if got := visible(steering); strings.ContainsFunc(got, hidden) {
		t.Errorf("shown as %q", got)
	}
	b, err := json.Marshal(map[string]string{steering: steering + "é🔑"})
	if err != nil {
		t.Fatal(err)
	}
	shown := visibleJSON(b)
	var back map[string]string
	if err := json.Unmarshal(shown, &back); err != nil || back[steering] != steering+"é🔑" {
		t.Errorf("the JSON says something else: %s, %v", shown, err)
	}
	if strings.ContainsFunc(string(shown), hidden) {
		t.Errorf("the JSON holds %q", shown)
	}
}
