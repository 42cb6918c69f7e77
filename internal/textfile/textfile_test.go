package textfile

import (
	"encoding/binary"
	"errors"
	"testing"
	"unicode/utf16"
)

func utf16Of(order binary.AppendByteOrder, s string) (out []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

// TestDecode: a text is the same, whoever saved it.
func TestDecode(t *testing.T) {
	t.Parallel()
	const text = "ü 日本 😀\r\n"
	for what, tt := range map[string]struct {
		raw  []byte
		want string
		err  error
	}{
		"UTF-8":                    {[]byte(text), text, nil},
		"UTF-8 with a mark":        {[]byte("\ufeff" + text), text, nil},
		"UTF-16 of PowerShell":     {utf16Of(binary.LittleEndian, "\ufeff"+text), text, nil},
		"UTF-16, big-endian":       {utf16Of(binary.BigEndian, "\ufeff"+text), text, nil},
		"a mark within":            {[]byte("a\ufeff"), "a\ufeff", nil},
		"nothing":                  {nil, "", nil},
		"a mark alone":             {[]byte("\ufeff"), "", nil},
		"no UTF-8":                 {[]byte("\xe9"), "\xe9", nil},
		"half a character":         {append(utf16Of(binary.LittleEndian, "\ufeffa"), 'b'), "", ErrCut},
		"half a pair":              {binary.LittleEndian.AppendUint16(utf16Of(binary.LittleEndian, "\ufeffa"), 0xD83D), "", ErrNoUTF16},
		"a pair the wrong way":     {binary.LittleEndian.AppendUint16(utf16Of(binary.LittleEndian, "\ufeff"), 0xDE00), "", ErrNoUTF16},
		"half a pair, then letter": {append(binary.LittleEndian.AppendUint16(utf16Of(binary.LittleEndian, "\ufeff"), 0xD83D), 'a', 0), "", ErrNoUTF16},
	} {
		got, err := Decode(tt.raw)
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

// TestCredential: one line end goes, and what may belong to a password stays.
func TestCredential(t *testing.T) {
	t.Parallel()
	const word = "pässword"
	for what, tt := range map[string]struct {
		raw  []byte
		want string
		err  error
	}{
		"as it is":                    {[]byte(word), word, nil},
		"echo":                        {[]byte(word + "\n"), word, nil},
		"Notepad":                     {[]byte("\ufeff" + word + "\r\n"), word, nil},
		"Windows PowerShell":          {utf16Of(binary.LittleEndian, "\ufeff"+word+"\r\n"), word, nil},
		"blanks":                      {[]byte(" " + word + " \n\n"), " " + word + " \n", nil},
		"Latin-1":                     {[]byte("p\xe4ss\n"), "p\xe4ss", nil},
		"UTF-16 without a mark":       {utf16Of(binary.LittleEndian, "pass\r\n"), "", ErrNUL},
		"a zero byte at the end":      {[]byte("pass\x00"), "", ErrNUL},
		"empty":                       {nil, "", ErrEmpty},
		"a line end alone":            {[]byte("\r\n"), "", ErrEmpty},
		"a mark alone":                {[]byte("\ufeff\n"), "", ErrEmpty},
		"UTF-16 that ends in between": {[]byte("\xff\xfep"), "", ErrCut},
	} {
		got, err := Credential(tt.raw)
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}
