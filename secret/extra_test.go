package secret_test

import (
	"encoding/json"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestExtraEqual: members are the same as JSON, and numbers as they are written.
func TestExtraEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"a":1,"b":[2,"x"]}`, ` { "b" : [2, "\u0078"], "a": 1 }`, true},
		{`null`, ` null `, true},
		{`12345678901234567890`, `12345678901234567890`, true},
		{`12345678901234567890`, `12345678901234567891`, false},
		{`1`, `"1"`, false},
		{`[1,2]`, `[2,1]`, false},
		{`{"a":1}`, `{"a":1,"b":null}`, false},
		{`{}`, `null`, false},
		{`{`, `{`, true},
		{`{`, `{}`, false},
		{`1`, `1 2`, false},
		{``, `null`, false},
	} {
		a, b := secret.Extra{"k": json.RawMessage(c.a)}, secret.Extra{"k": json.RawMessage(c.b)}
		if a.Equal(b) != c.same || b.Equal(a) != c.same {
			t.Errorf("%s and %s: the same is not %v", c.a, c.b, c.same)
		}
	}
	one := secret.Extra{"k": json.RawMessage(`1`)}
	if one.Equal(nil) || one.Equal(secret.Extra{"l": json.RawMessage(`1`)}) || !secret.Extra(nil).Equal(secret.Extra{}) {
		t.Error("members are not compared by name")
	}
}
