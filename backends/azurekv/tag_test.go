package azurekv

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// TestTagBytes holds the form that released versions write.
func TestTagBytes(t *testing.T) {
	t.Parallel()
	uid := shortUID(secret.DeriveUID("s", "p", "i", epoch))
	previous := secret.Ordinal(11)
	for want, r := range map[string]reserved{
		`{"v":1,"u":"` + text(uid) + `","n":1,"c":1735787045}`: {V: 1, UID: uid, Ordinal: 1, Created: stamp{Time: epoch}},
		`{"v":1,"u":"` + text(uid) + `","n":12,"c":1735787045.00025,"m":1735787046,"w":1735787047,"f":"b","d":true,"e":true,` +
			`"s":["a","b"],"x":{"k":[1,"<&>"]},"i":"marker","z":true,"p":11,"q":10,"h":13,"sc":1735787044,"sd":"é","st":{"k":""},"sx":{"j":null}}`: {
			V: 1, UID: uid, Ordinal: 12, Created: stamp{Time: epoch.Add(250 * time.Microsecond)}, Updated: stamp{Time: epoch.Add(time.Second)},
			Written: stamp{Time: epoch.Add(2 * time.Second)}, Form: formBinary, OurType: true, EmptyTags: true, Stages: []string{"a", "b"},
			Extra: secretRawMap{"k": json.RawMessage(`[1,"<&>"]`)}, Import: "marker", Last: true, Previous: &previous, Current: 10, Highest: 13,
			SecretCreated: stamp{Time: epoch.Add(-time.Second)}, Description: "é", SecretTags: map[string]string{"k": ""},
			SecretExtra: secretRawMap{"j": json.RawMessage("null")},
		},
	} {
		got, err := r.encode()
		if err != nil || got != want {
			t.Errorf("encoded as %s, want %s: %v", got, want, err)
		}
		if len(want) <= maxTagText {
			if back := decodeTag(got); back == nil || !reflect.DeepEqual(*back, r) {
				t.Errorf("%s: reads as %+v", got, back)
			}
		}
	}
}

func text(u shortUID) string {
	b, _ := u.MarshalText()
	return string(b)
}

// TestNotOurTag: what is not ours to the letter is an ordinary tag.
func TestNotOurTag(t *testing.T) {
	t.Parallel()
	uid := text(shortUID(secret.DeriveUID("s", "p", "i", epoch)))
	good := `{"v":1,"u":"` + uid + `","n":1}`
	if decodeTag(good) == nil {
		t.Fatal("the least tag does not decode")
	}
	for _, s := range []string{
		"", "yes", "null", "[]", "{}", good + "x", good + good, strings.Replace(good, `"v":1`, `"v":2`, 1),
		strings.Replace(good, `"n":1`, `"n":0`, 1), strings.Replace(good, `"n":1`, `"n":9223372036854775807`, 1),
		strings.Replace(good, uid, uid[:21], 1), strings.Replace(good, uid, "AAAAAAAAAAAAAAAAAAAAAA", 1), strings.Replace(good, uid, uid[:21]+"=", 1),
		strings.TrimSuffix(good, "}") + `,"f":"z"}`, strings.TrimSuffix(good, "}") + `,"c":"x"}`, strings.TrimSuffix(good, "}") + `,"c":1e9}`,
		strings.TrimSuffix(good, "}") + `,"c":99999999999999}`, strings.TrimSuffix(good, "}") + `,"c":1.1234567890}`,
		strings.TrimSuffix(good, "}") + `,"h":-1}`, strings.TrimSuffix(good, "}") + `,"q":-1}`, strings.TrimSuffix(good, "}") + `,"q":9223372036854775807}`, good + strings.Repeat(" ", 256),
	} {
		if decodeTag(s) != nil {
			t.Errorf("%q passes for ours", s)
		}
	}
	it := native("a", 0)
	it.setTags(map[string]*string{reservedTag: new("yes"), "k": nil})
	if it.tag != nil || it.tags[reservedTag] != "yes" || len(it.tags) != 2 {
		t.Error("a tag of somebody else's is not shown as one")
	}
}

// FuzzTag: nothing that a vault sends breaks the reader, and what is read is
// written and read again the same.
func FuzzTag(f *testing.F) {
	uid := text(shortUID(secret.DeriveUID("s", "p", "i", epoch)))
	for _, s := range []string{
		`{"v":1,"u":"` + uid + `","n":1,"c":1735787045.5,"p":0}`, `{"v":1,"u":"` + uid + `","n":2,"f":"j","x":{"a":1},"st":{"a":"b"},"z":true,"i":"m"}`,
		`{"v":1,"u":"` + uid + `","n":3,"c":-0.5,"m":-1}`, `{}`, `x`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := decodeTag(s)
		if r == nil {
			return
		}
		it := native("a", 0)
		it.tag = r
		newStored(place{"s", "v"}, "n", []item{it, native("b", 1)}, "b").Clone()
		out, err := r.encode()
		if err != nil {
			t.Fatalf("what was read does not encode: %v", err)
		}
		back := decodeTag(out)
		if back == nil {
			if characters(out) > maxTagText { // a short escape may grow
				return
			}
			t.Fatalf("what was written does not read: %q", out)
		}
		again, err := back.encode()
		if err != nil || again != out {
			t.Errorf("%q becomes %q", out, again)
		}
	})
}

func FuzzID(f *testing.F) {
	for _, s := range []string{"https://v/secrets/n/v", "https://v/secrets/n", "https://v/secrets//", "/", "%", "https://v:443/Secrets/n/v/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, _, ok := parseID(s); ok && name == "" {
			t.Error("an id without a name")
		}
	})
}
