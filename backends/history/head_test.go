package history_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// TestStamps: minted times are whole milliseconds that strictly increase,
// whatever the clock does and whatever was imported.
func TestStamps(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ms := time.Millisecond
	h := history.NewHead("s")
	for i, step := range []struct{ given, now, want time.Time }{
		{time.Time{}, base.Add(1500 * time.Microsecond), base.Add(1 * ms)},
		{time.Time{}, base.Add(1900 * time.Microsecond), base.Add(2 * ms)},               // the same millisecond
		{time.Time{}, base.Add(-time.Hour), base.Add(3 * ms)},                            // the clock was set back
		{base.Add(10*ms + 5), base, base.Add(10*ms + 5)},                                 // the draft's own, to the nanosecond
		{time.Time{}, base.Add(10 * ms), base.Add(11 * ms)},                              // behind it
		{base.Add(-time.Hour), base, base.Add(-time.Hour)},                               // an old one may be appended
		{time.Time{}, base.Add(20 * ms).In(time.FixedZone("", 3600)), base.Add(20 * ms)}, // UTC
	} {
		v := h.Append(&secret.Draft{Value: secret.TextValue("x"), Created: step.given}, secret.UID{byte(i + 1)}, step.now)
		if !v.Created.Equal(step.want) || v.Created.Location() != time.UTC {
			t.Errorf("step %d: created %v, want %v", i, v.Created, step.want)
		}
		if v.Ordinal != secret.Ordinal(i+1) {
			t.Errorf("step %d: ordinal %d", i, v.Ordinal)
		}
	}
	if !h.Secret.Created.Equal(base.Add(ms)) || !h.Secret.Updated.Equal(base.Add(20*ms)) {
		t.Errorf("the secret says %v to %v", h.Secret.Created, h.Secret.Updated)
	}
}

// TestImportedOrdinals: there is room above what an import brings, for all who
// write ordinals down: none runs over, and each reader of JSON holds it.
func TestImportedOrdinals(t *testing.T) {
	t.Parallel()
	for _, last := range []secret.Ordinal{1, history.MaxImported} {
		s := imported(last)
		h, err := history.HeadOf(s)
		if err != nil {
			t.Fatalf("%d: %v", last, err)
		}
		if v := h.Append(&secret.Draft{Value: secret.TextValue("x")}, secret.NewUID(), time.Now()); v.Ordinal != last+1 {
			t.Errorf("after %d comes %d", last, v.Ordinal)
		}
	}
	for _, last := range []secret.Ordinal{-1, 0, history.MaxImported + 1, 1 << 53, math.MaxInt64} {
		if _, err := history.HeadOf(imported(last)); !errors.Is(err, secret.Invalid) {
			t.Errorf("%d: %v", last, err)
		}
	}
}

func imported(last secret.Ordinal) *secret.Secret {
	return &secret.Secret{Name: "s", Current: last, Versions: []secret.Version{{Ordinal: last, UID: secret.NewUID(), Value: secret.TextValue("x")}}}
}
