package textfile

import (
	"bytes"
	"errors"
)

// Why a file holds no credential.
var (
	ErrEmpty = errors.New("it is empty")
	ErrNUL   = errors.New("it holds a zero byte, as UTF-16 without a byte order mark does: save it as UTF-8")
)

// Credential is the password, key or token that a file or a variable holds, for a
// variable comes of a file: docker's --env-file leaves the CR of a line end of
// Windows, a Secret of Kubernetes the line end that echo put there. It is without a byte order
// mark, and without the one line end that editors and echo put behind it. Other
// blanks stay, for they may belong to it. What Decode leaves as it is may be no
// UTF-8, and stays too: products take such passwords.
func Credential(raw []byte) ([]byte, error) {
	text, err := Decode(raw)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	switch {
	case len(text) == 0:
		return nil, ErrEmpty
	case bytes.IndexByte(text, 0) >= 0:
		return nil, ErrNUL
	}
	return text, nil
}
