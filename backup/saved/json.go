package saved

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/vaultferry/vaultferry/secret"
)

// deepest is where a walk ends: no tool nests its answers so.
const deepest = 1000

// level is one array or object on the way down.
type level struct {
	array bool
	n     int    // of the member that is read, from 0
	key   string // of an object's
	inKey bool   // the next string is a key
}

// json walks over documents, one after the other.
func (f *finder) json(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var way []level
	for documents := 0; ; {
		before := int(dec.InputOffset())
		token, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF) && len(way) == 0:
			return nil
		case err != nil:
			return secret.Errorf(secret.Corrupt, "it begins like JSON, which breaks off or is wrong after byte %d", dec.InputOffset())
		}
		if len(way) == 0 {
			documents++
		}
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				way = append(way, level{array: t == '[', inKey: t == '{'})
				if len(way) > deepest {
					return secret.Errorf(secret.Corrupt, "its JSON is nested deeper than %d levels", deepest)
				}
				continue
			}
			way = way[:len(way)-1]
		case string:
			if top := len(way) - 1; top >= 0 && way[top].inKey {
				way[top].key, way[top].inKey = t, false
				continue
			}
			if blob, err := blobIn(t, way); err != nil {
				return err
			} else if blob != nil {
				from := before + bytes.IndexByte(text[before:], '"') // nothing but blanks, "," and ":" is ahead of it
				if err := f.add(path(documents, way), blob, from, int(dec.InputOffset())); err != nil {
					return err
				}
			}
		}
		if top := len(way) - 1; top >= 0 { // a value ended
			way[top].n++
			way[top].inKey = !way[top].array
		}
	}
}

// blobIn is the backup that a string is, if it is one.
func blobIn(s string, way []level) ([]byte, error) {
	blob := decode(s)
	if blob != nil && len(way) > MaxDepth {
		return nil, secret.Errorf(secret.Corrupt, "a backup in it lies deeper than %d levels of JSON: cut it out first", MaxDepth)
	}
	return blob, nil
}

// shorten keeps a path short: a stranger chose the key.
func shorten(key string) string {
	const most = 64
	if len(key) <= most {
		return key
	}
	return key[:most] + "..."
}

// path is how jq would write it, less the first dot. Documents after the first
// are numbered.
func path(document int, way []level) string {
	var b []byte
	if document > 1 {
		b = append(b, "document "...)
		b = strconv.AppendInt(b, int64(document), 10)
	}
	for i, l := range way {
		switch {
		case i == 0 && len(b) > 0:
			b = append(b, ": "...)
		case i > 0 && !l.array:
			b = append(b, '.')
		}
		if l.array {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(l.n), 10)
			b = append(b, ']')
		} else {
			b = append(b, shorten(l.key)...)
		}
	}
	return string(b)
}
