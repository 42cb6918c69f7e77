package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/vaultferry/vaultferry/internal/merkle"
)

// errNoAudit: what stands in the file was never written by a Log.
var errNoAudit = errors.New("the file holds no audit line")

// resume moves at behind the last line of the file, whatever stands there. A
// line that a crash cut short is a line. With a tree, at gets one.
func resume(file *os.File, at *link, size int64, tree bool) error {
	switch {
	case size == 0:
		if tree && at.tree == nil && at.seq == 0 {
			at.tree = &merkle.Edge{}
		}
		return nil
	case at.tree != nil:
		return at.read(file, size)
	case !tree:
		return resumeTail(file, at, size)
	}
	e, offset, err := lastState(file, size)
	if err != nil {
		return err
	}
	if e == nil { // a file from before there were trees, or of commands alone
		first, ok := firstEntry(file)
		if ok && first.Seq != 1 {
			return resumeTail(file, at, size)
		}
		*at = firstLink()
		at.tree = &merkle.Edge{}
		if err := at.read(file, size); err != nil || at.seq == 0 {
			return errors.Join(errNoAudit, err)
		}
		if !ok && !torn(at.last) {
			return errNoAudit
		}
		return nil
	}
	if err := at.place(e, offset); err != nil {
		return err
	}
	return at.read(file, size)
}

// place moves at before the line of e.
func (l *link) place(e *Entry, offset int64) error {
	edge, err := merkle.ParseEdge(e.Tree.Size, e.Tree.Hashes)
	if err != nil {
		return err
	}
	*l = link{seq: e.Seq - 1, size: offset, log: e.Tree.Log, tree: edge}
	_, err = hex.Decode(l.sum[:], []byte(e.Chain))
	return err
}

// read follows the lines from where at stands.
func (l *link) read(file *os.File, size int64) error {
	r := bufio.NewReaderSize(io.NewSectionReader(file, l.size, size-l.size), 1<<16)
	if l.torn {
		if _, err := r.Discard(1); err != nil { // its newline
			return err
		}
		l.torn = false
		l.size++
	}
	for {
		line, err := readLine(r)
		switch {
		case err == nil:
			l.follow(line)
			if seq, ok := lineSeq(line); ok { // as it says, where lines are gone
				l.seq = seq
			}
			l.keep(line)
		case !errors.Is(err, io.EOF):
			return err
		case len(line) > 0:
			l.tear(line)
			return nil
		default:
			return nil
		}
	}
}

// readLine reads a line of any length, without its newline. With io.EOF it
// returns what stands behind the last newline.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.ReadSlice('\n')
		long = append(long, line...)
	}
	return bytes.TrimSuffix(long, []byte("\n")), err
}

// tail is how much of the end of a file is read at first for its last lines.
const tail = 64 << 10

// resumeTail is resume without a tree: it reads no more than it needs to find
// the last whole line.
func resumeTail(file *os.File, at *link, size int64) error {
	for n := min(size, tail); ; n = min(size, 8*n) {
		buf := make([]byte, n)
		if _, err := file.ReadAt(buf, size-n); err != nil {
			return err
		}
		text, cut := buf, true
		if n < size { // the first line here lacks its beginning
			i := bytes.IndexByte(buf, '\n')
			text = buf[i+1:]
			cut = i >= 0
		}
		lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
		last := lines[len(lines)-1]
		seq, ok := lastSeq(lines)
		if !ok && n == size && len(lines) == 1 && torn(last) { // the first line of all was cut short
			seq, ok = 1, true
		}
		if ok && cut {
			*at = link{sum: sumOf(last), seq: seq, size: size, torn: buf[len(buf)-1] != '\n'}
			at.keep(last)
			return nil
		}
		if n == size {
			return errNoAudit
		}
	}
}

// torn: the text is the beginning of a line of ours.
func torn(text []byte) bool {
	const begin = `{"v":1,"chain":"`
	return len(text) > 0 && (bytes.HasPrefix(text, []byte(begin)) || bytes.HasPrefix([]byte(begin), text))
}

// lastSeq numbers the last line, counting torn ones behind the last whole one.
func lastSeq(lines [][]byte) (uint64, bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		if seq, ok := lineSeq(lines[i]); ok {
			return seq + uint64(len(lines)-1-i), true
		}
	}
	return 0, false
}

// lineSeq is the number that a whole line has.
func lineSeq(line []byte) (uint64, bool) {
	if len(line) == 0 || line[0] != '{' || line[len(line)-1] != '}' {
		return 0, false
	}
	var e struct {
		Seq uint64 `json:"seq"`
	}
	if json.Unmarshal(line, &e) != nil || e.Seq == 0 {
		return 0, false
	}
	return e.Seq, true
}

// maxFirst bounds the first line of a file, of which nothing but the newline may
// be missing.
const maxFirst = 64 << 20

// firstEntry is the first line of the file.
func firstEntry(file io.ReaderAt) (Entry, bool) {
	line, err := readLine(bufio.NewReader(io.NewSectionReader(file, 0, maxFirst)))
	if err != nil {
		return Entry{}, false
	}
	e, err := Parse(line)
	return e, err == nil
}

// lastState is the last line that holds a tree, with its place. Nil: none
// does.
func lastState(file io.ReaderAt, size int64) (*Entry, int64, error) {
	return lastStateOf(file, size, func(*TreeState) bool { return true })
}

// lastStateOf is the last one that is wanted.
func lastStateOf(file io.ReaderAt, size int64, wanted func(*TreeState) bool) (*Entry, int64, error) {
	mark := []byte(`,"tree":{`) // in a string the quotes would be escaped
	var rest []byte             // of a line that begins further on
	for end := size; end > 0; {
		n := min(end, 1<<20)
		buf := make([]byte, n, n+int64(len(rest)))
		if _, err := file.ReadAt(buf, end-n); err != nil {
			return nil, 0, err
		}
		end -= n
		buf = append(buf, rest...)
		for to := len(buf); ; {
			from := bytes.LastIndexByte(buf[:to], '\n') + 1
			if from == 0 && end > 0 {
				rest = bytes.Clone(buf[:to])
				break
			}
			if line := buf[from:to]; bytes.Contains(line, mark) {
				if e, err := Parse(line); err == nil && e.Tree != nil && wanted(e.Tree) {
					return &e, end + int64(from), nil
				}
			}
			if from == 0 {
				return nil, 0, nil
			}
			to = from - 1
		}
	}
	return nil, 0, nil
}
