package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// text draws what stands in names and reasons, and what must not hurt there.
var text = rapid.OneOf(
	rapid.StringMatching(`[a-z0-9-]{0,20}`),
	rapid.String(),
	rapid.SampledFrom([]string{"", "\x00\n\t", "\u202e\u2066\u200f", "\u2028", `"\</script>&`, "é漢🙂", "\x7f", "\U000e0001"}),
)

func entries() *rapid.Generator[Entry] {
	return rapid.Custom(func(t *rapid.T) Entry {
		e := Entry{
			V: 1, Seq: rapid.Uint64Min(1).Draw(t, "seq"), Chain: strings.Repeat("0", 64),
			Time:  time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC(),
			Phase: text.Draw(t, "phase"), RequestID: text.Draw(t, "id"), Caller: text.Draw(t, "caller"), Address: text.Draw(t, "address"),
			Via: text.Draw(t, "via"), Op: text.Draw(t, "op"), Action: text.Draw(t, "action"), Store: text.Draw(t, "store"),
			Name: text.Draw(t, "name"), Event: text.Draw(t, "event"), BackendOps: rapid.Int64().Draw(t, "ops"),
			Result: text.Draw(t, "result"), Reason: text.Draw(t, "reason"), Archive: text.Draw(t, "archive"),
			DurationMS: float64(rapid.Int64Range(0, 1e12).Draw(t, "us")) / 1000, DryRun: rapid.Bool().Draw(t, "dry"),
			Form: text.Draw(t, "form"), Credential: text.Draw(t, "credential"), File: text.Draw(t, "file"),
			Digest: text.Draw(t, "digest"), Key: text.Draw(t, "key"),
		}
		if n := rapid.IntRange(0, 5).Draw(t, "versions"); n > 0 {
			e.Versions = rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "v")
			e.Losses = rapid.SliceOfN(text, n, n).Draw(t, "losses")
		}
		if rapid.Bool().Draw(t, "more") {
			e.Origin = &Origin{text.Draw(t, "g"), text.Draw(t, "s"), text.Draw(t, "n")}
			e.Tally = &Tally{Count: 3, First: e.Time, Last: e.Time, Results: map[string]int64{"denied": 3}}
			e.Tree = &TreeState{Log: "0123", Size: 1, Hashes: []string{"x"}}
			e.Checkpoint = &Checkpoint{Note: "a\nb\n"}
			e.VersionsRest, e.LossesRest = &Rest{Count: 1}, &Rest{Count: 2}
		}
		return e
	})
}

func lineOf(e Entry) []byte {
	at := link{seq: e.Seq - 1}
	return appendBody(appendHead(nil, &at, e.Time), &e)
}

// TestALineIsWhatTheStructSays: what is written by hand reads as what
// encoding/json writes, to the key and its order.
func TestALineIsWhatTheStructSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := entries().Draw(t, "entry")
		line := lineOf(e)
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("not one line: %q", line)
		}
		for _, c := range string(line[:len(line)-1]) {
			if c < ' ' || c == 0x7f || c == 0x202e || c == 0x2066 || c == 0x2028 {
				t.Fatalf("%q is in the line as it is", c)
			}
		}
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := tokens(t, line), tokens(t, want); !reflect.DeepEqual(a, b) {
			t.Fatalf("\n%s\nis not\n%s", line, want)
		}
		if got, err := Parse(line); err != nil || got.Name != strings.ToValidUTF8(e.Name, "\ufffd") && len(e.Name) == len([]rune(e.Name)) {
			t.Fatalf("read back as %+v (%v)", got, err)
		}
	})
}

func tokens(t *rapid.T, line []byte) (all []json.Token) {
	for d := json.NewDecoder(bytes.NewReader(line)); ; {
		tok, err := d.Token()
		if err != nil {
			return all
		}
		all = append(all, tok)
	}
}

// TestEveryKeyIsWritten: a field that is added is not forgotten here.
func TestEveryKeyIsWritten(t *testing.T) {
	t.Parallel()
	e := Entry{
		Phase: "x", RequestID: "x", Caller: "x", Address: "x", Via: "x", Op: "x", Action: "x", Store: "x", Name: "x", Event: "x",
		Versions: []int64{1}, BackendOps: 1, Result: "x", Reason: "x", Losses: []string{"x"}, Archive: "x", DurationMS: 1, Origin: &Origin{},
		DryRun: true, Form: "x", Credential: "x", VersionsRest: &Rest{}, LossesRest: &Rest{}, File: "x", Digest: "x", Key: "x",
		Tally: &Tally{}, Tree: &TreeState{}, Checkpoint: &Checkpoint{},
	}
	var keys map[string]any
	if err := json.Unmarshal(lineOf(e), &keys); err != nil {
		t.Fatal(err)
	}
	for f := range reflect.TypeFor[Entry]().Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, ok := keys[key]; !ok {
			t.Errorf("%s is not written", key)
		}
	}
}

// TestALineIsBounded whatever it tells of.
func TestALineIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a\x00é", 1<<16)
	e := Entry{V: 1, Seq: 1, Op: long, Name: long, Reason: long, Archive: long, RequestID: long, Caller: long, Origin: &Origin{long, long, long}}
	for i := range int64(11_500) {
		e.Versions = append(e.Versions, i+1)
		grade := "trace"
		if i%3 == 0 {
			grade = "data"
		}
		e.Losses = append(e.Losses, fmt.Sprintf("%s: version %d is not kept: %s", grade, i+1, long[:1000]))
	}
	line := lineOf(e)
	if len(line) > 512<<10 {
		t.Fatalf("%d bytes", len(line))
	}
	got, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	v, l := got.VersionsRest, got.LossesRest
	if len(got.Versions) != 100 || got.Versions[99] != 100 || v == nil || v.Count != 11_400 || v.Ranges != "101-11500" || len(v.SHA256) != 64 {
		t.Errorf("%d versions, and %+v", len(got.Versions), v)
	}
	if len(got.Losses) != 50 || l == nil || l.Count != 11_450 || l.Ranges != "data 3817, trace 7633" {
		t.Errorf("%d losses, and %+v", len(got.Losses), l)
	}
	if !strings.Contains(got.Name, "... (262144 bytes, sha256 ") {
		t.Errorf("the name ends %q", got.Name[len(got.Name)-100:])
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	var odd []int64
	for i := range int64(1000) {
		odd = append(odd, 2*i)
	}
	for want, in := range map[string][]int64{"": nil, "7": {7}, "1-3,5": {3, 1, 2, 5, 5}, "-1-1": {-1, 0, 1}} {
		if got := ranges(in); got != want {
			t.Errorf("%v: %q", in, got)
		}
	}
	if got := ranges(odd); !strings.HasSuffix(got, "98,...") || strings.Count(got, ",") != maxRanges {
		t.Errorf("%q", got)
	}
}

// TestAppendTextAllocates nothing: it is on the way of every request.
func TestAppendTextAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 4096)
	e := Entry{Op: "azure.GetSecret", Name: "naïve", Versions: []int64{1}, DurationMS: 1.5}
	if n := testing.AllocsPerRun(100, func() { b = appendBody(b[:0], &e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse: a line of anybody's is read, or refused, and never more.
func FuzzParse(f *testing.F) {
	f.Add(lineOf(Entry{V: 1, Seq: 1, Op: "x", Losses: []string{"a"}}))
	f.Add([]byte(`{"v":1,"chain":"ab`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := Parse(line)
		if err != nil {
			return
		}
		again, err := Parse(lineOf(e))
		if err != nil {
			t.Fatalf("%q does not read again: %v", line, err)
		}
		if again.Op != clip(e.Op) && !strings.ContainsRune(e.Op, 0xfffd) {
			t.Fatalf("%q became %q", e.Op, again.Op)
		}
	})
}
