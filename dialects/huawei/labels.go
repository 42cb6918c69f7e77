package huawei

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// maxVersions is how many versions of a secret the service lists. One more
// recycles the oldest that has no label.
const maxVersions = 20

// extraRecycled holds the numbers of the versions that were recycled, as
// ranges: "1-5,8". They answer as gone, are in every backup, and stay where
// they are in the product: the gateway deletes nothing that nobody told it to.
const extraRecycled = "huawei.recycled"

// ranges is a set of version numbers that stays short: versions are recycled
// oldest first, but for the few that hold a label.
type ranges [][2]secret.Ordinal // ascending, apart

// parseRanges takes what it does not understand for nothing.
func parseRanges(s string) ranges {
	var out ranges
	for part := range strings.SplitSeq(s, ",") {
		first, last, more := strings.Cut(part, "-")
		if !more {
			last = first
		}
		a, errA := strconv.ParseInt(first, 10, 64)
		b, errB := strconv.ParseInt(last, 10, 64)
		if errA != nil || errB != nil || a < 1 || b < a {
			return nil
		}
		out = append(out, [2]secret.Ordinal{secret.Ordinal(a), secret.Ordinal(b)})
	}
	return out
}

func (x ranges) String() string {
	var parts []string
	for _, r := range x {
		s := r[0].String()
		if r[1] != r[0] {
			s += "-" + r[1].String()
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ",")
}

func (x ranges) has(o secret.Ordinal) bool {
	return slices.ContainsFunc(x, func(r [2]secret.Ordinal) bool { return r[0] <= o && o <= r[1] })
}

func (x ranges) with(o secret.Ordinal) ranges {
	all := append(slices.Clone(x), [2]secret.Ordinal{o, o})
	slices.SortFunc(all, func(a, b [2]secret.Ordinal) int { return int(min(max(a[0]-b[0], -1), 1)) })
	out := all[:1]
	for _, r := range all[1:] {
		if last := &out[len(out)-1]; r[0] <= last[1]+1 {
			last[1] = max(last[1], r[1])
		} else {
			out = append(out, r)
		}
	}
	return out
}

func recycled(s *secret.Secret) ranges { return parseRanges(s.Extra.Text(extraRecycled)) }

// gone reports whether CSMS has no such version any more: it holds no value,
// or was recycled.
func gone(past ranges, v *secret.Version) bool {
	return v.Gone() || past.has(v.Ordinal)
}

// recycle returns which versions have been recycled once d is written: one
// more, where have lists as many as the service does.
func recycle(have *secret.Secret, d *secret.Draft) (ranges, bool) {
	past, listed := recycled(have), *have
	listed.Versions = slices.DeleteFunc(slices.Clone(have.Versions), func(v secret.Version) bool { return gone(past, &v) })
	if len(listed.Versions) < maxVersions {
		return past, false
	}
	if v := listed.Displaced(d); v != nil {
		return past.with(v.Ordinal), true
	}
	return past, false
}
