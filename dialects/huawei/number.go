package huawei

import (
	"encoding/json"
	"reflect"
	"strconv"

	"github.com/vaultferry/vaultferry/secret"
)

// eitherNumber is a whole number that clients send in both forms: documented
// as text, which the SDKs send, and sent as a number by Terraform's data
// source. It holds what was written, so that a text that is no number is
// refused where its bounds are known. The other numbers of the API are numbers
// in every client that was read, and the text of one is refused.
type eitherNumber string

// UnmarshalJSON implements json.Unmarshaler. null is as good as nothing.
func (n *eitherNumber) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		return nil
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(n))
	}
	if _, err := strconv.ParseInt(string(b), 10, 64); err != nil {
		return wrongNumber()
	}
	*n = eitherNumber(b)
	return nil
}

// wrongNumber is what a member refuses that it cannot read. The decoder adds
// which one.
func wrongNumber() error {
	return &json.UnmarshalTypeError{Value: "value", Type: reflect.TypeFor[int64]()}
}

// within reads the number; nothing means otherwise.
func (n eitherNumber) within(what string, otherwise, least, most int) (int, error) {
	if n == "" {
		return otherwise, nil
	}
	i, err := strconv.Atoi(string(n))
	if err != nil || i < least || i > most {
		return 0, secret.Errorf(secret.Invalid, "%s is not between %d and %d", what, least, most)
	}
	return i, nil
}
