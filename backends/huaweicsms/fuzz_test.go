package huaweicsms

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// FuzzSplit: whatever stands in a description is read without panic, and what
// is ours is written again as it was meant.
func FuzzSplit(f *testing.F) {
	full := fullTrailer()
	for _, s := range []string{"", "x", join("s", "x", &full), join("s", "", &trailer{Days: 7}), "x " + trailerMark, trailerMark + "AAAAAAAAAAAA"} {
		f.Add("s", s)
	}
	f.Fuzz(func(t *testing.T, wire, description string) {
		human, tr := split(wire, description)
		if tr == nil {
			if human != description {
				t.Error("people's text is changed")
			}
			return
		}
		back, again := split(wire, join(wire, human, tr))
		if back != human || again == nil && sidecar.JSON(tr) != empty {
			t.Error("what was read is not written again")
		}
	})
}

// FuzzTrailer: whatever stands in a trailer, a secret of the model comes out of
// it: rising ordinals, identities of their own, roles that somebody has.
func FuzzTrailer(f *testing.F) {
	full := fullTrailer()
	f.Add([]byte(`{"r":[9,1],"l":[[1,3]],"V":[{"N":1,"n":5},{"N":2,"n":1}],"P":[3,2]}`), "human", uint8(3))
	f.Add([]byte(`{"k":"name","x":{"a":1},"V":[{"N":1,"u":"AAAAAAAAAAAAAAAAAAAAAQ"},{"N":2,"u":"AAAAAAAAAAAAAAAAAAAAAQ"}]}`), "", uint8(2))
	f.Add([]byte(join("s", "", &full)), "", uint8(20))
	f.Fuzz(func(t *testing.T, plain []byte, human string, n uint8) {
		fa := &facts{secretFact: secretFact{id: "i", wire: "s", state: stateEnabled, kind: kindCommon, created: epoch, description: human + " " + raw("s", plain)}}
		for i := range int64(n%20) + 1 {
			fa.add(versionFact{number: i + 1, created: epoch.Add(time.Duration(i) * time.Millisecond), stages: []string{sysCurrent}}, true)
		}
		h := newStored(uidScope{"store", "project"}, "s", fa)
		uids := map[secret.UID]bool{}
		var last secret.Ordinal
		for i := range h.Versions {
			v := &h.Versions[i]
			if v.Ordinal <= last || v.UID.IsZero() || uids[v.UID] || v.Created.IsZero() || v.Updated.IsZero() {
				t.Fatalf("version %d has no identity of its own", v.Ordinal)
			}
			last, uids[v.UID] = v.Ordinal, true
		}
		for _, o := range []secret.Ordinal{h.Current, h.Previous} {
			if o != 0 && h.Find(secret.ByOrdinal(o)) == nil {
				t.Errorf("version %d has a role and is not there", o)
			}
		}
	})
}

// FuzzTags: any text is spelt in the product's alphabet and comes back.
func FuzzTags(f *testing.F) {
	for _, s := range []string{"", "x", "b64.", "b64.eA", "b64.YjY0LmVB", "_sys_", " ", "é", "<"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, k, v string) {
		tags := map[string]string{k: v}
		if !validTexts(k, v) {
			return
		}
		spelt, why := spellTags(tags)
		if why != "" {
			return
		}
		for key, value := range spelt {
			if !tagKey(key) || !tagValue(value) {
				t.Errorf("%q=%q is not what CSMS takes", key, value)
			}
		}
		if back := readTags(spelt); !maps.Equal(back, tags) {
			t.Errorf("%q=%q comes back as %q", k, v, back)
		}
		_ = readTags(map[string]string{k: v})
	})
}

func validTexts(all ...string) bool {
	return !slices.ContainsFunc(all, func(s string) bool { return string([]rune(s)) != s })
}
