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
	at := sidecar.Time{Time: epoch}
	return trailer{
		Secret: sidecar.Secret{
			Name: "a/b", Shifts: sidecar.Shifts{{1, 3}}, Created: at, Updated: sidecar.Time{Time: epoch.Add(time.Second)}, Import: "marker",
			Roles: &sidecar.Roles{Previous: 4}, Extra: sidecar.Members{"k": json.RawMessage(`[1,"<&>"]`)},
		},
		ShownBy: roles{2, 1}, Days: 30, Surplus: []int64{3, 4},
		Versions: []entry{
			{1, sidecar.Version{UID: uid, Created: at, Disabled: true}},
			{20, sidecar.Version{
				Ordinal: 40, UID: uid, Created: at, Updated: sidecar.Time{Time: epoch.Add(time.Hour)}, Form: sidecar.FormObject, ContentType: "text/plain",
				Tags: map[string]string{}, NotBefore: at, Expires: at, Endless: "e", Extra: sidecar.Members{"j": json.RawMessage("null")},
			}},
		},
	}
}

// TestLetters: the trailer uses the letters of all products.
func TestLetters(t *testing.T) {
	t.Parallel()
	if got := sidecar.CheckLetters(trailer{}); len(got) > 0 {
		t.Errorf("not in the codebook: %v", got)
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
			if sidecar.JSON(&tr) == empty && !strings.Contains(human, trailerMark) && d != human {
				t.Errorf("%q is changed for nothing", human)
			}
		}
	}
}

// TestTrailerBytes holds the form of format 1.
func TestTrailerBytes(t *testing.T) {
	t.Parallel()
	const written = "people's text vaultferry.1.P-gKkZDhnNBNS8NAEIfx7_IcPA1207zVQQRBEMRaqViQZZFUt9I0jSUkWAn73YVg0UO9eH0Ovxn-PRuUYrREaFBrJHFChVobSeyc8IJGeZzmk9wk6akxZpwK218xO8Q9OnA2Es5PLnBBWKNsi2bjG4QFanvu0EjoUK4Xk_nzfDVNn6bZrNxdlrezx4cP_rj5irZN54MMxNgINZqY_1CH989M9hNXKCXCJ0rr9-1oVxXrGuEN7YOwPCb5Y_EdxfM9SInWXVWF4IR71I4lcsINauNh6ys0NuErAAD__w"
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
	for _, ours := range []string{`{"D":7}`, `{"V":[{"N":1,"d":true}]}`, `{"V":[{"N":1,"n":5}]}`, `{"c":1000000000}`, `{"k":"a"}`, `{"J":[1,2]}`} {
		if _, tr := split("s", "x "+raw("s", []byte(ours))); tr == nil {
			t.Fatalf("%s is not read", ours)
		}
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
		"two of a key":      "x " + raw("s", []byte(`{"D":7,"D":7}`)),
		"an unknown key":    "x " + raw("s", []byte(`{"D":7,"Q":1}`)),
		"spaces":            "x " + raw("s", []byte(`{"D": 7}`)),
		"a bad number":      "x " + raw("s", []byte(`{"V":[{"N":0,"d":true}]}`)),
		"a large number":    "x " + raw("s", []byte(`{"V":[{"N":10000000000,"d":true}]}`)),
		"unordered":         "x " + raw("s", []byte(`{"V":[{"N":2,"d":true},{"N":1,"d":true}]}`)),
		"twice":             "x " + raw("s", []byte(`{"V":[{"N":1,"d":true},{"N":1,"d":true}]}`)),
		"nothing said":      "x " + raw("s", []byte(`{"V":[{"N":1}]}`)),
		"a large ordinal":   "x " + raw("s", []byte(`{"V":[{"N":1,"n":9007199254740993}]}`)),
		"a negative offset": "x " + raw("s", []byte(`{"l":[[1,-1]]}`)),
		"a bad form":        "x " + raw("s", []byte(`{"V":[{"N":1,"f":"z"}]}`)),
		"another's form":    "x " + raw("s", []byte(`{"V":[{"N":1,"f":"f"}]}`)),
		"a native stage":    "x " + raw("s", []byte(`{"V":[{"N":1,"s":["blue"]}]}`)),
		"a bad time":        "x " + raw("s", []byte(`{"c":1e9}`)),
		"a bad UID":         "x " + raw("s", []byte(`{"V":[{"N":1,"u":"x"}]}`)),
		"a bad name":        "x " + raw("s", []byte(`{"k":"a\u0000"}`)),
		"surplus disorder":  "x " + raw("s", []byte(`{"J":[2,1]}`)),
		"too many days":     "x " + raw("s", []byte(`{"D":31}`)),
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
