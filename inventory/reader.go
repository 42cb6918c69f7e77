package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/vaultferry/vaultferry/internal/jsonl"
	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/secret"
)

// longestLine bounds a line, in bytes: 500 versions with all their attributes
// take about a megabyte.
const longestLine = 64 << 20

// Reader reads an inventory, and holds its lines to the end that follows them.
// Its errors are Corrupt and name the line. What it returned before an error is
// to be thrown away.
type Reader struct {
	Header Header
	// End is set once Next returned io.EOF.
	End *End

	lines  *jsonl.Reader
	tree   merkle.Edge
	number int
	last   secret.Name
	unread int
	verify Verifier
	next   int64 // where the line begins that comes
	at     place // of what Next returned
}

// Verifier returns what a compact JWS of the Type signs, if a trusted key did.
type Verifier func(jws string) ([]byte, error)

// NewReader reads the header. Without a verifier nobody's signature counts, and
// none is asked for; with one there must be a good one.
func NewReader(r io.Reader, verify Verifier) (*Reader, error) {
	in := &Reader{lines: jsonl.NewReader(r, longestLine), verify: verify}
	if why := in.lines.Foreign(); why != "" {
		return nil, secret.Errorf(secret.Corrupt, "this is no inventory as it was made: %s", why)
	}
	line, err := in.line()
	if err != nil {
		return nil, err
	}
	h := &in.Header
	switch err := jsonl.Decode(line, h); {
	case h.Vaultferry != kindOfFile:
		return nil, secret.Errorf(secret.Corrupt, "this is no inventory")
	case h.Format != Format:
		return nil, secret.Errorf(secret.Unsupported, "the inventory has format %d; this release reads format %d", h.Format, Format)
	case err != nil:
		return nil, in.corrupt("is no header that this release writes")
	}
	in.tree.Append(merkle.Leaf(line))
	return in, nil
}

// Next returns the next entry, or io.EOF after the last one, if the end is good.
func (r *Reader) Next() (*Entry, error) {
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
	if r.last = e.Name; e.Unread != "" {
		r.unread++
	}
	r.at = place{r.next - int64(len(line)) - 1, int32(len(line)), proofOf(line)}
	r.tree.Append(merkle.Leaf(line))
	return e, nil
}

func (r *Reader) finish(line []byte) error {
	end := new(End)
	if err := jsonl.Decode(line, end); err != nil {
		return r.corrupt("is no end that this release writes")
	}
	root := r.tree.Root()
	if end.Count != r.number-2 || end.Unread != r.unread || end.Root != root.String() {
		return r.corrupt("does not fit the lines before it: one of them was changed")
	}
	if r.verify != nil {
		if err := r.proves(end); err != nil {
			return err
		}
	}
	if !r.lines.Ended() {
		return r.corrupt("is not the last one")
	}
	r.End = end
	return io.EOF
}

func (r *Reader) proves(end *End) error {
	payload, err := r.verify(end.Signature)
	if err != nil {
		return &secret.Error{Kind: secret.Corrupt, Detail: "no trusted key signed the inventory", Err: err}
	}
	if want, err := json.Marshal(end.signed()); err != nil || !bytes.Equal(payload, want) {
		return r.corrupt("has the signature of another inventory")
	}
	return nil
}

// line reads one line, without its end. The last one has an end, too: a file that
// was cut says so.
func (r *Reader) line() ([]byte, error) {
	r.number++
	line, err := r.lines.Next()
	switch {
	case errors.Is(err, jsonl.ErrLong):
		return nil, r.corrupt("is too long")
	case errors.Is(err, jsonl.ErrCut):
		return nil, r.corrupt("is missing: the file was cut")
	}
	r.next += int64(len(line)) + 1
	return line, err
}

func (r *Reader) corrupt(what string) error {
	return secret.Errorf(secret.Corrupt, "%s", fmt.Sprintf("line %d %s", r.number, what))
}
