package bolt

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/internal/bboltcheck"
	"github.com/vaultferry/vaultferry/secret"
)

// verifyState looks through one state of a file: every page, every record under
// its own place, and whether the records agree.
//
// What it cannot tell: a record in place of a newer one of the same place, as
// long as all others fit it, and a whole file in place of a newer one. A value
// has no newer one: its place is its version's UID.
func verifyState(ctx context.Context, f io.ReaderAt, state bboltcheck.State, keys backends.KeyWrapper, found *backends.Findings) error {
	c := bboltcheck.New(ctx, f, state, func(p bboltcheck.Problem) { found.Add("", pageDamage(p)) })
	found.FreePages = c.FreePages()
	found.FreeBytes = int64(found.FreePages) * int64(state.PageSize)
	v := verifier{pages: c, found: found, buckets: c.Buckets()}
	for _, name := range buckets() {
		if _, ok := v.buckets[string(name)]; !ok {
			found.Add("", fmt.Sprintf("there is no bucket %q", name))
		}
	}
	if err := v.readMeta(keys); err != nil {
		return err
	}
	v.verifySecrets()
	v.verifyNotes()
	for _, b := range v.buckets { // of a later release, which added it without a new format
		for range c.Records(b) { // its pages are what is wanted
		}
	}
	if lost := c.Unreachable(); len(lost) > 0 {
		found.Add("", fmt.Sprintf("pages in no use that are not free either: %d, from page %d on", len(lost), lost[0]))
	}
	return ctx.Err()
}

type verifier struct {
	pages   *bboltcheck.Checker
	found   *backends.Findings
	buckets map[string]bboltcheck.Bucket // not visited yet
	sealer  *sealed.Sealer
}

// take takes a bucket out of those that are to be visited.
func (v *verifier) take(name []byte) (bboltcheck.Bucket, bool) {
	b, ok := v.buckets[string(name)]
	delete(v.buckets, string(name))
	return b, ok
}

// readMeta reads the record in clear and unwraps the data key.
func (v *verifier) readMeta(keys backends.KeyWrapper) (err error) {
	b, ok := v.take(bucketMeta)
	if !ok {
		return errNoMeta
	}
	var m *meta
	for key, value := range v.pages.Records(b) {
		if !bytes.Equal(key, keyMeta) {
			v.found.Add("", "an unknown record beside the one that describes the file")
		} else if m, err = parseMeta(value); err != nil {
			return err
		} else if !m.isWrittenAs(value) {
			v.found.Add("", "the record that describes the file is not as it was written")
		}
	}
	if m == nil {
		return errNoMeta
	}
	v.found.Format, v.found.MadeAs, v.found.Key = m.Format, m.Store, keys.WrappedBy(m.Key)
	v.sealer, err = m.unwrapKey(keys)
	return err
}

// source is a bucket of records that belong to secrets.
type source struct {
	bucket []byte
	parse  func(key []byte) (recordKey, bool)
}

// sources are in an order in which what is named after a UID, or holds a value,
// comes after the attributes.
func sources() []source {
	return []source{
		{bucketTrash, parseName(recordHead)},
		{bucketSecrets, parseRecordKey},
		{bucketValues, parseValueKey},
		{bucketLive, parseName(recordListed)},
	}
}

// parseName reads a key that is the name alone.
func parseName(is recordKind) func(key []byte) (recordKey, bool) {
	return func(key []byte) (recordKey, bool) {
		return recordKey{name: secret.Name(key), kind: is}, len(key) > 0
	}
}

func parseValueKey(key []byte) (recordKey, bool) {
	k, ok := parseRecordKey(key)
	return k, ok && k.kind == recordValue
}

// records yields those of a source. A key that is none is told of and left out.
func (v *verifier) records(from source) iter.Seq2[recordKey, []byte] {
	return func(yield func(recordKey, []byte) bool) {
		b, ok := v.take(from.bucket)
		if !ok {
			return
		}
		for key, value := range v.pages.Records(b) {
			k, ok := from.parse(key)
			if !ok || k.name.Validate() != nil {
				name, _, _ := bytes.Cut(key, []byte{0})
				v.found.Add("", string(from.bucket)+": a key is none: "+strconv.Quote(string(name)))
			} else if !yield(k, value) {
				return
			}
		}
	}
}

// stream is the records of a source, one ahead.
type stream struct {
	bucket []byte
	next   func() (recordKey, []byte, bool)
	key    recordKey // no name: the end
	value  []byte
}

func (s *stream) advance() { s.key, s.value, _ = s.next() }

// verifySecrets goes through the sources side by side, name by name: all of them
// are sorted by name first, for no name holds a NUL.
func (v *verifier) verifySecrets() {
	var all []*stream
	for _, from := range sources() {
		next, stop := iter.Pull2(v.records(from))
		defer stop()
		s := &stream{bucket: from.bucket, next: next}
		s.advance()
		all = append(all, s)
	}
	for {
		var name secret.Name
		for _, s := range all {
			if s.key.name != "" && (name == "" || s.key.name < name) {
				name = s.key.name
			}
		}
		if name == "" {
			return
		}
		sv := newSecretVerifier(v, name)
		for _, s := range all {
			for ; s.key.name == name; s.advance() {
				sv.read(s.bucket, s.key, s.value)
			}
		}
		sv.compare()
	}
}

func (v *verifier) verifyNotes() {
	b, ok := v.take(bucketState)
	if !ok {
		return
	}
	for key, sealed := range v.pages.Records(b) {
		v.sealer.VerifyState(v.found, string(key), sealed)
	}
}
