package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/vaultferry/vaultferry/migrate/report"
)

const hostile = `</style><script>alert(1)</script><img src=x onerror=alert(1)>'"&` + "\u202e\x1b[2J"

// pageOf is the page of the small migration, parsed as browsers parse it.
func pageOf(t *testing.T, m report.Migration, d *report.Details) (*html.Node, string) {
	t.Helper()
	r, err := report.Sign(statement(t, m), keyring(t, edRing))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.HTML(&b, d); err != nil {
		t.Fatal(err)
	}
	root, err := html.ParseWithOptions(strings.NewReader(b.String()), html.ParseOptionEnableScripting(true))
	if err != nil {
		t.Fatal(err)
	}
	return root, b.String()
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// find returns the elements of which the condition holds.
func find(root *html.Node, is func(*html.Node) bool) (all []*html.Node) {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && is(n) {
			all = append(all, n)
		}
	}
	return all
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func rows(t *testing.T, root *html.Node, id string) (all []string) {
	t.Helper()
	tables := find(root, func(n *html.Node) bool { return n.DataAtom == atom.Table && attribute(n, "id") == id })
	if len(tables) != 1 {
		t.Fatalf("%d tables %q", len(tables), id)
	}
	for _, tr := range find(tables[0], func(n *html.Node) bool { return n.DataAtom == atom.Tr }) {
		var cells []string
		for _, cell := range find(tr, func(n *html.Node) bool { return n.DataAtom == atom.Td || n.DataAtom == atom.Th }) {
			cells = append(cells, text(cell))
		}
		all = append(all, strings.Join(cells, "|"))
	}
	return all
}

func wants(t *testing.T, got []string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no row %q in\n%s", w, strings.Join(got, "\n"))
		}
	}
}

// TestPageTells: what moved, the losses by grade, when, and what failed.
func TestPageTells(t *testing.T) {
	t.Parallel()
	m := facts()
	m.Moved = report.Moved{Begun: day, Ended: day.Add(time.Minute), Runs: 2, Done: 2, Failed: 1, Versions: 7}
	root, raw := pageOf(t, m, &report.Details{
		File: "/folder/move.report",
		Timeline: report.NewTimeline([]report.Event{
			{At: day.Add(3 * time.Second), What: report.EventThrottled},
			{At: day, What: report.EventDone},
			{At: day, What: report.EventDone},
			{At: day.Add(3 * time.Second), What: report.EventFailed},
		}),
		Failed: []report.Failure{{Name: "team/db", Step: "failed", Why: "unavailable"}},
	})
	wants(t, rows(t, root, "moved"), "The plan acts on|3|of 4 secrets", "done|2|7 versions written in 2 runs", "failed|1|")
	wants(t, rows(t, root, "classes"), "loses|1", "create|2", "same|1")
	wants(t, rows(t, root, "compared"), "the same|3", "differ, as foretold|1", "could not be read|0")
	wants(t, rows(t, root, "failed"), "team/db|failed|unavailable")
	wants(t, rows(t, root, "timeline"), "2026-11-30 12:00:00 UTC|2|2|0|0", "2026-11-30 12:00:03 UTC|1|0|1|1")
	wants(t, rows(t, root, "proof"), "Plan|made 2026-11-30 12:00:00 UTC", "File|move.plan, SHA-256 "+digestOf("plan"))
	all := text(root)
	r, err := report.Sign(statement(t, m), keyring(t, edRing))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(encode(t, r)) // EdDSA signs the same twice
	for _, want := range []string{
		"From old to new", "Not all is as it was planned", "The signed report is move.report, with the SHA-256 " + hex.EncodeToString(sum[:]) + " and 1 signature by the-source.",
		"data: a version or a value is gone", "version 2 2", "meaning: a state, an expiry, a stage or a tag is not held Nothing.", "uid 7 0",
		"a bar for each 1s. The highest is 2 secrets a second. Products asked 1 time to be left alone for a while.", "lines 17 (" + digestOf("first") + ") to 40",
	} {
		if !strings.Contains(strings.ReplaceAll(all, " ", ""), strings.ReplaceAll(want, " ", "")) {
			t.Errorf("the page does not say %q:\n%s", want, all)
		}
	}
	var bars []string
	for _, n := range find(root, func(n *html.Node) bool { return n.Data == "rect" && attribute(n, "height") != "1" }) {
		bars = append(bars, attribute(n, "class")+" "+attribute(n, "x")+" "+attribute(n, "height"))
	}
	if got := strings.Join(bars, ", "); got != "done 0.00 200.00, failed 720.00 100.00, throttled 720.00 40.00" {
		t.Errorf("the bars are %s", got)
	}
	if strings.Contains(raw, "/folder") {
		t.Error("the page tells where the files are")
	}
}

// TestPageIsClosed: it loads nothing, runs nothing, and its policy says so and
// names its one style.
func TestPageIsClosed(t *testing.T) {
	t.Parallel()
	m := facts()
	m.Run, m.Program, m.Source.Store, m.Source.Product, m.Target.Gateway, m.Plan.File = hostile, hostile, hostile, hostile, hostile, "a<b>"+hostile[20:]
	root, raw := pageOf(t, m, &report.Details{
		File: hostile, Failed: []report.Failure{{Name: hostile, Step: hostile, Why: hostile}},
		Timeline: report.NewTimeline([]report.Event{{At: day}}),
	})
	styles := find(root, func(n *html.Node) bool { return n.DataAtom == atom.Style })
	if len(styles) != 1 {
		t.Fatalf("%d styles", len(styles))
	}
	sum := sha256.Sum256([]byte(styles[0].FirstChild.Data))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	head := find(root, func(n *html.Node) bool { return n.DataAtom == atom.Meta })
	if len(head) < 2 || attribute(head[1], "http-equiv") != "Content-Security-Policy" || attribute(head[1], "content") != policy {
		t.Errorf("its policy is not %s", policy)
	}
	known := []string{
		"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "bdi", "code", "table", "tbody", "tr", "th", "td", "svg", "rect", "line",
		"details", "summary",
	}
	may := []string{
		"lang", "charset", "http-equiv", "content", "name", "class", "id", "viewBox", "role", "aria-label", "x", "y", "width", "height", "x1", "x2", "y1", "y2",
	}
	for _, n := range find(root, func(*html.Node) bool { return true }) {
		if !slices.Contains(known, n.Data) {
			t.Errorf("there is a <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if !slices.Contains(may, a.Key) {
				t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	if strings.ContainsAny(raw, "\u202e\x1b") {
		t.Error("text of others turns the page's round")
	}
	if !slices.ContainsFunc(rows(t, root, "failed"), func(s string) bool { return strings.Contains(s, `<script>alert(1)</script>`) }) {
		t.Error("the hostile name is not shown as text")
	}
}

// TestPageIsBounded: a page of a hundred thousand failures can be opened.
func TestPageIsBounded(t *testing.T) {
	t.Parallel()
	var d report.Details
	for i := range 100_000 {
		d.Failed = append(d.Failed, report.Failure{Name: fmt.Sprint("team/secret-", i), Why: "unavailable"})
	}
	root, raw := pageOf(t, facts(), &d)
	if n := len(rows(t, root, "failed")); n != 2001 || len(raw) > 1<<20 || !strings.Contains(raw, "And 98000 more.") {
		t.Errorf("%d rows, %d bytes", n, len(raw))
	}
	if !strings.Contains(raw, "Nothing was written.") {
		t.Error("a timeline of nothing")
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	for length, span := range map[time.Duration]time.Duration{
		0: time.Second, 119 * time.Second: time.Second, 120 * time.Second: 2 * time.Second, time.Hour: time.Minute, 300 * 24 * time.Hour: 96 * time.Hour,
	} {
		line := report.NewTimeline([]report.Event{{At: day.Add(length), What: report.EventThrottled}, {At: day}, {At: day.Add(length / 2), What: report.EventFailed}})
		var sum report.Bar
		for _, b := range line.Bars {
			sum.Done, sum.Failed, sum.Throttled = sum.Done+b.Done, sum.Failed+b.Failed, sum.Throttled+b.Throttled
		}
		if line.Span != span || sum != (report.Bar{Done: 1, Failed: 1, Throttled: 1}) || !line.Begun.Equal(day) || !line.Ended().After(day.Add(length)) || len(line.Bars) > 120 {
			t.Errorf("%v: %d bars of %v, %+v", length, len(line.Bars), line.Span, sum)
		}
	}
}
