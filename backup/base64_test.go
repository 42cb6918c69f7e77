package backup

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

func TestUnwrapTakesWhatPeopleKeep(t *testing.T) {
	t.Parallel()
	blob := string(mustSeal(t, NewKeyring(), smallDocument()))
	wire := EncodeBase64URL([]byte(blob))
	for name, raw := range map[string]string{
		"blob":                    blob,
		"blob with newline":       blob + "\n",
		"base64url":               wire,
		"base64url with newlines": "\r\n" + wire + "\r\n",
		"azure answer":            `{"value":"` + wire + `"}`,
		"azure answer, indented":  "{\n  \"value\": \"" + wire + "\"\n}\n",
		"huawei answer":           `{"secret_blob":"` + blob + `"}`,
		"azure answer, blanks":    `{"value":" \n` + wire + `\r\n\t"}`,
		"huawei answer, blanks":   `{"secret_blob":"\n ` + blob + `\r\n"}`,
	} {
		got, err := Unwrap([]byte(raw))
		if err != nil || string(got) != blob {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string]string{
		"empty":                   "",
		"white space":             " \n",
		"padded":                  wire + "==",
		"line break":              wire[:9] + "\n" + wire[9:],
		"no blob inside":          EncodeBase64URL([]byte("hello")),
		"empty object":            `{}`,
		"both":                    `{"value":"` + wire + `","secret_blob":"` + blob + `"}`,
		"blob as value":           `{"value":"` + blob + `"}`,
		"base64url as blob":       `{"secret_blob":"` + wire + `"}`,
		"null":                    `{"value":null}`,
		"number":                  `{"value":1}`,
		"another member":          `{"value":"` + wire + `","x":1}`,
		"two answers":             `{"value":"` + wire + `"}{}`,
		"an error answer":         `{"error":{"code":"Forbidden"}}`,
		"cut":                     `{"value":"` + wire,
		"empty blob":              `{"secret_blob":""}`,
		"base64url of base64url":  EncodeBase64URL([]byte(wire)),
		"an age file for example": "age-encryption.org/v1",
	} {
		if _, err := Unwrap([]byte(raw)); secret.KindOf(err) != secret.Corrupt || secret.DetailOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

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
