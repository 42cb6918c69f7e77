package audit

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/internal/merkle"
)

// proofHeader begins a proof, in the format of C2SP's tlog-proof.
const proofHeader = "c2sp.org/tlog-proof@v1\n"

// maxProof bounds what is read as a proof, the line left out.
const maxProof = 128 << 10

// Proof shows that a line is in a log.
type Proof struct {
	Line       []byte
	Index      int64 // of the line in the tree, from 0
	Hashes     []merkle.Hash
	Checkpoint *Signed
}

// Check fails unless the proof is good under one of the keys.
func (p *Proof) Check(keys []crypto.PublicKey) error {
	if err := p.Checkpoint.Verify(keys); err != nil {
		return err
	}
	sum := sha256.Sum256(p.Line)
	if merkle.Check(p.Hashes, merkle.Leaf(sum[:]), p.Index, p.Checkpoint.Size, p.Checkpoint.Root) != nil {
		return errors.New("the line is not in the log of the checkpoint")
	}
	return nil
}

// Text is the line, and behind it the proof.
func (p *Proof) Text() []byte {
	b := append(bytes.Clone(p.Line), '\n')
	b = append(b, proofHeader...)
	b = fmt.Appendf(b, "index %d\n", p.Index)
	for _, h := range p.Hashes {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	b = append(b, '\n')
	return append(b, p.Checkpoint.Text...)
}

// ParseProof reads what Text wrote, and checks nothing.
func ParseProof(text []byte) (*Proof, error) {
	bad := errors.New("not a proof of an audit line: write the line first, and behind it the proof, as vaultferry audit proof does")
	line, rest, ok := strings.Cut(string(text), "\n")
	rest, isProof := strings.CutPrefix(rest, proofHeader)
	if !ok || !isProof || len(rest) > maxProof {
		return nil, bad
	}
	head, note, ok := strings.Cut(rest, "\n\n")
	if !ok {
		return nil, bad
	}
	lines := strings.Split(head, "\n")
	index, ok := strings.CutPrefix(lines[0], "index ")
	p := &Proof{Line: []byte(line)}
	var err error
	if p.Index, err = strconv.ParseInt(index, 10, 64); err != nil || !ok || p.Index < 0 || len(lines) > 65 {
		return nil, bad
	}
	for _, l := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(h) != len(merkle.Hash{}) {
			return nil, bad
		}
		p.Hashes = append(p.Hashes, merkle.Hash(h))
	}
	if p.Checkpoint, err = ParseCheckpoint(note); err != nil {
		return nil, err
	}
	return p, nil
}

// Errors of Prove.
var (
	ErrNoLine       = errors.New("the files hold no such line")
	ErrNoCheckpoint = errors.New("no checkpoint covers the line yet: the gateway makes one each minute, and vaultferry audit checkpoint at once")
)

// Prove makes the proof of the line with that number, under kept or, where that
// is nil, under the first checkpoint in the files that covers it.
func Prove(paths []string, seq uint64, kept *Signed) (*Proof, error) {
	b := &prover{seq: seq, kept: kept}
	err := Scan(paths, b.line)
	switch {
	case errors.Is(err, errFound):
	case err != nil:
		return nil, err
	case b.found == nil:
		return nil, ErrNoLine
	default:
		return nil, ErrNoCheckpoint
	}
	if b.found.Hashes, err = b.tree.Prove(b.found.Index, b.found.Checkpoint.Size); err != nil {
		return nil, err
	}
	return b.found, nil
}

// prover keeps no more of the tree than what stands behind the line.
type prover struct {
	seq   uint64
	kept  *Signed
	at    link
	begun bool
	found *Proof
	tree  *merkle.Tree
}

func (b *prover) line(l Line) error {
	e, err := Parse(l.Raw)
	parsed := err == nil
	if !b.begun || parsed && e.Tree != nil && e.Seq != b.at.seq+1 && b.found == nil {
		b.begun = true
		b.at = firstLink()
		b.at.tree = &merkle.Edge{}
		if parsed && e.Seq != 1 && (e.Tree == nil || b.at.place(&e, 0) != nil) {
			return fmt.Errorf("%s begins with line %d, and without a tree: name the files before it, too", l.File, e.Seq)
		}
	}
	if b.found != nil && parsed && b.kept == nil && e.Op == OpCheckpoint && e.Checkpoint != nil {
		if s, err := ParseCheckpoint(e.Checkpoint.Note); err == nil && s.Size == b.tree.Size() {
			b.found.Checkpoint = s
			return errFound
		}
	}
	isIt := b.found == nil && b.at.seq+1 == b.seq && (!parsed || e.Seq == b.seq)
	if isIt {
		b.found = &Proof{Line: bytes.Clone(l.Raw), Index: b.at.tree.Size()}
		b.tree = merkle.NewTree(b.at.tree)
	}
	b.at.follow(l.Raw)
	if b.tree != nil {
		b.tree.Append(merkle.Leaf(b.at.sum[:]))
	}
	if b.found != nil && b.kept != nil && b.tree.Size() == b.kept.Size {
		if root, err := b.tree.Root(b.kept.Size); err != nil || root != b.kept.Root {
			return fmt.Errorf("the lines here are not those of the checkpoint of %d lines", b.kept.Size)
		}
		b.found.Checkpoint = b.kept
		return errFound
	}
	return nil
}
