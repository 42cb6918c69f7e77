package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/bboltcheck"
	"github.com/vaultferry/vaultferry/secret"
)

// examine looks through one state of a file: every page, every record under
// its own place, and whether the records agree.
//
// What it cannot tell: a record in place of a newer one of the same place, as
// long as all others fit it, and a whole file in place of a newer one. A value
// has no newer one: its place is its version's UID.
func examine(ctx context.Context, f io.ReaderAt, state bboltcheck.State, keys backends.KeyWrapper, found *backends.Findings) error {
	c := bboltcheck.New(ctx, f, state, func(p bboltcheck.Problem) { found.Add("", pageDamage(p)) })
	found.FreePages = c.FreePages()
	found.FreeBytes = int64(found.FreePages) * int64(state.PageSize)
	x := examiner{pages: c, found: found, buckets: c.Buckets()}
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
	for _, b := range x.buckets { // of a later release, which added it without a new format
		for range c.Records(b) { // the walk is what is wanted
		}
	}
	if lost := c.Unreachable(); len(lost) > 0 {
		found.Add("", fmt.Sprintf("pages in no use that are not free either: %d, from page %d on", len(lost), lost[0]))
	}
	return ctx.Err()
}

// pageDamage tells of a page which secrets it is about.
func pageDamage(p bboltcheck.Problem) string {
	name := func(key []byte) string {
		before, _, _ := bytes.Cut(key, []byte{0})
		return strconv.Quote(string(before))
	}
	what := p.What
	switch {
	case p.Page == 0:
	case p.Keys.To != nil:
		what = fmt.Sprintf("page %d (%s to %s): %s", p.Page, name(p.Keys.From), name(p.Keys.To), what)
	case p.Keys.From != nil:
		what = fmt.Sprintf("page %d (from %s on): %s", p.Page, name(p.Keys.From), what)
	default:
		what = fmt.Sprintf("page %d: %s", p.Page, what)
	}
	if p.Where != "" {
		what = p.Where + ": " + what
	}
	return what
}

type examiner struct {
	pages   *bboltcheck.Checker
	found   *backends.Findings
	buckets map[string]bboltcheck.Bucket // not visited yet
	seal    Store                        // its decoders alone
}

// bucket takes one out of those that are to be visited.
func (x *examiner) bucket(name []byte) (bboltcheck.Bucket, bool) {
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
	for k, v := range x.pages.Records(t) {
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
	next, stop := iter.Pull2(x.pages.Records(t))
	s.stop = stop
	s.pull = func() ([]byte, []byte, bool) {
		for {
			k, v, ok := next()
			if !ok || from.parse(k).name.Validate() == nil {
				return k, v, ok
			}
			name, _, _ := bytes.Cut(k, []byte{0})
			x.found.Add("", string(from.bucket)+": a key is none: "+strconv.Quote(string(name)))
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
	for k, v := range x.pages.Records(t) {
		x.found.Records++
		_, text, err := x.seal.openNote(string(k), v)
		switch {
		case kit.CheckStateKey(string(k)) != nil:
			x.found.Add("", "notes: a key is none: "+strconv.Quote(string(k)))
		case err != nil:
			x.found.Add("", "the note "+strconv.Quote(string(k))+" does not open")
		case !json.Valid(text):
			x.found.Add("", "the note "+strconv.Quote(string(k))+" is no JSON")
		}
	}
}

var errNoMeta = errors.New("there is no meta record")
