package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/vaultferry/vaultferry/internal/jsonl"
	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/secret"
)

// longestLine bounds a line, in bytes.
const longestLine = 16 << 20

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Load reads a snapshot and holds it to its digest, its tree and its signature.
// each, if not nil, is told of its secrets, in bytewise order of names; what it
// was told before an error is to be thrown away. Kinds: NotFound; Corrupt.
func (r *Repository) Load(id string, each func(*Entry) error) (*Snapshot, error) {
	if !digest.MatchString(id) {
		return nil, secret.Errorf(secret.NotFound, "there is no snapshot %q", id)
	}
	name := dirSnapshots + "/" + id
	f, _, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	in := &reader{r: r, name: name, lines: jsonl.NewReader(io.TeeReader(f, sum), longestLine), snapshot: &Snapshot{ID: id}, each: each}
	if err := in.all(); err != nil {
		return nil, err
	}
	if hex.EncodeToString(sum.Sum(nil)) != id {
		return nil, corrupt(name, "the file was changed: its SHA-256 is not its name")
	}
	return in.snapshot, nil
}

// reader is a snapshot on its way in.
type reader struct {
	r        *Repository
	name     string
	lines    *jsonl.Reader
	number   int
	tree     merkle.Edge
	last     secret.Name
	each     func(*Entry) error
	snapshot *Snapshot
}

func (in *reader) all() error {
	if why := in.lines.Foreign(); why != "" {
		return corrupt(in.name, "%s", why)
	}
	line, err := in.line()
	if err != nil {
		return err
	}
	h := &in.snapshot.Header
	switch err := jsonl.Decode(line, h); {
	case h.Vaultferry == kindSnapshot && h.Format > Format:
		return secret.Errorf(secret.Unsupported, "%s: format %d; this release reads format %d", in.name, h.Format, Format)
	case err != nil || h.Vaultferry != kindSnapshot || h.Format != Format:
		return in.corrupt("is not how a snapshot begins")
	case h.Repository != in.r.id:
		return corrupt(in.name, "it is of repository %s, and this is %s", h.Repository, in.r.id)
	}
	for {
		in.tree.Append(merkle.Leaf(line))
		if line, err = in.line(); err != nil {
			return err
		}
		if bytes.HasPrefix(line, []byte(`{"end":true`)) {
			return in.end(line)
		}
		if in.each == nil {
			continue
		}
		if err := in.entry(line); err != nil {
			return err
		}
	}
}

func (in *reader) entry(line []byte) error {
	e := new(Entry)
	if err := jsonl.Decode(line, e); err != nil {
		return in.corrupt("is no entry that this release writes")
	}
	if e.Name.Validate() != nil || (in.number > 2 && e.Name <= in.last) {
		return in.corrupt("does not follow the name before it")
	}
	if (e.Unread == "") != (digest.MatchString(e.Document) && digest.MatchString(e.SHA256) && e.Size > 0) {
		return in.corrupt("names no document")
	}
	in.last = e.Name
	return in.each(e)
}

func (in *reader) end(line []byte) error {
	end := &in.snapshot.End
	if err := jsonl.Decode(line, end); err != nil {
		return in.corrupt("is no end that this release writes")
	}
	if root := in.tree.Root(); end.Count != in.number-2 || end.Root != root.String() {
		return in.corrupt("does not fit the lines before it: one of them was changed")
	}
	want, err := json.Marshal(end.attested())
	if err != nil {
		return err
	}
	if err := prove(in.r.keys, typeSnapshot, end.Signature, want, end.Ended); err != nil {
		return corrupt(in.name, "%v", err)
	}
	if !in.lines.Ended() {
		return in.corrupt("is not the last one")
	}
	return nil
}

// line reads one line, without its end.
func (in *reader) line() ([]byte, error) {
	in.number++
	line, err := in.lines.Next()
	switch {
	case errors.Is(err, jsonl.ErrLong):
		return nil, in.corrupt("is too long")
	case errors.Is(err, jsonl.ErrCut):
		return nil, in.corrupt("is missing: the file was cut")
	case err != nil:
		return nil, fileError(in.name, err)
	}
	return line, nil
}

func (in *reader) corrupt(what string) error {
	return corrupt(in.name, "%s", fmt.Sprintf("line %d %s", in.number, what))
}
