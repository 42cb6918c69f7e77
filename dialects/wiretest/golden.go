package wiretest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.opentelemetry.io/otel/trace"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/golden"
)

// Target is a gateway for one golden file, fresh, with a clock and ids that
// are the same in every run.
type Target struct {
	Handler http.Handler
	// Sign authenticates a request, which is complete but for that.
	Sign  func(*http.Request)
	Audit func() []audit.Entry
	// Log is what the gateway logged, at debug, in JSON.
	Log *Log
}

// Golden runs every file that matches pattern as a subtest. A file is a txtar
// archive; its comment says where the expectation comes from. Its sections:
//
//	given     requests that prepare, one a line: METHOD URL [BODY]
//	request   METHOD URL, headers, an empty line, the body
//	response  status, headers sorted, an empty line, the body
//	audit     the lines that the request left
//
// Request, response and audit may come again. Requests are signed unless they
// bear an Authorization header; "Authorization: none" is dropped. The last blob
// seen is written {blob}, in requests too, and request ids {id}. With -update
// the file takes the response and audit that came.
func Golden(t *testing.T, pattern string, open func(*testing.T) Target) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden file matches %s (%v)", pattern, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runFile(t, f, open(t))
		})
	}
}

// player sends the requests of one file.
type player struct {
	Target
	t     *testing.T
	blob  string
	audit int // entries seen
	trace trace.TraceID
	// values are those of what was sent.
	values []string
}

func runFile(t *testing.T, path string, target Target) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{Target: target, t: t}
	var response string
	got := map[string]int{}
	for i := range a.Files {
		f := &a.Files[i]
		got[f.Name]++
		switch f.Name {
		case "given":
			p.prepare(string(f.Data))
		case "request":
			p.audit = len(p.Audit())
			response = p.show(p.send(string(f.Data)))
			p.refusals()
		case "response":
			p.compare(f, response)
		case "audit":
			p.compare(f, p.auditLines())
		default:
			t.Fatalf("unknown section %q", f.Name)
		}
	}
	if got["request"] == 0 || got["response"] != got["request"] || got["audit"] != got["request"] {
		t.Fatal("request, response and audit do not come in threes")
	}
	if golden.Updating() {
		if err := os.WriteFile(path, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *player) compare(f *txtar.File, got string) {
	p.t.Helper()
	if golden.Updating() {
		f.Data = []byte(got)
		return
	}
	if got != string(f.Data) {
		p.t.Errorf("%s:\n%s\nwant:\n%s", f.Name, got, f.Data)
	}
}

func (p *player) prepare(lines string) {
	p.t.Helper()
	for line := range strings.Lines(lines) {
		parts := strings.SplitN(strings.TrimSpace(line), " ", 3)
		body := ""
		if len(parts) == 3 {
			body = parts[2]
		}
		w := p.send(parts[0] + " " + parts[1] + "\n\n" + body)
		if w.Code/100 != 2 {
			p.t.Fatalf("given %s %s: %d %s", parts[0], parts[1], w.Code, w.Body)
		}
	}
}

// send plays a request: its head, an empty line, and its body without the
// final newline.
func (p *player) send(text string) *httptest.ResponseRecorder {
	p.t.Helper()
	text = strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "{blob}", p.blob)
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	method, url, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	for _, h := range lines[1:] {
		k, v, _ := strings.Cut(h, ": ")
		if k == "Host" {
			r.Host = v
			continue
		}
		r.Header.Add(k, v)
	}
	switch r.Header.Get("Authorization") {
	case "":
		p.Sign(r)
	case "none":
		r.Header.Del("Authorization")
	}
	w := httptest.NewRecorder()
	p.Handler.ServeHTTP(w, p.traced(r, body))
	if m := blobs.FindSubmatch(w.Body.Bytes()); m != nil {
		p.blob = string(m[1])
	}
	return w
}

var (
	blobs = regexp.MustCompile(`"([K)][^"\\]{200,})"`)
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// show writes an answer as the file holds it.
func (p *player) show(w *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintln(&b, w.Code)
	var head []string
	for k, vs := range w.Header() {
		for _, v := range vs {
			head = append(head, k+": "+v)
		}
	}
	slices.Sort(head)
	body := w.Body.String()
	for _, h := range head {
		h = uuids.ReplaceAllString(h, "{id}")
		if p.blob != "" && strings.Contains(body, p.blob) && strings.HasPrefix(h, "Content-Length: ") {
			h = "Content-Length: {length}"
		}
		fmt.Fprintln(&b, h)
	}
	if p.blob != "" {
		body = strings.ReplaceAll(body, p.blob, "{blob}")
	}
	fmt.Fprintf(&b, "\n%s\n", uuids.ReplaceAllString(body, "{id}"))
	return b.String()
}

func (p *player) auditLines() string {
	var b strings.Builder
	for _, e := range p.Audit()[p.audit:] {
		fmt.Fprintf(&b, "%s %s caller=%q action=%s store=%s name=%q versions=%v result=%q",
			e.Phase, e.Op, e.Caller, e.Action, e.Store, e.Name, e.Versions, e.Result)
		if e.Reason != "" {
			fmt.Fprintf(&b, " reason=%q", e.Reason)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
