package audit

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/vaultferry/vaultferry/internal/merkle"
)

// ProvePrefix shows that the log of the larger size begins with that of the
// smaller one. It reads no more than the lines behind the last checkpoint
// before the smaller size.
func (l *Log) ProvePrefix(smaller, larger int64) ([]merkle.Hash, error) {
	if l.shared == nil {
		return nil, errors.New("audit: this log is no file")
	}
	g := &grower{smaller: smaller, larger: larger}
	for i, path := range filesFrom(l.shared.path, smaller) {
		if err := g.read(path, i == 0); err != nil {
			return nil, err
		}
	}
	if g.tree == nil || g.tree.Size() < larger {
		return nil, errors.New("audit: the files do not hold all lines since then")
	}
	return g.tree.ProvePrefix(smaller, larger)
}

// filesFrom are the files of the log whose lines lie behind the size, and the
// one that it lies in.
func filesFrom(path string, size int64) []string {
	type begun struct {
		path string
		size int64
	}
	var all []begun
	for _, p := range append(beside(path), path) {
		f, err := os.Open(p)
		if err != nil {
			continue
		}
		first, ok := firstEntry(f)
		_ = f.Close() // only read
		switch {
		case ok && first.Tree != nil:
			all = append(all, begun{p, first.Tree.Size})
		case ok && first.Seq == 1:
			all = append(all, begun{p, 0})
		}
	}
	slices.SortStableFunc(all, func(a, b begun) int { return cmp.Compare(a.size, b.size) })
	var paths []string
	for _, b := range all {
		if b.size <= size {
			paths = paths[:0] // the one before ends before
		}
		paths = append(paths, b.path)
	}
	return paths
}

// grower follows lines, and keeps the tree behind the smaller size.
type grower struct {
	smaller, larger int64
	at              link
	tree            *merkle.Tree
}

// read follows the lines of a file, of the first one from the last tree on that
// is small enough.
func (g *grower) read(path string, first bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if first {
		e, offset, err := lastStateOf(f, info.Size(), func(t *TreeState) bool { return t.Size <= g.smaller })
		if err != nil {
			return err
		}
		g.at = firstLink()
		g.at.tree = &merkle.Edge{}
		if e != nil {
			if err := g.at.place(e, offset); err != nil {
				return err
			}
		}
	} else {
		g.at.size = 0
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, g.at.size, info.Size()-g.at.size), 1<<16)
	for {
		if g.tree == nil && g.at.tree.Size() == g.smaller {
			g.tree = merkle.NewTree(g.at.tree)
		}
		if g.tree != nil && g.tree.Size() >= g.larger {
			return nil
		}
		line, err := readLine(r)
		if err == nil || len(line) > 0 {
			g.at.follow(line)
			if g.tree != nil {
				g.tree.Append(merkle.Leaf(g.at.sum[:]))
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
