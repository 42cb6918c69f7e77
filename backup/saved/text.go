package saved

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// Text returns what an editor or a shell saved as UTF-8 without a byte order
// mark. UTF-16 is known by its mark; anything else stays as it is. UTF-16 that
// is none is Corrupt.
func Text(raw []byte) ([]byte, error) {
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
		return nil, secret.Errorf(secret.Corrupt, "the file begins like UTF-16 and breaks off in the middle of a character")
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
				return nil, secret.Errorf(secret.Corrupt, "the file begins like UTF-16 and is none")
			}
			i += 2
		}
		text = utf8.AppendRune(text, r)
	}
	return text, nil
}
