package azurekv

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// TestTagBytes holds the form that the gateway writes.
func TestTagBytes(t *testing.T) {
	t.Parallel()
	uid := sidecar.UID(secret.DeriveUID("s", "p", "i", epoch))
	for want, r := range map[string]tagSidecar{
		`{"n":1,"u":"` + text(uid) + `","c":1735787045}`: {Version: sidecar.Version{UID: uid, Ordinal: 1, Created: at(epoch)}},
		`{"n":12,"u":"` + text(uid) + `","c":1735787045.00025,"m":1735787046,"f":"b","g":{},"o":"e","s":["a","b"],"x":{"k":[1,"<&>"]},` +
			`"S":{"r":[10,11],"h":13,"c":1735787044,"t":"é","g":{"k":""},"x":{"j":null}},"w":1735787047,"T":1735787048,"Z":"marker","Y":true}`: {
			Version: sidecar.Version{
				UID: uid, Ordinal: 12, Created: at(epoch.Add(250 * time.Microsecond)), Updated: at(epoch.Add(time.Second)),
				Form: sidecar.FormBytes, Tags: map[string]string{}, Endless: "e", Stages: []string{"a", "b"},
				Extra: sidecar.Members{"k": json.RawMessage(`[1,"<&>"]`)},
			},
			Secret: &sidecar.Secret{
				Roles: &sidecar.Roles{Current: 10, Previous: 11}, Highest: 13, Created: at(epoch.Add(-time.Second)), Description: "é",
				Tags: map[string]string{"k": ""}, Extra: sidecar.Members{"j": json.RawMessage("null")},
			},
			Written: at(epoch.Add(2 * time.Second)), Touched: at(epoch.Add(3 * time.Second)), Last: "marker", OurType: true,
		},
	} {
		got := sidecar.JSON(r)
		if got != want {
			t.Errorf("encoded as %s, want %s", got, want)
		}
		if back := decodeTag(got); back == nil != (len(want) > maxSidecar) || back != nil && !reflect.DeepEqual(*back, r) {
			t.Errorf("%s: reads as %+v", got, back)
		}
	}
}

func at(t time.Time) sidecar.Time { return sidecar.Time{Time: t} }

func text(u sidecar.UID) string {
	b, _ := u.MarshalText()
	return string(b)
}

// TestLetters: the codebook knows each letter of the tag.
func TestLetters(t *testing.T) {
	t.Parallel()
	if unknown := sidecar.CheckLetters(tagSidecar{}); len(unknown) > 0 {
		t.Errorf("not in the codebook: %v", unknown)
	}
}

// TestNotOurTag: what is not ours to the letter is an ordinary tag.
func TestNotOurTag(t *testing.T) {
	t.Parallel()
	uid := text(sidecar.UID(secret.DeriveUID("s", "p", "i", epoch)))
	good := `{"n":1,"u":"` + uid + `"}`
	with := func(more string) string { return strings.TrimSuffix(good, "}") + more + "}" }
	for _, s := range []string{good, with(`,"c":1`), with(`,"f":"j"`), with(`,"S":{"r":[1,0]}`), with(`,"S":{"r":[1,0]},"F":true`)} {
		if decodeTag(s) == nil {
			t.Fatalf("%s does not decode", s)
		}
	}
	for _, s := range []string{
		"", "yes", "null", "[]", "{}", good + "x", good + good, good + " ", `{"v":1,` + good[1:], with(`,"v":1`),
		strings.Replace(good, `"n":1`, `"n":0`, 1), strings.Replace(good, `"n":1`, `"n":9223372036854775807`, 1),
		strings.Replace(good, uid, uid[:21], 1), strings.Replace(good, uid, "AAAAAAAAAAAAAAAAAAAAAA", 1), strings.Replace(good, uid, uid[:21]+"=", 1),
		with(`,"f":"z"`), with(`,"f":"f"`), with(`,"c":"x"`), with(`,"c":1e9`), with(`,"c":99999999999999`), with(`,"c":1.1234567890`),
		with(`,"S":{"r":[1,0],"h":-1}`), with(`,"S":{"r":[-1,0]}`), with(`,"S":{"r":[0,-1]}`), with(`,"S":{"r":[9223372036854775807,0]}`),
		with(`,"S":{"t":"d"}`), with(`,"S":{"r":[1,0],"z":{"w":1}}`), with(`,"y":"a/b"`), with(`,"g":{"a":"b"}`), with(`,"d":true`), with(`,"a":"destroyed"`), with(`,"i":"m","Z":"m"`),
		with(`,"F":true`), with(`,"g":{},"S":{"r":[1,0]},"F":true`), with(`,"S":{"r":[1,0],"g":{}},"F":true`),
		good + strings.Repeat(" ", 256),
	} {
		if decodeTag(s) != nil {
			t.Errorf("%q passes for ours", s)
		}
	}
	it := native("a", 0)
	it.setTags(map[string]*string{sidecarTag: new("yes"), "k": nil})
	if it.tag != nil || it.tags[sidecarTag] != "yes" || len(it.tags) != 2 {
		t.Error("a tag of somebody else's is not shown as one")
	}
}

// FuzzTag: nothing that a vault sends breaks the reader, and what is read is
// what would be written.
func FuzzTag(f *testing.F) {
	uid := text(sidecar.UID(secret.DeriveUID("s", "p", "i", epoch)))
	for _, s := range []string{
		`{"n":1,"u":"` + uid + `","c":1735787045.5,"S":{"r":[1,0]}}`, `{"n":2,"u":"` + uid + `","f":"j","x":{"a":1},"S":{"r":[2,1],"g":{"a":"b"}},"Z":"m"}`,
		`{"n":3,"u":"` + uid + `","c":-1.5,"m":-1}`, `{}`, `x`,
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
		newStored(origin{"s", "v"}, "n", []item{it, native("b", 1)}, "b").Clone()
		if out := sidecar.JSON(r); out != s {
			t.Fatalf("%q is taken and would be written %q", s, out)
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
