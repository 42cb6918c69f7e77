package backup

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func TestDecodeBase64URLIsCanonical(t *testing.T) {
	t.Parallel()
	// Every string of up to three characters out of a few tells what one
	// decoder must accept: what the standard encoder writes.
	alphabet := "AQgwx-_+/=\n\r "
	words := []string{""}
	for n := 0; n < len(words) && len(words[n]) < 3; n++ {
		for _, c := range alphabet {
			words = append(words, words[n]+string(c))
		}
	}
	accepted := 0
	for _, s := range words {
		b, err := DecodeBase64URL(s)
		lenient, e := base64.RawURLEncoding.DecodeString(s)
		want := e == nil && base64.RawURLEncoding.EncodeToString(lenient) == s
		if (err == nil) != want || (want && !bytes.Equal(b, lenient)) {
			t.Errorf("%q: %v", s, err)
		}
		if want {
			accepted++
		}
	}
	if accepted < 100 || !canonicalBase64URL(base64URLAlphabet) || canonicalBase64URL(strings.Repeat("A", 5)) {
		t.Errorf("only %d accepted", accepted)
	}
}
