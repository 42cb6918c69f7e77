// Package saved finds backups in the files that people keep: what a shell, an
// editor or another tool made of the answer to a backup. It opens nothing, and
// proves nothing about what it finds. A stranger's file reaches it.
package saved

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/textfile"
	"github.com/vaultferry/vaultferry/secret"
)

// MaxDepth is how deep in JSON a backup may stand.
const MaxDepth = 16

// Most is how many backups one file may hold.
const Most = 10_000

// Backup is one that was found.
type Backup struct {
	// Path says where: "outputs.db.value", "[2].value", "line 3". Empty: the
	// whole file is it.
	Path string
	Blob []byte
}

// Find returns each distinct backup in raw, in the order of the file. raw may
// be a blob; its base64 or base64url form, wrapped or not, once or more often, with
// other text around; or JSON that holds any of these in a string. Text may be UTF-8 or, with a
// byte order mark, UTF-16. Nothing found is Corrupt, with what was looked for.
func Find(raw []byte) ([]Backup, error) {
	text, err := textOf(raw)
	if err != nil {
		return nil, err
	}
	f, err := find(text)
	if err != nil {
		return nil, err
	}
	return f.found, nil
}

// textOf is the text in raw; UTF-16 that is none is Corrupt.
func textOf(raw []byte) ([]byte, error) {
	text, err := textfile.Decode(raw)
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "%v", err)
	}
	return text, nil
}

func find(text []byte) (*finder, error) {
	f := &finder{seen: map[[32]byte]int{}, offset: len(text) - len(bytes.TrimLeftFunc(text, unicode.IsSpace))}
	text = bytes.TrimSpace(text)
	var err error
	switch {
	case len(text) == 0:
		return nil, secret.Errorf(secret.Corrupt, "the file is empty")
	case text[0] == firstByte && backup.FormatOf(text) == "":
		err = f.add("", text, 0, len(text)) // whoever opens it says what is wrong with it
	case strings.IndexByte(`{["`, text[0]) >= 0:
		f.quoted = true
		err = f.json(text)
	default:
		err = f.lines(string(text))
	}
	if err == nil && len(f.found) == 0 {
		if tool := unpacker(text); tool != "" {
			return nil, secret.Errorf(secret.Corrupt, "it is compressed: %s unpacks it", tool)
		}
		err = secret.Errorf(secret.Corrupt, "there is no backup in it: neither the file that backup writes, nor its base64 form, nor JSON with a string that is either")
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// unpacker is the tool for what the file is compressed by, if it is.
func unpacker(text []byte) string {
	for magic, tool := range map[string]string{"\x1f\x8b": "gzip -d", "PK\x03\x04": "unzip", "\x28\xb5\x2f\xfd": "zstd -d", "\xfd7zXZ\x00": "xz -d", "BZh": "bzip2 -d"} {
		if bytes.HasPrefix(text, []byte(magic)) {
			return tool
		}
	}
	return ""
}

// firstByte begins every blob, ours and the clouds'.
const firstByte = ')'

type finder struct {
	found  []Backup
	seen   map[[32]byte]int // where in found
	offset int              // of what is looked through in the text
	quoted bool             // places are strings of JSON
	places []place
}

// place is where in the text a backup stands, once or again.
type place struct{ from, to, found int }

func (f *finder) add(path string, blob []byte, from, to int) error {
	sum := sha256.Sum256(blob)
	i, again := f.seen[sum]
	switch {
	case !again && len(f.found) == Most:
		return secret.Errorf(secret.Corrupt, "more than %d backups are in it: split it first", Most)
	case !again:
		i = len(f.found)
		f.seen[sum] = i
		f.found = append(f.found, Backup{path, blob})
	}
	f.places = append(f.places, place{f.offset + from, f.offset + to, i})
	return nil
}

// beginsLikeBlob decodes no more of s than the longest of the prefixes.
func beginsLikeBlob(s string) bool {
	const enough = 64
	s = s[:min(len(s), enough)]
	switch {
	case s == "":
		return false
	case s[0] == firstByte:
		return backup.FormatOf([]byte(s)) != ""
	case s[0] != 'K' || len(s) < enough/4: // what base64 makes of firstByte
		return false
	}
	b, err := base64.RawStdEncoding.DecodeString(plainAlphabet(s[:len(s)/4*4]))
	return err == nil && backup.FormatOf(b) != ""
}

// decode returns the blob that s is, or is the base64 form of; else nil.
func decode(s string) []byte {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return nil
	case s[0] == firstByte:
		if backup.FormatOf([]byte(s)) == "" {
			return nil
		}
		return []byte(joined(s)) // all of them are text without any blank
	case s[0] != 'K': // what base64 makes of firstByte
		return nil
	}
	s = joined(s)
	s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	b, err := base64.RawStdEncoding.Strict().DecodeString(plainAlphabet(s))
	if err != nil || backup.FormatOf(b) == "" {
		return nil
	}
	return b
}

// joined is s without blanks and line ends.
func joined(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}

var toPlain = strings.NewReplacer("-", "+", "_", "/")

// plainAlphabet makes base64 of base64url.
func plainAlphabet(s string) string { return toPlain.Replace(s) }
