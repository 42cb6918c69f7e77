package migrate

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// TestCost: a run makes the requests to the source again, and those that the target takes;
// each takes as long as one of the plan did, with as many at once.
func TestCost(t *testing.T) {
	t.Parallel()
	c := cost{target: Requests{Create: 3, Version: 1, Append: 2, Added: 3, Look: 1}}
	c.add(&Entry{Action: DoCreate, Versions: []secret.Ordinal{1, 2}}, 5, 3)
	c.add(&Entry{Action: DoAppend, Versions: []secret.Ordinal{3, 4}}, 9, 3)
	c.add(&Entry{}, 6, 3)
	for took, want := range map[time.Duration]int64{10 * time.Second: 13, 20 * time.Second: 26, 20001 * time.Millisecond: 27, 0: 0} {
		if requests, seconds := c.expect(took); requests != 3+3+2+9+2+6+1 || seconds != want {
			t.Errorf("%d requests, and %d seconds after %s", requests, seconds, took)
		}
	}
	if requests, seconds := new(cost).expect(time.Minute); requests != 0 || seconds != 0 {
		t.Errorf("of nothing: %d requests, %d seconds", requests, seconds)
	}
}
