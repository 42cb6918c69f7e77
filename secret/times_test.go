package secret_test

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// TestTimesAreSet: whatever second a product or a client says, it is a time and
// never "unset", and one that can be said comes back to the second.
func TestTimesAreSet(t *testing.T) {
	t.Parallel()
	for _, s := range []int64{
		-1 << 63, secret.MinSecond - 1, secret.MinSecond, secret.MinSecond + 1, -315_619_200, -1, 0, 1, 1_569_456_000,
		secret.MaxSecond, secret.MaxSecond + 1, 1_569_456_000_000, 1<<63 - 1,
	} {
		at := secret.AtSecond(s)
		if at.IsZero() || at.Location() != time.UTC {
			t.Errorf("%d is %v", s, at)
		}
		if y := at.Year(); y < 1 || y > 9999 {
			t.Errorf("%d is in the year %d, which no blob can say", s, y)
		}
		if held := s >= secret.MinSecond && s <= secret.MaxSecond; held != (at.Unix() == s && secret.CutFraction(at).Unix() == s && !secret.HasFraction(at)) {
			t.Errorf("%d is %v, in whole seconds %d", s, at, secret.CutFraction(at).Unix())
		}
		if secret.CutFraction(at).IsZero() {
			t.Errorf("%d is unset once it is cut", s)
		}
	}
	for s, want := range map[float64]int64{1.5: 1, -1.5: -2, 0: 0, 1_569_456_000.123456: 1_569_456_000, -1e300: secret.MinSecond, 1e300: secret.MaxSecond} {
		if got := secret.AtFraction(s); got.Unix() != want || got.IsZero() {
			t.Errorf("%v is %v", s, got)
		}
	}
}
