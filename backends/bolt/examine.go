package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// examine looks through one state of a file: every page, every record under
// its own place, and whether the records agree.
//
// What it cannot tell: a record in place of a newer one of the same place, as
// long as all others fit it, and a whole file in place of a newer one. A value
// has no newer one: its place is its version's UID.
func examine(ctx context.Context, f *pageFile, keys backends.KeyWrapper, found *backends.Findings) error {
	found.Newest = format
	w := newWalker(ctx, f, func(where, what string) {
		if where != "" {
			what = where + ": " + what
		}
		found.Add("", what)
	})
	found.FreePages = w.readFree()
	found.FreeBytes = int64(found.FreePages) * int64(f.pageSize)
	x := examiner{walker: w, found: found, buckets: w.buckets()}
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
	for _, name := range m.buckets() {
		if _, ok := x.buckets[string(name)]; !ok {
			x.found.Add("", fmt.Sprintf("there is no bucket %q", name))
		}
	}
	seal, err := m.sealer(keys)
	x.seal.seal = seal
	return err
}

// stream is the records of a bucket, one ahead.
type stream struct {
	pull func() ([]byte, []byte, bool)
	stop func()

	key, value []byte
	name       secret.Name // that the key begins with
	tail       []byte      // of the key, behind the name
	ok         bool
}

// stream reads a bucket whose keys are a name and, behind a NUL, tail bytes
// more; or a name alone.
func (x *examiner) stream(bucket []byte, tail int) *stream {
	t, ok := x.bucket(bucket)
	if !ok {
		return &stream{stop: func() {}}
	}
	s := &stream{}
	next, stop := iter.Pull2(x.records(t))
	s.stop = stop
	s.pull = func() ([]byte, []byte, bool) {
		for {
			k, v, ok := next()
			if !ok {
				return nil, nil, false
			}
			name, rest, cut := bytes.Cut(k, []byte{0})
			if cut == (tail > 0) && len(rest) == tail && secret.Name(name).Validate() == nil {
				s.name, s.tail = secret.Name(name), rest
				return k, v, true
			}
			x.found.Add("", t.name+": a key is none: "+quoted(name))
		}
	}
	s.next()
	return s
}

func (s *stream) next() { s.key, s.value, s.ok = s.pull() }

// at reports whether the stream has a record of the name.
func (s *stream) at(name secret.Name) bool { return s.ok && s.name == name }

// secrets goes through the five buckets side by side, name by name: all of
// them are sorted by name first, for no name holds a NUL.
func (x *examiner) secrets() {
	live, trash := x.stream(bucketHeads, 0), x.stream(bucketTrash, 0)
	versions, values, uids := x.stream(bucketVersions, 8), x.stream(bucketValues, 8), x.stream(bucketUIDs, 16)
	all := []*stream{live, trash, versions, values, uids}
	for _, s := range all {
		defer s.stop()
	}
	for {
		var name secret.Name
		for _, s := range all {
			if s.ok && (name == "" || s.name < name) {
				name = s.name
			}
		}
		if name == "" {
			return
		}
		o := one{x: x, name: name, versions: map[secret.Ordinal]*secret.Version{}, byUID: map[secret.UID]secret.Ordinal{}}
		o.heads(live, trash)
		o.readVersions(versions)
		o.readValues(values)
		o.readUIDs(uids)
		o.agree()
	}
}

func (x *examiner) notes() {
	t, ok := x.bucket(bucketNotes)
	if !ok {
		return
	}
	for k, v := range x.records(t) {
		x.found.Notes++
		_, text, err := x.seal.openNote(string(k), v)
		switch {
		case backends.CheckNoteKey(string(k)) != nil:
			x.found.Add("", "notes: a key is none: "+quoted(k))
		case err != nil:
			x.found.Add("", "the note "+quoted(k)+" does not open")
		case !json.Valid(text):
			x.found.Add("", "the note "+quoted(k)+" is no JSON")
		}
	}
}

var errNoMeta = errors.New("there is no meta record")
