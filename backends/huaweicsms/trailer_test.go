package huaweicsms

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

var epoch = time.Date(2025, 1, 2, 3, 4, 5, 250000, time.UTC)

func fullTrailer() trailer {
	uid := sidecar.UID(secret.DeriveUID("s", "p", "i", epoch))
	return trailer{
		Name: "a/b", Offset: 3, Created: compact(epoch), Updated: compact(epoch.Add(time.Second)), Days: 30, Import: "marker",
		Roles: &roles{TheirCurrent: 2, TheirPrevious: 1, Previous: 1}, Extra: sidecar.Members{"k": json.RawMessage(`[1,"<&>"]`)},
		Entries: []entry{
			{Number: 1, UID: uid, Created: compact(epoch), Disabled: true},
			{
				Number: 20, Ordinal: 40, UID: uid, Created: compact(epoch), Updated: compact(epoch.Add(time.Hour)), Form: formFields, Type: "text/plain",
				Tags: map[string]string{}, NotBefore: compact(epoch), Expires: compact(epoch), NoExpires: true, Extra: sidecar.Members{"j": json.RawMessage("null")},
			},
		},
	}
}

// TestTrailer: what was put behind a description comes back, and the
// description as it was, whatever it holds.
func TestTrailer(t *testing.T) {
	t.Parallel()
	full := fullTrailer()
	humans := []string{"", " ", "x", "x ", "two\nlines ", "vaultferry.1.", "vaultferry.1.AAAA", "a vaultferry.1.AAAA", "ünï", join("s", "", &full), join("other", "y", &full)}
	for _, human := range humans {
		for _, tr := range []trailer{full, {Days: 7}, {}} {
			d := join("s", human, &tr)
			back, read := split("s", d)
			if read == nil {
				read = &trailer{}
			}
			if back != human || !reflect.DeepEqual(*read, tr) {
				t.Errorf("%q comes back as %q", human, back)
			}
			if tr.empty() && !strings.Contains(human, trailerMark) && d != human {
				t.Errorf("%q is changed for nothing", human)
			}
		}
	}
}

// TestTrailerBytes holds the form that released versions write.
func TestTrailerBytes(t *testing.T) {
	t.Parallel()
	const written = "people's text vaultferry.1.-ACXjanFnJBBS8NAGET_yzt4-rCbpEnqhwievFgKFQUpRdKaStM0hrDRYtj_LrsqXgKClzk8mMcwAw1KMdkgvKKJ8IauBp-R0KPcPMyWT8vdPH2cZ4uqva5uF_d37whbNMqTNJ_lZpqeG2PiVHhGbdeXToIiNsE6Nf9RHb_hhcl-4Q6lQrAotjzZSVsX-wbhBR2csBkzlWPw42upcEIHKrTp69q59R9rPMx-YKge0FUkXJ5dsXZC55ndorFg23CjTyfsUY5Fdyg7wlGJcZ8BAAD__w"
	human, got := split("s", written)
	if want := fullTrailer(); human != "people's text" || got == nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("%q and %+v", human, got)
	}
}

// raw packs any bytes as a trailer of ours.
func raw(wire string, plain []byte) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(plain)
	_ = w.Close()
	return trailerMark + base64.RawURLEncoding.EncodeToString(append(check(wire, b.Bytes()), b.Bytes()...))
}

// TestNotOurTrailer: what is not ours to the letter is people's text.
func TestNotOurTrailer(t *testing.T) {
	t.Parallel()
	full := fullTrailer()
	good := join("s", "x", &full)
	if _, tr := split("s", good); tr == nil {
		t.Fatal("a good one is not read")
	}
	for what, d := range map[string]string{
		"another secret's":  join("other", "x", &full),
		"cut":               good[:len(good)-1],
		"with text behind":  good + " more",
		"with a line end":   good + "\n",
		"padded":            good + "=",
		"without a space":   strings.Replace(good, " "+trailerMark, "-"+trailerMark, 1),
		"another form":      strings.Replace(good, trailerMark, "vaultferry.2.", 1),
		"one bit off":       good[:len(good)-5] + string(good[len(good)-5]^1) + good[len(good)-4:],
		"no JSON":           "x " + raw("s", []byte("canary")),
		"a list":            "x " + raw("s", []byte("[]")),
		"two":               "x " + raw("s", []byte("{}{}")),
		"a bad number":      "x " + raw("s", []byte(`{"v":[{"v":0}]}`)),
		"a large number":    "x " + raw("s", []byte(`{"v":[{"v":10000000000}]}`)),
		"unordered":         "x " + raw("s", []byte(`{"v":[{"v":2},{"v":1}]}`)),
		"twice":             "x " + raw("s", []byte(`{"v":[{"v":1},{"v":1}]}`)),
		"a large ordinal":   "x " + raw("s", []byte(`{"v":[{"v":1,"o":9007199254740993}]}`)),
		"a negative offset": "x " + raw("s", []byte(`{"o":-1}`)),
		"a bad form":        "x " + raw("s", []byte(`{"v":[{"v":1,"f":"z"}]}`)),
		"a bad time":        "x " + raw("s", []byte(`{"c":1e9}`)),
		"a bad UID":         "x " + raw("s", []byte(`{"v":[{"v":1,"u":"x"}]}`)),
		"a bad name":        "x " + raw("s", []byte(`{"n":"a\u0000"}`)),
		"too many days":     "x " + raw("s", []byte(`{"d":31}`)),
		"a bomb":            "x " + raw("s", bytes.Repeat([]byte(" "), 10<<20)),
	} {
		if human, tr := split("s", d); tr != nil || human != d {
			t.Errorf("%s: taken for ours", what)
		}
	}
}

// TestTags: any tags are spelt in the product's alphabet and read back.
func TestTags(t *testing.T) {
	t.Parallel()
	tags := map[string]string{
		"plain": "a/b", "": "", " x": "y ", "größe": "groß & <klein>", "_sys_x": "1", "b64.": "b64.AA", "b64.eA": "b64.", "b64.YjY0LmVB": "",
		"a b:c+d@é=": "\n", "日本": "日本語", "slash/": "\x00",
	}
	spelt, why := spellTags(tags)
	if why != "" || len(spelt) != len(tags) {
		t.Fatalf("%d of %d: %s", len(spelt), len(tags), why)
	}
	for k, v := range spelt {
		if !tagKey(k) || !tagValue(v) {
			t.Errorf("%q=%q is not what CSMS takes", k, v)
		}
	}
	if back := readTags(spelt); !reflect.DeepEqual(back, tags) {
		t.Errorf("%v came back as %v", tags, back)
	}
	if spelt["plain"] != "a/b" || spelt["日本"] != "日本語" {
		t.Error("what the product takes is not as it is")
	}
	for what, bad := range map[string]map[string]string{
		"a long key": {strings.Repeat("k", 129): ""}, "a long value": {"k": strings.Repeat("v", 256)}, "a long escape": {"k": strings.Repeat("<", 190)},
	} {
		if _, why := spellTags(bad); why == "" {
			t.Errorf("%s is taken", what)
		}
	}
}

// TestDays are between the product's bounds, and never fewer than asked for
// within them.
func TestDays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		left time.Duration
		want int
	}{
		{0, 7},
		{-day, 7},
		{7 * day, 7},
		{7*day + time.Minute, 7},
		{7*day + 2*time.Hour, 8},
		{8*day - time.Second, 8},
		{29 * day, 29},
		{30*day - time.Millisecond, 30},
		{31 * day, 30},
		{90 * day, 30},
	} {
		if got := daysUntil(epoch, epoch.Add(c.left)); got != c.want {
			t.Errorf("%v: %d days, want %d", c.left, got, c.want)
		}
	}
	if daysUntil(epoch, time.Time{}) != 30 {
		t.Error("for ever is not as long as can be")
	}
}

// TestNames: names and the product's are one to one.
func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]secret.Name{}
	for _, n := range []secret.Name{
		"a", "A", "a.b", "a_b", "x0-", "x0-c4", "x1-", "a/b", "ü", statePrefix + "x", "vaultferry", secret.Name(hashOf("a")), secret.Name(hashOf("a") + "x"),
		secret.Name(strings.Repeat("n", 64)), secret.Name(strings.Repeat("n", 65)), secret.Name(strings.Repeat("ü", 256)), secret.Name(strings.Repeat("p/", 19)),
	} {
		wire, err := encodeName(n)
		if err != nil || !label(wire) || strings.HasPrefix(wire, statePrefix) {
			t.Errorf("%q is spelt %q: %v", n, wire, err)
		}
		if other, taken := seen[wire]; taken {
			t.Errorf("%q and %q share %q", n, other, wire)
		}
		seen[wire] = n
		if back, ok := decodeName(wire, n); !ok || back != n {
			t.Errorf("%q comes back as %q", n, back)
		}
		if back, ok := decodeName(wire, ""); isHash(wire) == ok || ok && back != n {
			t.Errorf("%q, with no name kept, comes back as %q", n, back)
		}
	}
	if _, ok := decodeName(hashOf("a"), "b"); ok {
		t.Error("a hash is of another name")
	}
}
