// Package jsonl reads lines of JSON that only one writer makes: compact, each in
// the one form that it is written in, and ended by one line feed.
package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Errors of a Reader.
var (
	ErrCut  = errors.New("the file was cut")
	ErrLong = errors.New("the line is too long")
)

// Reader reads lines.
type Reader struct {
	lines   *bufio.Reader
	longest int
}

// NewReader bounds a line, in bytes.
func NewReader(r io.Reader, longest int) *Reader {
	return &Reader{lines: bufio.NewReaderSize(r, 1<<16), longest: longest}
}

// Foreign says what another program has made of the file, by how it begins, and what to
// do. Empty: nothing that shows. It is for whoever has read no line yet.
func (r *Reader) Foreign() string {
	begin, _ := r.lines.Peek(1 << 14) // of a shorter file, all of it
	line, _, _ := bytes.Cut(begin, []byte("\n"))
	is := func(magic string) bool { return bytes.HasPrefix(begin, []byte(magic)) }
	switch {
	case is("\x1f\x8b"), is("\x28\xb5\x2f\xfd"), is("PK\x03\x04"), is("\xfd7zXZ"), is("BZh"):
		return "it is compressed: decompress it"
	case is("\xef\xbb\xbf"), is("\xff\xfe"), is("\xfe\xff"):
		return "another program saved it in another encoding: take the file as it was written"
	case bytes.HasSuffix(line, []byte("\r")):
		return "another program saved it with other line ends: take the file as it was written, and copy it as binary"
	case is("{\n"), is("[\n"), is("[{"):
		return "another program has laid out its JSON anew: take the file as it was written"
	}
	return ""
}

// Next returns one line, without its end. ErrCut: the end is missing, or all of
// the line.
func (r *Reader) Next() ([]byte, error) {
	var line []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > r.longest:
			return nil, ErrLong
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF):
			return nil, ErrCut
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// Ended reports whether nothing follows.
func (r *Reader) Ended() bool {
	_, err := r.lines.ReadByte()
	return errors.Is(err, io.EOF)
}

var errForm = errors.New("not as it would be written")

// Decode takes only what json.Marshal would have written, to the byte.
func Decode(line []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	again, err := json.Marshal(to)
	if err != nil || !bytes.Equal(again, line) {
		return errForm
	}
	return nil
}
