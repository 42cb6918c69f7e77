// Package merkle has the trees of RFC 6962 in two sizes: an Edge, from which a
// tree goes on growing, and a Tree, which proves what it holds. The hashes, the
// proofs and their checks are those of golang.org/x/mod/sumdb/tlog.
package merkle

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a node of a tree.
type Hash = tlog.Hash

// Leaf is the hash of a record.
func Leaf(record []byte) Hash { return tlog.RecordHash(record) }

// Root is that of the tree over the records, in their order.
func Root(records [][]byte) Hash {
	var e Edge
	for _, r := range records {
		e.Append(Leaf(r))
	}
	return e.Root()
}

// Edge is what a tree needs to grow and to know its root: the roots of the
// complete subtrees that it falls into, the largest first. There are at most
// 64 of them. The zero Edge is of the empty tree.
type Edge struct {
	size  int64
	roots []Hash
}

// Size is how many leaves the tree has.
func (e *Edge) Size() int64 { return e.size }

// Append adds a leaf behind the others.
func (e *Edge) Append(leaf Hash) {
	for n := e.size; n&1 == 1; n >>= 1 {
		last := len(e.roots) - 1
		leaf = tlog.NodeHash(e.roots[last], leaf)
		e.roots = e.roots[:last]
	}
	e.roots = append(e.roots, leaf)
	e.size++
}

// Root is the hash of the whole tree; of an empty one, SHA-256 of nothing.
func (e *Edge) Root() Hash {
	if e.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // nothing is read
		return h
	}
	root := e.roots[len(e.roots)-1]
	for i := len(e.roots) - 2; i >= 0; i-- {
		root = tlog.NodeHash(e.roots[i], root)
	}
	return root
}

// Clone returns an Edge that grows by itself.
func (e *Edge) Clone() *Edge {
	return &Edge{size: e.size, roots: append([]Hash(nil), e.roots...)}
}

// Hashes are the roots of the subtrees in base64, for ParseEdge.
func (e *Edge) Hashes() []string {
	all := make([]string, len(e.roots))
	for i, h := range e.roots {
		all[i] = base64.StdEncoding.EncodeToString(h[:])
	}
	return all
}

// ParseEdge is the Edge of a tree of that size.
func ParseEdge(size int64, hashes []string) (*Edge, error) {
	if size < 0 || bits.OnesCount64(uint64(size)) != len(hashes) {
		return nil, fmt.Errorf("a tree of %d leaves has another number of hashes than %d", size, len(hashes))
	}
	e := &Edge{size: size}
	for _, text := range hashes {
		h, err := tlog.ParseHash(text)
		if err != nil {
			return nil, errors.New("a hash of the tree is not 32 bytes in base64")
		}
		e.roots = append(e.roots, h)
	}
	return e, nil
}

// Tree holds every node behind the place where it began: it proves what lies
// behind that place. It needs 64 bytes for each leaf.
type Tree struct {
	edge   Edge // of all of it
	before map[int64]Hash
	first  int64 // index of nodes[0], as tlog counts
	nodes  []Hash
}

// NewTree returns a tree that goes on behind from.
func NewTree(from *Edge) *Tree {
	t := &Tree{edge: *from.Clone(), before: map[int64]Hash{}, first: tlog.StoredHashCount(from.size)}
	at := int64(0)
	for i, level := 0, 63; level >= 0; level-- {
		if from.size&(1<<level) != 0 {
			t.before[tlog.StoredHashIndex(level, at>>level)] = from.roots[i]
			at += 1 << level
			i++
		}
	}
	return t
}

// Size is how many leaves the tree has.
func (t *Tree) Size() int64 { return t.edge.size }

// Append adds a leaf behind the others.
func (t *Tree) Append(leaf Hash) {
	t.nodes = append(t.nodes, leaf)
	for n, depth := t.edge.size, len(t.edge.roots)-1; n&1 == 1; n, depth = n>>1, depth-1 {
		leaf = tlog.NodeHash(t.edge.roots[depth], leaf)
		t.nodes = append(t.nodes, leaf)
	}
	t.edge.Append(t.nodes[len(t.nodes)-1-trailingOnes(t.edge.size)])
}

func trailingOnes(n int64) int { return bits.TrailingZeros64(^uint64(n)) }

// errBefore: a node is asked for that lies before the beginning.
var errBefore = errors.New("the tree begins too late to prove this")

// ReadHashes implements tlog.HashReader.
func (t *Tree) ReadHashes(indexes []int64) ([]Hash, error) {
	all := make([]Hash, len(indexes))
	for i, x := range indexes {
		if at := x - t.first; at >= 0 {
			if at >= int64(len(t.nodes)) {
				return nil, errors.New("the tree ends too early to prove this")
			}
			all[i] = t.nodes[at]
			continue
		}
		h, ok := t.before[x]
		if !ok {
			return nil, errBefore
		}
		all[i] = h
	}
	return all, nil
}

// Root is the hash of the tree as it was with that many leaves.
func (t *Tree) Root(size int64) (Hash, error) {
	if size > t.edge.size {
		return Hash{}, errors.New("the tree is not as large")
	}
	return tlog.TreeHash(size, t)
}

// Prove shows that a leaf, counted from 0, is in the tree of that size.
func (t *Tree) Prove(leaf, size int64) ([]Hash, error) {
	if leaf < 0 || leaf >= size || size > t.edge.size {
		return nil, errors.New("the tree has no such leaf")
	}
	return tlog.ProveRecord(size, leaf, t)
}

// ProvePrefix shows that the tree of the larger size begins with that of the
// smaller one.
func (t *Tree) ProvePrefix(smaller, larger int64) ([]Hash, error) {
	if smaller <= 0 || smaller > larger || larger > t.edge.size {
		return nil, errors.New("the tree never had this size")
	}
	return tlog.ProveTree(larger, smaller, t)
}

// Check fails unless the proof shows that the leaf stands at that place in the
// tree of that size and root.
func Check(proof []Hash, leaf Hash, at, size int64, root Hash) error {
	if at < 0 || at >= size {
		return errors.New("the proof is of a place that the tree does not have")
	}
	return tlog.CheckRecord(proof, size, root, at, leaf)
}

// CheckPrefix fails unless the proof shows that the larger tree begins with the
// smaller one.
func CheckPrefix(proof []Hash, smaller int64, small Hash, larger int64, large Hash) error {
	switch {
	case smaller < 0 || smaller > larger:
		return errors.New("a tree never shrinks")
	case smaller == 0: // every tree begins with nothing
		if len(proof) != 0 || small != (&Edge{}).Root() {
			return errors.New("not the empty tree")
		}
		return nil
	}
	return tlog.CheckTree(proof, larger, large, smaller, small)
}
