package merkle_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/internal/merkle"
)

func leaf(i int64) merkle.Hash { return merkle.Leaf(fmt.Appendf(nil, "record %d", i)) }

// TestVectors are those of RFC 6962's own implementation
// (certificate-transparency/python/ct/crypto/merkle_test.py).
func TestVectors(t *testing.T) {
	t.Parallel()
	records := [][]byte{{}, {0x00}, {0x10}, {0x20, 0x21}, {0x30, 0x31}, {0x40, 0x41, 0x42, 0x43}, []byte("PQRSTUVW"), []byte("`abcdefghijklmno")}
	for n, want := range map[int]string{
		0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	} {
		if got := merkle.Root(records[:n]); hex.EncodeToString(got[:]) != want {
			t.Errorf("%d records: %x", n, got[:])
		}
	}
}

// TestGrowsAnywhere: a tree that goes on from an edge has the roots, and gives
// the proofs, of one that has seen all.
func TestGrowsAnywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 300).Draw(t, "size")
		begin := rapid.Int64Range(0, size).Draw(t, "begin")
		var edge, whole merkle.Edge
		for i := range size {
			if i < begin {
				edge.Append(leaf(i))
			}
			whole.Append(leaf(i))
		}
		parsed, err := merkle.ParseEdge(edge.Size(), edge.Hashes())
		if err != nil {
			t.Fatal(err)
		}
		tree := merkle.NewTree(parsed)
		for i := begin; i < size; i++ {
			tree.Append(leaf(i))
		}
		root, err := tree.Root(size)
		if err != nil || root != whole.Root() || tree.Size() != size {
			t.Fatalf("another root (%v)", err)
		}
		if begin < size {
			provesLeaf(t, tree, begin, size, root)
		}
		provesPrefix(t, tree, max(1, begin), size, root)
	})
}

func provesLeaf(t *rapid.T, tree *merkle.Tree, begin, size int64, root merkle.Hash) {
	at := rapid.Int64Range(begin, size-1).Draw(t, "leaf")
	proof, err := tree.Prove(at, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := merkle.Check(proof, leaf(at), at, size, root); err != nil {
		t.Fatal(err)
	}
	if merkle.Check(proof, leaf(at+1), at, size, root) == nil {
		t.Fatal("the proof is of any leaf")
	}
	if size > 1 && merkle.Check(proof, leaf(at), (at+1)%size, size, root) == nil {
		t.Fatal("the proof is of any place")
	}
}

func provesPrefix(t *rapid.T, tree *merkle.Tree, begin, size int64, root merkle.Hash) {
	smaller := rapid.Int64Range(begin, size).Draw(t, "smaller")
	small, err := tree.Root(smaller)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := tree.ProvePrefix(smaller, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := merkle.CheckPrefix(proof, smaller, small, size, root); err != nil {
		t.Fatal(err)
	}
	if merkle.CheckPrefix(proof, smaller, leaf(0), size, root) == nil && small != leaf(0) {
		t.Fatal("the proof is of any smaller tree")
	}
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	var edge merkle.Edge
	for i := range int64(5) {
		edge.Append(leaf(i))
	}
	tree := merkle.NewTree(&edge)
	tree.Append(leaf(5))
	if _, err := tree.Prove(0, 6); err == nil {
		t.Error("a leaf from before the beginning is proved")
	}
	if _, err := tree.Prove(6, 7); err == nil {
		t.Error("a leaf behind the end is proved")
	}
	if _, err := tree.Root(7); err == nil {
		t.Error("a root of a larger tree")
	}
	if _, err := tree.ProvePrefix(0, 6); err == nil {
		t.Error("a proof from nothing")
	}
	for _, hashes := range [][]string{nil, {"x", "y"}, {leaf(0).String()}} {
		if _, err := merkle.ParseEdge(5, hashes); err == nil {
			t.Errorf("%q is taken for the edge of 5 leaves", hashes)
		}
	}
	if merkle.Check(nil, leaf(0), 1, 1, leaf(0)) == nil || merkle.CheckPrefix(nil, 2, leaf(0), 1, leaf(0)) == nil {
		t.Error("what cannot be is checked")
	}
	var empty merkle.Edge
	if merkle.CheckPrefix(nil, 0, empty.Root(), 6, tlog.Hash{}) != nil || merkle.CheckPrefix(nil, 0, leaf(1), 6, tlog.Hash{}) == nil {
		t.Error("nothing is not the beginning of a tree")
	}
}
