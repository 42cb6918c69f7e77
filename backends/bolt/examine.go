package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// examine looks through one state of a file: every page, every record under
// its own place, and whether the records agree.
//
// What it cannot tell: a record in place of a newer one of the same place, as
// long as all others fit it, and a whole file in place of a newer one. A value
// has no newer one: its place is its version's UID.
func examine(ctx context.Context, f *pageFile, keys backends.KeyWrapper, found *backends.Findings) error {
	w := newWalker(ctx, f, func(where, what string) {
		if where != "" {
			what = where + ": " + what
		}
		found.Add("", what)
	})
	found.FreePages = w.readFree()
	found.FreeBytes = int64(found.FreePages) * int64(f.pageSize)
	x := examiner{walker: w, found: found, buckets: w.buckets()}
	for _, name := range buckets() {
		if _, ok := x.buckets[string(name)]; !ok {
			found.Add("", fmt.Sprintf("there is no bucket %q", name))
		}
	}
	if err := x.open(keys); err != nil {
		return err
	}
	x.secrets()
	x.notes()
	for _, t := range x.buckets { // of a later release, which added it without a new format
		for range w.records(t) { // the walk is what is wanted
		}
	}
	w.finish()
	return ctx.Err()
}

type examiner struct {
	*walker
	found   *backends.Findings
	buckets map[string]tree // not visited yet
	seal    Store           // its decoders alone
}

// bucket takes one out of those that are to be visited.
func (x *examiner) bucket(name []byte) (tree, bool) {
	t, ok := x.buckets[string(name)]
	delete(x.buckets, string(name))
	return t, ok
}

// open reads the record in clear and opens the data key.
func (x *examiner) open(keys backends.KeyWrapper) error {
	t, ok := x.bucket(bucketMeta)
	if !ok {
		return errNoMeta
	}
	var m *meta
	for k, v := range x.records(t) {
		switch {
		case !bytes.Equal(k, keyMeta):
			x.found.Add("", "an unknown record beside the one that describes the file")
		default:
			var err error
			if m, err = parseMeta(v); err != nil {
				return err
			}
		}
	}
	if m == nil {
		return errNoMeta
	}
	x.found.Format, x.found.MadeAs, x.found.Key = m.Format, m.Store, keys.WrappedBy(m.Key)
	seal, err := m.sealer(keys)
	x.seal.seal = seal
	return err
}

// stream is the records of a source, one ahead.
type stream struct {
	source
	pull func() ([]byte, []byte, bool)
	stop func()

	at    place // no name: the end
	value []byte
}

// stream tells of keys that are none, and leaves them out.
func (x *examiner) stream(from source) *stream {
	s := &stream{source: from, stop: func() {}, pull: func() ([]byte, []byte, bool) { return nil, nil, false }}
	t, ok := x.bucket(from.bucket)
	if !ok {
		return s
	}
	next, stop := iter.Pull2(x.records(t))
	s.stop = stop
	s.pull = func() ([]byte, []byte, bool) {
		for {
			k, v, ok := next()
			if !ok || from.parse(k).name.Validate() == nil {
				return k, v, ok
			}
			name, _, _ := bytes.Cut(k, []byte{0})
			x.found.Add("", t.name+": a key is none: "+quoted(name))
		}
	}
	s.next()
	return s
}

func (s *stream) next() {
	s.at = place{}
	k, v, ok := s.pull()
	if ok {
		s.at = s.parse(k)
	}
	s.value = v
}

// secrets goes through the sources side by side, name by name: all of them are
// sorted by name first, for no name holds a NUL.
func (x *examiner) secrets() {
	var all []*stream
	for _, from := range append(sources(), source{bucketLive, parseName(partLive)}) {
		s := x.stream(from)
		defer s.stop()
		all = append(all, s)
	}
	for {
		var name secret.Name
		for _, s := range all {
			if s.at.name != "" && (name == "" || s.at.name < name) {
				name = s.at.name
			}
		}
		if name == "" {
			return
		}
		o := newOne(x, name)
		for _, s := range all {
			for ; s.at.name == name; s.next() {
				o.read(s)
			}
		}
		o.agree()
	}
}

func (x *examiner) notes() {
	t, ok := x.bucket(bucketNotes)
	if !ok {
		return
	}
	for k, v := range x.records(t) {
		x.found.Records++
		_, text, err := x.seal.openNote(string(k), v)
		switch {
		case kit.CheckStateKey(string(k)) != nil:
			x.found.Add("", "notes: a key is none: "+quoted(k))
		case err != nil:
			x.found.Add("", "the note "+quoted(k)+" does not open")
		case !json.Valid(text):
			x.found.Add("", "the note "+quoted(k)+" is no JSON")
		}
	}
}

var errNoMeta = errors.New("there is no meta record")
