package kit

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// Sift makes a page of a product's list one that the vendor's client decodes,
// for the client knows no entry without all the others. Of an entry that does
// not decode nothing but the members in keep are left, as far as they are text.
// What is no such page stays as it is: the client says what is wrong with it.
//
// Danger: what decodes says less than the product did. It is for lists that name
// what is then asked for one by one.
func Sift(page []byte, list string, decodes func([]byte) error, keep ...string) []byte {
	var members map[string]json.RawMessage
	var entries []json.RawMessage
	if json.Unmarshal(page, &members) != nil || json.Unmarshal(members[list], &entries) != nil {
		return page
	}
	odd := false
	for i := range entries {
		if decodes(entries[i]) == nil {
			continue
		}
		odd = true
		if entries[i] = textMembers(entries[i], keep); decodes(entries[i]) != nil {
			entries[i] = json.RawMessage("{}")
		}
	}
	if !odd {
		return page
	}
	var err error
	if members[list], err = json.Marshal(entries); err == nil {
		if sifted, err := json.Marshal(members); err == nil {
			return sifted
		}
	}
	return page
}

// textMembers is the object with those members of entry that are text.
func textMembers(entry []byte, names []string) json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(entry, &members) // what is no object has none
	left := map[string]string{}
	for _, name := range names {
		var text *string
		if json.Unmarshal(members[name], &text) == nil && text != nil {
			left[name] = *text
		}
	}
	out, err := json.Marshal(left)
	if err != nil { // it is made of strings
		return json.RawMessage("{}")
	}
	return out
}

// SiftAnswer is Sift for an answer. An answer that cannot be read to its end is
// left to who reads it.
func SiftAnswer(resp *http.Response, list string, decodes func([]byte) error, keep ...string) {
	if resp.StatusCode != http.StatusOK {
		return
	}
	page, err := io.ReadAll(resp.Body)
	var body io.Reader = bytes.NewReader(page)
	if err != nil {
		body = io.MultiReader(body, failingReader{err})
	} else {
		sifted := Sift(page, list, decodes, keep...)
		body, resp.ContentLength = bytes.NewReader(sifted), int64(len(sifted))
		resp.Header.Del("Content-Length")
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{body, resp.Body}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
