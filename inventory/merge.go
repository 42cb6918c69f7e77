package inventory

import (
	"context"
	"errors"
	"io"
)

// Stream gives entries in bytewise order of names, and io.EOF after the last.
type Stream interface {
	Next() (*Entry, error)
}

// Stream takes the inventory as it is asked for, until ctx ends. The function
// waits until the source is not asked any more; ctx must have ended then.
func (s *Source) Stream(ctx context.Context, ended func(error) bool) (Stream, func()) {
	out := &taking{entries: make(chan *Entry), done: make(chan struct{})}
	go func() {
		defer close(out.done)
		out.err = s.Take(ctx, func(e *Entry) error {
			select {
			case out.entries <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, ended)
	}()
	return out, func() { <-out.done }
}

type taking struct {
	entries chan *Entry
	done    chan struct{}
	err     error // once done
}

func (t *taking) Next() (*Entry, error) {
	select {
	case e := <-t.entries:
		return e, nil
	case <-t.done:
		if t.err != nil {
			return nil, t.err
		}
		return nil, io.EOF
	}
}

// Merge compares two streams, name by name, and tells of each. What is in the
// trash alone is in neither.
func Merge(a, b Stream, tell func(Difference) error) error {
	in, of := head{stream: a}, head{stream: b}
	for {
		if err := errors.Join(in.fill(), of.fill()); err != nil {
			return err
		}
		var d Difference
		switch x, y := in.entry, of.entry; {
		case x == nil && y == nil:
			return nil
		case y == nil || (x != nil && x.Name < y.Name):
			d = only(OnlyA, x)
			in.entry = nil
		case x == nil || y.Name < x.Name:
			d = only(OnlyB, y)
			of.entry = nil
		default:
			d = Compare(x, y)
			in.entry, of.entry = nil, nil
		}
		if err := tell(d); err != nil {
			return err
		}
	}
}

func only(sign Sign, e *Entry) Difference {
	if e.Unread != "" {
		sign = Incomparable
	}
	return Difference{Sign: sign, Name: e.Name}
}

// Only leaves out what keep does not want.
func Only(s Stream, keep func(*Entry) bool) Stream { return &filtered{s, keep} }

type filtered struct {
	from Stream
	keep func(*Entry) bool
}

func (f *filtered) Next() (*Entry, error) {
	for {
		e, err := f.from.Next()
		if err != nil || f.keep(e) {
			return e, err
		}
	}
}

// head is the next live entry of a stream.
type head struct {
	stream Stream
	entry  *Entry
	ended  bool
}

func (h *head) fill() error {
	for h.entry == nil && !h.ended {
		e, err := h.stream.Next()
		switch {
		case errors.Is(err, io.EOF):
			h.ended = true
		case err != nil:
			return err
		case e.Deleted == nil:
			h.entry = e
		}
	}
	return nil
}
