package kit

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// CheckState refuses (Invalid, TooLarge) what no StateStore takes.
func CheckState(key string, record []byte) error {
	switch err := CheckStateKey(key); {
	case err != nil:
		return err
	case len(record) > backends.MaxState:
		return secret.Errorf(secret.TooLarge, "a record is longer than %d bytes", backends.MaxState)
	case !json.Valid(record) || !utf8.Valid(record):
		return secret.Errorf(secret.Invalid, "a record is not valid JSON")
	}
	return nil
}

const maxStateKey = 40

// CheckStateKey refuses (Invalid) a key that is not 1 to 40 of a-z, 0-9 and
// hyphen.
func CheckStateKey(key string) error {
	ok := key != "" && len(key) <= maxStateKey
	for _, c := range key {
		ok = ok && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-')
	}
	if !ok {
		return secret.Errorf(secret.Invalid, "the key of a record is 1 to %d lower-case letters, digits and hyphens", maxStateKey)
	}
	return nil
}
