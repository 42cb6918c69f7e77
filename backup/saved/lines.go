package saved

import (
	"fmt"
	"strings"
)

// part is what may be a backup: in one line, or in several that were wrapped.
type part struct {
	line, from, to int
	text           strings.Builder
	open           bool // the next line may go on with it
}

func (p *part) take(s string, from int) {
	p.text.WriteString(s)
	if s != "" {
		p.to = from + len(s)
	}
}

// lines takes blobs and their base64 form out of text that is no JSON, in the
// reading that finds more of them.
func (f *finder) lines(text string) error {
	inside := strings.TrimLeft(text, `'`)
	shift := len(text) - len(inside)
	alone, amid := partsAlone(strings.TrimRight(inside, `'`)), partsAmid(text)
	for _, p := range alone {
		p.from, p.to = p.from+shift, p.to+shift
	}
	if count(amid) > count(alone) {
		return f.addParts(amid, true)
	}
	return f.addParts(alone, len(alone) > 1)
}

func count(parts []*part) (n int) {
	for _, p := range parts {
		if decode(p.text.String()) != nil {
			n++
		}
	}
	return n
}

func (f *finder) addParts(parts []*part, named bool) error {
	for _, p := range parts {
		blob, path := decode(p.text.String()), ""
		if named {
			path = fmt.Sprintf("line %d", p.line)
		}
		if blob == nil {
			continue
		}
		if err := f.add(path, blob, p.from, p.to); err != nil {
			return err
		}
	}
	return nil
}

// partsAlone are those of a text of nothing but backups: each line that begins like
// one begins one, and those that follow go on with it.
func partsAlone(text string) (parts []*part) {
	n, at := 0, 0
	for whole := range strings.Lines(text) {
		n++
		line := strings.TrimSpace(whole)
		from := at + strings.Index(whole, line)
		at += len(whole)
		if len(parts) == 0 || beginsLikeBlob(line) {
			parts = append(parts, &part{line: n, from: from})
		}
		parts[len(parts)-1].take(line, from)
	}
	return parts
}

// closers may stand behind a part.
const closers = `"',|`

// partsAmid are those that stand between other text: the value of YAML, of a
// variable or of a list that PowerShell shows, cells of a table or of CSV, what is
// between tags, or quoted by a mail. Lines of nothing else go on with one that
// went to the end of its line.
func partsAmid(text string) (parts []*part) {
	var last *part
	n, at := 0, 0
	for whole := range strings.Lines(text) {
		n++
		line := strings.TrimSpace(strings.TrimLeft(whole, "> \t"))
		from := at + strings.Index(whole, line)
		at += len(whole)
		begun := partsOf(line, n, from)
		switch {
		case len(begun) > 0:
			parts = append(parts, begun...)
			last = begun[len(begun)-1]
		case last != nil && last.open:
			last.goOn(line, from)
		}
	}
	return parts
}

// partsOf are those that begin in a line.
func partsOf(line string, n, from int) (parts []*part) {
	for end := 0; ; {
		i := blobIndex(line[end:])
		if i < 0 {
			return parts
		}
		start := end + i
		end = start + blobLength(line[start:])
		p := &part{line: n, from: from + start, open: end == len(line)}
		p.take(line[start:end], from+start)
		parts = append(parts, p)
	}
}

// goOn takes a line that may be more of the part, and ends it where it is other text.
func (p *part) goOn(line string, from int) {
	end := blobLength(line)
	if strings.Trim(line[end:], closers) == "" {
		p.take(line[:end], from)
	}
	p.open = line != "" && end == len(line)
}

// blobIndex is where in a line something begins like a blob that is no part of a
// longer word, or -1.
func blobIndex(line string) int {
	inWord := false
	for i, r := range line {
		if !inWord && (r == firstByte || r == 'K') && beginsLikeBlob(line[i:]) {
			return i
		}
		inWord = ofBlob(r) && r != '='
	}
	return -1
}

// blobLength is how much of s a blob, or its base64 form, may be.
func blobLength(s string) int {
	if end := strings.IndexFunc(s, func(r rune) bool { return !ofBlob(r) }); end >= 0 {
		return end
	}
	return len(s)
}

func ofBlob(r rune) bool {
	return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(")._-+/=", r)
}
