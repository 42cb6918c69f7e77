package inventory

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/secret"
)

// Writer writes an inventory as it comes: it keeps nothing but the edge of the
// tree.
type Writer struct {
	w      io.Writer
	tree   merkle.Edge
	last   secret.Name
	count  int
	unread int
}

// NewWriter writes the header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	h.Vaultferry, h.Format = kindOfFile, Format
	out := &Writer{w: w}
	return out, out.line(h)
}

var errOrder = errors.New("inventory: entries come in the order of their names")

// Write adds an entry. Names come in bytewise order, each once.
func (w *Writer) Write(e *Entry) error {
	if w.count > 0 && e.Name <= w.last {
		return errOrder
	}
	w.last, w.count = e.Name, w.count+1
	if e.Unread != "" {
		w.unread++
	}
	return w.line(e)
}

// Close writes the end, with what the lists left out. sign returns a compact JWS over what it is given, with
// Type as its type; nil: nobody signs.
func (w *Writer) Close(at time.Time, leftOut []LeftOut, sign func([]byte) (string, error)) (*End, error) {
	root := w.tree.Root()
	end := &End{End: true, Ended: at.UTC().Truncate(time.Millisecond), Count: w.count, Unread: w.unread, LeftOut: leftOut, Root: root.String()}
	if sign != nil {
		payload, err := json.Marshal(end.signed())
		if err != nil {
			return nil, err
		}
		if end.Signature, err = sign(payload); err != nil {
			return nil, err
		}
	}
	return end, w.line(end)
}

func (w *Writer) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.tree.Append(merkle.Leaf(b))
	_, err = w.w.Write(append(b, '\n'))
	return err
}
