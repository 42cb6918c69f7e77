package saved

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"unicode/utf16"

	"github.com/vaultferry/vaultferry/secret"
)

// Replace returns raw with what with made of each backup in its place, in the form
// that it had: base64 or not, a string of JSON, in UTF-16. Line ends within a
// backup go, all around it stays to the byte. with is called as Find finds them,
// once for each; where it returns nil the backup stays. Kind: Corrupt, as Find.
func Replace(raw []byte, with func(Backup) ([]byte, error)) ([]byte, error) {
	text, err := textOf(raw)
	if err != nil {
		return nil, err
	}
	f, err := find(text)
	if err != nil {
		return nil, err
	}
	made := make([][]byte, len(f.found))
	for i, b := range f.found {
		if made[i], err = with(b); err != nil {
			return nil, err
		}
	}
	var out []byte
	at := 0
	for _, p := range f.places {
		if made[p.found] == nil {
			continue
		}
		out = append(out, text[at:p.from]...)
		out = f.appendLike(out, text[p.from:p.to], made[p.found])
		at = p.to
	}
	out = like(raw, append(out, text[at:]...))
	return out, f.reads(out, made)
}

// appendLike spells the blob as another one was.
func (f *finder) appendLike(out, was, blob []byte) []byte {
	if f.quoted {
		var plain string
		_ = json.Unmarshal(was, &plain) // it was decoded before
		out, was = append(out, '"'), []byte(plain)
	}
	was = bytes.TrimSpace(was)
	switch { // base64 and base64url of what is all text and has no "~" are the same
	case was[0] == firstByte:
		out = append(out, blob...) // nothing in it needs an escape
	case bytes.HasSuffix(was, []byte("=")):
		out = base64.StdEncoding.AppendEncode(out, blob)
	default:
		out = base64.RawStdEncoding.AppendEncode(out, blob)
	}
	if f.quoted {
		out = append(out, '"')
	}
	return out
}

// like encodes the text as raw is.
func like(raw, text []byte) []byte {
	var order binary.AppendByteOrder
	switch {
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return append(bytes.Clone(raw[:3]), text...)
	case bytes.HasPrefix(raw, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(raw, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return text
	}
	out := bytes.Clone(raw[:2])
	for _, u := range utf16.Encode([]rune(string(text))) {
		out = order.AppendUint16(out, u)
	}
	return out
}

// reads fails unless out holds what was made: who replaces a file by it loses the
// one before.
func (f *finder) reads(out []byte, made [][]byte) error {
	found, err := Find(out)
	if err != nil {
		return &secret.Error{Kind: secret.Internal, Op: "saved.replace", Err: err}
	}
	has := map[string]bool{}
	for _, b := range found {
		has[string(b.Blob)] = true
	}
	for i, b := range f.found {
		want := made[i]
		if want == nil {
			want = b.Blob
		}
		if !has[string(want)] {
			return secret.Errorf(secret.Internal, "the backup at %q would not be found again", b.Path)
		}
	}
	return nil
}
