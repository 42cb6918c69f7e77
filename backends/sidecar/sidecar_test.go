package sidecar_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// TestCodebook: no letter stands twice, and the schema uses no other.
func TestCodebook(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, l := range sidecar.Codebook() {
		keys = append(keys, l.Key)
		if l.Meaning == "" {
			t.Errorf("%s has no meaning", l.Key)
		}
	}
	if !slices.IsSorted(keys[:slices.Index(keys, "A")]) || len(slices.Compact(slices.Sorted(slices.Values(keys)))) != len(keys) {
		t.Errorf("the letters are %v", keys)
	}
	if got := append(sidecar.CheckLetters(sidecar.Version{}), sidecar.CheckLetters(sidecar.Secret{})...); len(got) > 0 {
		t.Errorf("not in the codebook: %v", got)
	}
}

// TestOverlay: what is kept beside a product that holds some attributes itself,
// put over what that product shows, is the version again.
func TestOverlay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := version(t)
		native := sidecar.Native(rapid.Uint8Range(0, 63).Draw(t, "native"))
		for name, encode := range codecs {
			var r sidecar.Version
			text := encode(sidecar.OfVersion(&v, native))
			if err := sidecar.Decode(text, encode, &r); err != nil {
				t.Fatalf("%s: %v: %s", name, err, text)
			}
			got := shown(&v, native)
			r.Overlay(&got, native)
			if got.Stages = v.Stages; !cmp.Equal(v, got, cmp.Comparer(secret.Value.Equal), cmp.Comparer(sameExtra)) {
				t.Errorf("%s, native %b: %s", name, native, cmp.Diff(v, got, cmp.Comparer(secret.Value.Equal), cmp.Comparer(sameExtra)))
			}
		}
	})
}

var codecs = map[string]func(any) string{"JSON": sidecar.JSON, "ASCII": sidecar.ASCII}

// sameExtra: members come back as the JSON that they were, if not in its bytes.
func sameExtra(a, b secret.Extra) bool {
	return len(a) == len(b) && cmp.Equal(decoded(a), decoded(b))
}

func decoded(e secret.Extra) map[string]any {
	out := map[string]any{}
	for k, raw := range e {
		var v any
		if json.Unmarshal(raw, &v) != nil {
			v = raw
		}
		out[k] = v
	}
	return out
}

// version draws one with any attributes.
func version(t *rapid.T) secret.Version {
	texts := rapid.MapOf(rapid.String(), rapid.String())
	when := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-sidecar.MaxTime, sidecar.MaxTime).Draw(t, "s"), rapid.SampledFrom([]int64{0, 1, 5e8}).Draw(t, "ns")).UTC()
	})
	v := secret.Version{
		UID: secret.NewUID(), Created: when.Draw(t, "created"), Updated: when.Draw(t, "updated"),
		ContentType: rapid.String().Draw(t, "type"), Disabled: rapid.Bool().Draw(t, "disabled"),
	}
	if rapid.Bool().Draw(t, "tagged") {
		v.Tags = texts.Draw(t, "tags")
	}
	if rapid.Bool().Draw(t, "ends") {
		v.Expires, v.NotBefore = when.Draw(t, "expires"), when.Draw(t, "starts")
	}
	if rapid.Bool().Draw(t, "extra") {
		v.Extra = secret.Extra{"azure.x": json.RawMessage(`{"a":[1,"<é>"]}`)}
	}
	return v
}

// shown is what a product shows that holds the native attributes.
func shown(v *secret.Version, native sidecar.Native) secret.Version {
	var p secret.Version
	if native&sidecar.NativeContentType != 0 {
		p.ContentType = v.ContentType
	}
	if native&sidecar.NativeTags != 0 && len(v.Tags) > 0 {
		p.Tags = v.Tags
	}
	p.Disabled = v.Disabled && native&sidecar.NativeDisabled != 0
	if native&sidecar.NativeNotBefore != 0 {
		p.NotBefore = seconds(v.NotBefore)
	}
	if native&sidecar.NativeExpires != 0 {
		p.Expires = seconds(v.Expires)
	}
	return p
}

func seconds(t time.Time) time.Time { return time.Unix(t.Unix(), 0).UTC() }

// TestStrict: whatever a gateway would not write is foreign.
func TestStrict(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `null`, `[]`, `{`, `{} `, ` {}`, `{"N":1}`, `{"n":1,"n":1}`, `{"n":0}`, `{"n":-1}`, `{"n":1e0}`, `{"n":9007199254740993}`,
		`{"U":"AAAAAAAAAAAAAAAAAAAAAA"}`, `{"u":"AAAAAAAAAAAAAAAAAAAAAAAA"}`, `{"f":"q"}`, `{"o":"eb"}`, `{"a":"lost"}`, `{"s":[""]}`,
		`{"c":"1970-01-01T00:00:00Z"}`, `{"c":1.50}`, `{"c":253402300800}`, `{"x":{"a": 1}}`, `{"y":"\u0041"}`, `{"q":1}`,
	} {
		if err := sidecar.Decode(text, sidecar.JSON, new(sidecar.Version)); !errors.Is(err, sidecar.ErrForeign) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		`{"r":[1]}`, `{"r":[1,-1]}`, `{"s":{"":1}}`, `{"s":{"a":0}}`, `{"l":[[1,0]]}`, `{"l":[[2,1],[1,2]]}`, `{"k":"\u0000"}`, `{"h":-1}`,
	} {
		if err := sidecar.Decode(text, sidecar.JSON, new(sidecar.Secret)); !errors.Is(err, sidecar.ErrForeign) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestShifts: ordinals rise with numbers.
func TestShifts(t *testing.T) {
	t.Parallel()
	s := sidecar.Shifts{{1, 2}, {4, 7}}
	var got []secret.Ordinal
	for n := range int64(5) {
		got = append(got, s.Ordinal(n+1))
	}
	if !slices.Equal(got, []secret.Ordinal{3, 4, 5, 11, 12}) {
		t.Errorf("the ordinals are %v", got)
	}
	for o := range secret.Ordinal(14) {
		n := s.Number(o)
		if want := int64(slices.Index(got, o) + 1); o < 13 && n != want {
			t.Errorf("the number of ordinal %d is %d, want %d", o, n, want)
		}
	}
}

// TestFit: room goes to the kinds in their order, then to the newest; what is
// lost is what the fitted secret lacks, and what has room for all loses nothing.
func TestFit(t *testing.T) {
	t.Parallel()
	kinds := []sidecar.Kind{{What: loss.Description, OfSecret: true}, {What: loss.ContentType}, {What: loss.Tags}}
	s := backendtest.Sample("s")
	for i := range s.Versions {
		s.Versions[i].Tags, s.Versions[i].ContentType = map[string]string{"k": strings.Repeat("v", 10)}, "text"
	}
	size := func(s *secret.Secret) int {
		n := len(sidecar.JSON(sidecar.OfSecret(s)))
		for i := range s.Versions {
			n += len(sidecar.JSON(sidecar.OfVersion(&s.Versions[i], 0)))
		}
		return n
	}
	full := size(s)
	for room := full; room > full-1000; room -= 7 {
		fits := func(s *secret.Secret) bool { return size(s) <= room }
		got, losses := sidecar.Fit(s, kinds, "no room", fits)
		if (len(losses) == 0) != (room == full) {
			t.Errorf("room for %d of %d: %d losses", room, full, len(losses))
		}
		if d := backendtest.Differences(s, got, losses); len(d) > 0 {
			t.Errorf("room for %d: %v", room, d)
		}
		untagged := 0
		for i := range slices.Backward(got.Versions) {
			if got.Versions[i].Tags == nil {
				untagged++
			} else if untagged > 0 {
				t.Fatalf("room for %d: an older version holds its tags, and a newer does not", room)
			}
		}
		if untagged < len(s.Versions) && got.Versions[0].ContentType == "" {
			t.Fatalf("room for %d: there is room for tags, and none for what comes before", room)
		}
		if len(losses) > 0 && !fits(got) && untagged+1 < len(s.Versions) {
			t.Fatalf("room for %d: what fitted does not fit", room)
		}
	}
}

// fitOneByOne is Fit as slow as it is plain: it asks of each attribute alone.
func fitOneByOne(s *secret.Secret, kinds []sidecar.Kind, fits func(*secret.Secret) bool) *secret.Secret {
	lost := map[secret.Loss]bool{}
	for _, k := range kinds {
		for i := range s.Versions {
			lost[secret.Loss{Version: s.Versions[i].Ordinal, What: k.What}] = true
		}
	}
	rest := func() *secret.Secret { return loss.Apply(s, slices.Collect(maps.Keys(lost))) }
	for _, k := range kinds {
		for i := range slices.Backward(s.Versions) {
			l := secret.Loss{Version: s.Versions[i].Ordinal, What: k.What}
			if delete(lost, l); !fits(rest()) {
				lost[l] = true
			}
		}
	}
	return rest()
}

// TestFitSkips: what is too long makes way for what is shorter and older, as if
// each were asked for alone; and with many versions that costs few questions.
func TestFitSkips(t *testing.T) {
	t.Parallel()
	kinds := []sidecar.Kind{{What: loss.Stages}, {What: loss.ContentType}}
	size := func(s *secret.Secret) (n int) {
		for i := range s.Versions {
			n += len(sidecar.JSON(sidecar.OfVersion(&s.Versions[i], 0)))
		}
		return n
	}
	rapid.Check(t, func(t *rapid.T) {
		s := backendtest.ManyVersions("s", rapid.IntRange(1, 60).Draw(t, "versions"))
		for i := range s.Versions {
			s.Versions[i].ContentType = strings.Repeat("c", rapid.IntRange(0, 50).Draw(t, "content type"))
			s.Versions[i].Stages = []string{strings.Repeat("l", rapid.IntRange(1, 300).Draw(t, "label"))}
		}
		room, asked := rapid.IntRange(size(&secret.Secret{}), size(s)).Draw(t, "room"), 0
		var last *secret.Secret
		got, losses := sidecar.Fit(s, kinds, "", func(s *secret.Secret) bool {
			asked++
			if size(s) > room {
				return false
			}
			last = s
			return true
		})
		want := fitOneByOne(s, kinds, func(s *secret.Secret) bool { return size(s) <= room })
		if last == nil { // not even the versions fit
			return
		}
		for what, other := range map[string]*secret.Secret{"asked one by one": want, "that fitted last": last, "less the losses": loss.Apply(s, losses)} {
			if d := backendtest.Differences(other, got, nil); len(d) > 0 {
				t.Fatalf("it is other than %s: %v", what, d)
			}
		}
		if asked > 150 {
			t.Fatalf("of %d versions it was asked %d times", len(s.Versions), asked)
		}
	})
}

// BenchmarkFit makes long labels of 800 versions fit, beside 200. The metric ratio
// is time over time: 4 where the time grows with the versions.
func BenchmarkFit(b *testing.B) {
	kinds := []sidecar.Kind{{What: loss.Stages}, {What: loss.Tags}}
	measure := func(n int) func() time.Duration {
		s := backendtest.ManyVersions("s", n)
		for i := range s.Versions {
			s.Versions[i].Stages = []string{fmt.Sprint(i, strings.Repeat("l", 3000))}
			s.Versions[i].Tags = map[string]string{"k": "v"}
		}
		return func() time.Duration {
			begun := time.Now()
			_, losses := sidecar.Fit(s, kinds, "", func(s *secret.Secret) bool {
				size := 0
				for i := range s.Versions {
					size += len(sidecar.JSON(sidecar.OfVersion(&s.Versions[i], 0)))
				}
				return size < n*1000
			})
			if len(losses) == 0 {
				b.Fatal("nothing is lost")
			}
			return time.Since(begun)
		}
	}
	few, many := measure(200), measure(800)
	var short, long time.Duration
	for b.Loop() {
		long += many()
		short += few()
	}
	b.ReportMetric(float64(long)/float64(short), "ratio")
}

func FuzzVersion(f *testing.F) {
	f.Add(`{"n":3,"u":"AAECAwQFBgcICQoLDA0ODw","c":1569456000.5,"g":{},"d":true,"o":"be","s":["a"],"x":{"a":1},"a":"destroyed"}`)
	f.Fuzz(func(t *testing.T, text string) { fuzz(t, text, func() sidecar.Valid { return new(sidecar.Version) }) })
}

func FuzzSecret(f *testing.F) {
	f.Add(`{"k":"n","r":[2,1],"h":9,"l":[[1,2],[3,4]],"c":1,"m":2,"t":"text","g":{"a":"b"},"s":{"l":2},"x":{"a":null},"i":"abc"}`)
	f.Fuzz(func(t *testing.T, text string) { fuzz(t, text, func() sidecar.Valid { return new(sidecar.Secret) }) })
}

// fuzz: what is taken is what would be written.
func fuzz(t *testing.T, text string, fresh func() sidecar.Valid) {
	for name, encode := range codecs {
		v := fresh()
		if sidecar.Decode(text, encode, v) == nil && encode(v) != text {
			t.Errorf("%s: %q is taken and would be written %q", name, text, encode(v))
		}
	}
}
