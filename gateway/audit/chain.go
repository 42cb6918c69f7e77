package audit

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/vaultferry/vaultferry/internal/merkle"
)

// link is where a chain stands: behind the line with this sum and number.
type link struct {
	sum  [sha256.Size]byte
	seq  uint64
	size int64        // of the file, as far as this process has read or written it
	torn bool         // the last line lacks its newline
	last []byte       // the end of the last line, to know the file by
	log  string       // what tells it from others: see logID; empty: not known
	tree *merkle.Edge // over all lines; nil: not kept
}

// lastKept bounds link.last.
const lastKept = 1 << 10

func firstLink() link { return link{sum: sha256.Sum256(nil)} }

func (l *link) hex() string { return hex.EncodeToString(l.sum[:]) }

// follow moves behind a line, given without its newline. A leaf of the tree is
// the sum of a line, so that the line itself is hashed once.
func (l *link) follow(line []byte) {
	l.sum = sha256.Sum256(line)
	if l.seq == 0 {
		l.log = logID(l.sum)
	}
	l.seq++
	l.size += int64(len(line)) + 1
	if l.tree != nil {
		l.tree.Append(merkle.Leaf(l.sum[:]))
	}
	l.torn = false
}

// ID tells the log from those of other gateways. Empty: it has no line yet.
func (l *Log) ID() string {
	l.turn.Lock()
	defer l.turn.Unlock()
	return l.at.log
}

// logID tells a log from others of the same gateway: by its first line.
func logID(first [sha256.Size]byte) string { return hex.EncodeToString(first[:8]) }

// keep remembers the end of the last line.
func (l *link) keep(line []byte) {
	l.last = append(l.last[:0], line[max(0, len(line)-lastKept):]...)
}

// tear moves behind a line that was cut short.
func (l *link) tear(part []byte) {
	l.follow(part)
	l.keep(part)
	l.size--
	l.torn = true
}

// state is what a reader goes on from.
func (l *link) state() *TreeState {
	if l.tree == nil {
		return nil
	}
	return &TreeState{Log: l.log, Size: l.tree.Size(), Hashes: l.tree.Hashes()}
}
