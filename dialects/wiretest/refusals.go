package wiretest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// Log keeps what a gateway logs.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Logger writes to the log from debug on.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// take returns what has come since it was last asked.
func (l *Log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

var sentValues = regexp.MustCompile(`"(?:value|secret_string|secret_binary)": *"([^"\\]{4,})"`)

// traced makes the request a part of a trace of its own.
func (p *player) traced(r *http.Request, body string) *http.Request {
	for _, v := range sentValues.FindAllStringSubmatch(body, -1) {
		p.values = append(p.values, v[1])
	}
	binary.BigEndian.PutUint64(p.trace[:], binary.BigEndian.Uint64(p.trace[:])+1)
	return r.WithContext(trace.ContextWithSpanContext(r.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: p.trace, SpanID: trace.SpanID{1}})))
}

// refused is a line of the log that says why.
type refused struct {
	Level, Msg, Op, Store, Caller, Result, Reason, Error string
	RequestID                                            string `json:"request_id"`
	TraceID                                              string `json:"trace_id"`
}

// refusals wants a line at debug, with a reason and with what finds the request
// elsewhere, of each refusal that the audit has a line of, a stranger's too; and
// no value anywhere.
func (p *player) refusals() {
	p.t.Helper()
	text := p.Log.take()
	for _, v := range p.values {
		if strings.Contains(text, v) {
			p.t.Errorf("the log holds the value %q: %s", v, text)
		}
	}
	var lines []refused
	for line := range strings.Lines(text) {
		var l refused
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			p.t.Fatalf("%v: %s", err, line)
		}
		if l.Msg == "refused" {
			lines = append(lines, l)
		}
	}
	for _, e := range p.Audit()[p.audit:] {
		if e.Phase != audit.Outcome || e.Result == "ok" {
			continue
		}
		if len(lines) == 0 {
			p.t.Errorf("the log does not say why %s was refused: %s", e.Op, e.Result)
			return
		}
		l := lines[0]
		lines = lines[1:]
		if l.Level != "DEBUG" || l.Op != e.Op || l.Store != e.Store || l.Caller != e.Caller || l.Result != e.Result ||
			l.RequestID != e.RequestID || l.TraceID != p.trace.String() || l.Error == "" && l.Reason == "" {
			p.t.Errorf("of %s the log says %+v", e.Op, l)
		}
	}
	if len(lines) > 0 {
		p.t.Errorf("the log says more than the audit: %+v", lines)
	}
}

// Refusals has a store fail in each kind of way, and wants the log to say why, for
// the request that reads a secret of it.
func Refusals(t *testing.T, target Target, fail func(error), request string) {
	t.Helper()
	p := &player{Target: target, t: t}
	for _, k := range secret.Kinds() {
		p.audit = len(p.Audit())
		why := "why-" + strings.ReplaceAll(k.Error(), " ", "-")
		fail(&secret.Error{Kind: k, Detail: why})
		if w := p.send(request); w.Code < http.StatusBadRequest {
			t.Errorf("%s: %d", k, w.Code)
		}
		said := p.Log.text.String()
		p.refusals()
		if !strings.Contains(said, why) {
			t.Errorf("of %s the log says %s", k, said)
		}
	}
}
