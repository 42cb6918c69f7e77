package migrate

import (
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/vaultferry/vaultferry/internal/jsonl"
	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// planLabel and journalLabel keep what the run key authenticates apart.
const (
	planLabel    = "plan"
	journalLabel = "journal"
)

// longestLine bounds a line, in bytes.
const longestLine = 64 << 20

// planWriter writes a plan as it comes.
type planWriter struct {
	w    io.Writer
	key  inventory.Key
	tree merkle.Edge
	last secret.Name
	end  End
	r    Rules
}

func newPlanWriter(w io.Writer, k inventory.Key, h Header) (*planWriter, error) {
	h.Vaultferry, h.Format, h.RunKeyID = kindOfPlan, Format, k.ID()
	out := &planWriter{w: w, key: k, end: End{End: true, Classes: map[Class]int{}}, r: h.Rules}
	return out, out.line(h)
}

var errOrder = errors.New("migrate: entries come in the order of their names, each once")

func (w *planWriter) write(e *Entry) error {
	if w.end.Count > 0 && e.Name <= w.last {
		return errOrder
	}
	w.last = e.Name
	w.end.count(e, w.r)
	return w.line(e)
}

func (e *End) count(entry *Entry, r Rules) {
	e.Count++
	e.Classes[entry.Class]++
	if entry.Action != "" {
		e.Act++
	}
	if entry.Stays(r) {
		e.Stay++
	}
}

func (w *planWriter) close(at time.Time) (*End, error) {
	root := w.tree.Root()
	w.end.Ended, w.end.Root = at.UTC().Truncate(time.Millisecond), root.String()
	var err error
	if w.end.MAC, err = w.end.mac(w.key); err != nil {
		return nil, err
	}
	return &w.end, w.line(&w.end)
}

func (e End) mac(k inventory.Key) (inventory.Digest, error) {
	e.MAC = ""
	b, err := json.Marshal(e)
	return k.MAC(planLabel, b), err
}

func (w *planWriter) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.tree.Append(merkle.Leaf(b))
	_, err = w.w.Write(append(b, '\n'))
	return err
}

// PlanReader reads a plan. Its errors are Corrupt and name the line. What it
// returned before an error is to be thrown away: see CheckPlan.
type PlanReader struct {
	Header Header
	End    *End // set once Next returned io.EOF

	lines  *jsonl.Reader
	key    inventory.Key
	tree   merkle.Edge
	number int
	last   secret.Name
	seen   End
	leaf   merkle.Hash // of the line that Next returned
}

// NewPlanReader reads the header. keyOf finds the run key that it names.
func NewPlanReader(r io.Reader, keyOf func(*Header) (inventory.Key, error)) (*PlanReader, error) {
	in := &PlanReader{lines: jsonl.NewReader(r, longestLine), seen: End{Classes: map[Class]int{}}}
	if why := in.lines.Foreign(); why != "" {
		return nil, secret.Errorf(secret.Corrupt, "this is no plan as it was made: %s", why)
	}
	line, err := in.line()
	if err != nil {
		return nil, err
	}
	h := &in.Header
	switch err := jsonl.Decode(line, h); {
	case h.Vaultferry != kindOfPlan:
		return nil, secret.Errorf(secret.Corrupt, "this is no plan")
	case h.Format != Format:
		return nil, secret.Errorf(secret.Unsupported, "the plan has format %d; this release reads format %d", h.Format, Format)
	case err != nil:
		return nil, in.corrupt("is no header that this release writes")
	}
	in.leaf = merkle.Leaf(line)
	in.tree.Append(in.leaf)
	if in.key, err = keyOf(h); err != nil {
		return nil, err
	}
	return in, nil
}

// Key is the run key.
func (r *PlanReader) Key() inventory.Key { return r.key }

// Next returns the next entry, or io.EOF after the last one, if the plan is good.
func (r *PlanReader) Next() (*Entry, error) {
	if r.End != nil {
		return nil, io.EOF
	}
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(line, []byte(`{"end":true`)) {
		return nil, r.finish(line)
	}
	e := new(Entry)
	if err := jsonl.Decode(line, e); err != nil {
		return nil, r.corrupt("is no entry that this release writes")
	}
	if e.Name.Validate() != nil || (r.number > 2 && e.Name <= r.last) {
		return nil, r.corrupt("does not follow the name before it")
	}
	r.last = e.Name
	r.seen.count(e, r.Header.Rules)
	r.leaf = merkle.Leaf(line)
	r.tree.Append(r.leaf)
	return e, nil
}

func (r *PlanReader) finish(line []byte) error {
	end := new(End)
	if err := jsonl.Decode(line, end); err != nil {
		return r.corrupt("is no end that this release writes")
	}
	mac, err := end.mac(r.key)
	root := r.tree.Root()
	switch {
	case err != nil:
		return err
	case !hmac.Equal([]byte(mac), []byte(end.MAC)):
		return r.corrupt("is not authenticated by the run key: the plan was changed")
	case end.Root != root.String(), end.Count != r.seen.Count, end.Act != r.seen.Act, end.Stay != r.seen.Stay:
		return r.corrupt("does not fit the lines before it: one of them was changed")
	case !r.lines.Ended():
		return r.corrupt("is not the last one")
	}
	r.End = end
	return io.EOF
}

func (r *PlanReader) line() ([]byte, error) {
	r.number++
	line, err := r.lines.Next()
	switch {
	case errors.Is(err, jsonl.ErrLong):
		return nil, r.corrupt("is too long")
	case errors.Is(err, jsonl.ErrCut):
		return nil, r.corrupt("is missing: the plan was cut")
	}
	return line, err
}

func (r *PlanReader) corrupt(what string) error {
	return secret.Errorf(secret.Corrupt, "line %d of the plan %s", r.number, what)
}
