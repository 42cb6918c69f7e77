package kit

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// TestSift: no entry that does not decode hides another.
func TestSift(t *testing.T) {
	t.Parallel()
	decodes := func(b []byte) error {
		return json.Unmarshal(b, new(struct {
			ID string `json:"id"`
			N  int    `json:"n"`
		}))
	}
	for page, want := range map[string]string{
		`{"value":[{"id":"a","n":1},null],"next":"x"}`:  "",
		`{"value":[{"id":"a","n":"1"},{"id":"b"}]}`:     `{"value":[{"id":"a"},{"id":"b"}]}`,
		`{"value":[{"id":7,"n":1}, 7, []],"next":null}`: `{"next":null,"value":[{},{},{}]}`,
		`{"value":{}}`: "", `{}`: "", `[`: "", `[]`: "", ``: "", `null`: "",
	} {
		if want == "" {
			want = page
		}
		if got := string(Sift([]byte(page), "value", decodes, "id")); got != want {
			t.Errorf("of %s is left %s", page, got)
		}
	}
}

// TestSiftAnswer: what was cut off stays so, and no error is touched.
func TestSiftAnswer(t *testing.T) {
	t.Parallel()
	never := func([]byte) error { return errors.New("odd") }
	answer := func(status int, body io.Reader) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Length": {"17"}}, ContentLength: 17, Body: io.NopCloser(body)}
	}
	const page = `{"value":[1,2,3]}`
	cut := answer(200, io.MultiReader(strings.NewReader(page), iotest.ErrReader(io.ErrUnexpectedEOF)))
	SiftAnswer(cut, "value", never)
	if got, err := io.ReadAll(cut.Body); string(got) != page || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an answer that was cut off reads %q, %v", got, err)
	}
	for status, want := range map[int]string{200: `{"value":[{},{},{}]}`, 404: page} {
		r := answer(status, strings.NewReader(page))
		SiftAnswer(r, "value", never)
		if got, err := io.ReadAll(r.Body); string(got) != want || err != nil || r.ContentLength != int64(len(want)) {
			t.Errorf("an answer %d reads %q of %d, %v", status, got, r.ContentLength, err)
		}
	}
}
