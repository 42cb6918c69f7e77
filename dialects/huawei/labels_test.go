package huawei

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/secret"
)

// TestRanges: a set of numbers, whatever their order, written as short as it
// can be and read back.
func TestRanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := map[secret.Ordinal]bool{}
		var x ranges
		for _, n := range rapid.SliceOf(rapid.Int64Range(1, 30)).Draw(t, "numbers") {
			in[secret.Ordinal(n)] = true
			x = x.with(secret.Ordinal(n))
		}
		back := parseRanges(x.String())
		for o := secret.Ordinal(0); o <= 31; o++ {
			if x.has(o) != in[o] || back.has(o) != in[o] {
				t.Fatalf("%s: %d is wrong", x, o)
			}
		}
		if len(in) > 0 && !slices.Equal(back, x) {
			t.Fatalf("%s becomes %s", x, back)
		}
		for i := 1; i < len(x); i++ {
			if x[i][0] <= x[i-1][1]+1 {
				t.Fatalf("%s is not as short as it can be", x)
			}
		}
	})
}

func FuzzRanges(f *testing.F) {
	for _, s := range []string{"", "1", "1-5,8", "5-1", "1,,2", "0", "-1", "9223372036854775807", "1-9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x := parseRanges(s)
		for _, r := range x {
			if r[0] < 1 || r[1] < r[0] {
				t.Fatalf("%q is read as %v", s, x)
			}
		}
	})
}

// TestRecycle: at most one version goes, only beyond twenty, never one that
// holds a label or a role after the write, and the oldest of those that hold
// none.
func TestRecycle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := secret.Ordinal(rapid.Int64Range(1, 40).Draw(t, "versions"))
		s := &secret.Secret{Current: secret.Ordinal(rapid.Int64Range(1, int64(n)).Draw(t, "current"))}
		s.Previous = secret.Ordinal(rapid.Int64Range(0, int64(n)).Draw(t, "previous"))
		labels := []string{"a", "b", "c", "d"}
		holders := map[string]secret.Ordinal{}
		for _, l := range labels {
			holders[l] = secret.Ordinal(rapid.Int64Range(0, int64(n)).Draw(t, l))
		}
		var past ranges
		for o := secret.Ordinal(1); o <= n; o++ {
			v := secret.Version{Ordinal: o}
			for _, l := range labels {
				if holders[l] == o {
					v.Stages = append(v.Stages, l)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "destroyed") == 0 {
				v.Missing = secret.Destroyed
			}
			if len(v.Stages) == 0 && o != s.Current && o != s.Previous && rapid.IntRange(0, 4).Draw(t, "recycled") == 0 {
				past = past.with(o)
			}
			s.Versions = append(s.Versions, v)
		}
		s.Extra = s.Extra.WithText(extraRecycled, past.String())
		d := &secret.Draft{KeepCurrent: rapid.Bool().Draw(t, "keep")}
		d.TakePrevious = d.KeepCurrent && rapid.Bool().Draw(t, "take")
		if rapid.Bool().Draw(t, "labelled") {
			d.Stages = []string{"a", "c"}
		}
		now, one := recycle(s, d)
		listed := 0
		var first secret.Ordinal
		for i := range s.Versions {
			v := &s.Versions[i]
			if gone(past, v) {
				continue
			}
			listed++
			role := v.Ordinal == s.Current || v.Ordinal == s.Previous && (d.KeepCurrent && !d.TakePrevious)
			if d.KeepCurrent && v.Ordinal == s.Current {
				role = true
			}
			kept := slices.ContainsFunc(v.Stages, func(l string) bool { return !slices.Contains(d.Stages, l) })
			if !role && !kept && first == 0 {
				first = v.Ordinal
			}
		}
		want := past
		if listed >= maxVersions && first != 0 {
			want = past.with(first)
		}
		if now.String() != want.String() || one != (now.String() != past.String()) {
			t.Fatalf("%d listed, %s recycled before and %s after, want %s", listed, past, now, want)
		}
	})
}

// TestKeyEras: each version keeps the key that was named when it was made.
func TestKeyEras(t *testing.T) {
	t.Parallel()
	const one, two = "b168fe00-ff56-4924-95a7-d22974df2d0b", "c168fe00-ff56-4924-95a7-d22974df2d0b"
	s := &secret.Secret{}
	var want []string
	for o, key := range []string{"", one, one, two, two, one} {
		if key != s.Extra.Text(extraKey) {
			extra := secret.Extra{}
			for k, raw := range changeKey(s, key) {
				extra[k] = raw
			}
			s.Extra = extra
		} else if len(s.Versions) > 0 && changeKey(s, key) != nil {
			t.Error("the same key again is a change")
		}
		s.Versions = append(s.Versions, secret.Version{Ordinal: secret.Ordinal(o + 1)})
		if key == "" {
			key = keyID("a")
		}
		want = append(want, key)
	}
	for i, key := range want {
		if got := keyOfVersion("a", s, secret.Ordinal(i+1)); got != key {
			t.Errorf("version %d: %s, want %s", i+1, got, key)
		}
	}
	if keyOf("a", s) != one {
		t.Error("the secret's own key is not the last")
	}
}
