// Package textfile reads what editors and shells make of a text: with a byte order
// mark, or as UTF-16, which is what Windows PowerShell's > and Out-File write.
package textfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// Why a file is not a text. None of them quotes it.
var (
	ErrCut     = errors.New("it begins like UTF-16 and breaks off in the middle of a character: save it as UTF-8")
	ErrNoUTF16 = errors.New("it begins like UTF-16 and is none: save it as UTF-8")
)

// Decode returns a text as UTF-8 without a byte order mark. UTF-16 is known by its
// mark; anything else stays as it is, for a file may hold what is no text.
func Decode(raw []byte) ([]byte, error) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return raw[3:], nil
	case bytes.HasPrefix(raw, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(raw, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return raw, nil
	}
	raw = raw[2:]
	if len(raw)%2 != 0 {
		return nil, ErrCut
	}
	text := make([]byte, 0, len(raw)/2)
	for i := 0; i < len(raw); i += 2 {
		r := rune(order.Uint16(raw[i:]))
		if utf16.IsSurrogate(r) {
			low := rune(0)
			if i+4 <= len(raw) {
				low = rune(order.Uint16(raw[i+2:]))
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return nil, ErrNoUTF16
			}
			i += 2
		}
		text = utf8.AppendRune(text, r)
	}
	return text, nil
}
