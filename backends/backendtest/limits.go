package backendtest

import (
	"fmt"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// room reports whether the store keeps n versions of a secret. Where it does
// not, a new version takes the place of the oldest that has neither role nor
// stage.
func room(b backends.Backend, n int) bool {
	limit := b.Capabilities().MaxVersions
	return limit == 0 || n <= limit
}

// needRoom skips a case about more versions than the store keeps.
func needRoom(t *testing.T, b backends.Backend, n int) {
	t.Helper()
	if !room(b, n) {
		t.Skipf("the store keeps %d versions, the case needs %d", b.Capabilities().MaxVersions, n)
	}
}

// kept is how many of n versions that were written one after another stand.
func kept(b backends.Backend, n int) int {
	if room(b, n) {
		return n
	}
	return b.Capabilities().MaxVersions
}

// testPutVersionLimit: of many versions the newest stand, and those alone are
// found. A version that may not take current's place is refused where there is
// no other.
func testPutVersionLimit(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	limit := b.Capabilities().MaxVersions
	if limit == 0 {
		t.Skip("the store has no limit")
	}
	var last *secret.Version
	for i := range limit + 2 {
		first := last
		last = put(ctx, t, b, "s", text(fmt.Sprint(canary, i)))
		if i < limit {
			continue
		}
		s := export(ctx, t, b, "s")
		if len(s.Versions) != limit || s.Newest().Ordinal != last.Ordinal || s.Current != last.Ordinal || s.Versions[0].Ordinal != last.Ordinal-secret.Ordinal(limit-1) {
			t.Fatalf("after %d writes the versions %d stand, current %d", i+1, ordinals(s), s.Current)
		}
		if previous := s.Find(secret.ByOrdinal(last.Ordinal - 1)); (previous == nil) != (s.Previous == 0) || previous != nil && s.Previous != previous.Ordinal {
			t.Errorf("after %d writes previous is %d", i+1, s.Previous)
		}
		_, err := b.Get(ctx, "s", secret.ByOrdinal(s.Versions[0].Ordinal-1))
		wantErr(t, "Get of a version that made room", err, secret.NotFound)
		if limit == 1 {
			_, err = b.Get(ctx, "s", secret.ByUID(first.UID))
			wantErr(t, "Get by UID of a version that made room", err, secret.NotFound)
		}
	}
	before, d := export(ctx, t, b, "s"), text(canary+"kept")
	d.KeepCurrent = true
	s, err := b.Put(ctx, "s", d)
	if err == nil && (limit == 1 || s.Current != last.Ordinal) {
		t.Errorf("Put that keeps current: current is %d, want %d", s.Current, last.Ordinal)
	}
	if err != nil {
		_ = checkErr(t, err, secret.TooLarge, secret.Unsupported)
		Compare(t, before, export(ctx, t, b, "s"), nil)
	}
}
