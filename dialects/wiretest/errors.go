// Package wiretest proves what every dialect owes: a shape for each kind of
// error, and exchanges that stay the same to the byte.
package wiretest

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/secret"
)

// Cause is what no answer may show.
const Cause = "s3cr3t-cause"

// CheckErrors fails if the dialect's table has no row for some kind, if two
// spellings of one kind differ, or if an answer shows the cause of its error.
func CheckErrors(t testing.TB, known func(secret.Kind) bool, render func(error) wire.Reply) {
	t.Helper()
	for _, k := range secret.Kinds() {
		if !known(k) {
			t.Errorf("kind %q has no row", k)
			continue
		}
		bare := checkReply(t, k, render(k))
		caused := checkReply(t, k, render(&secret.Error{Kind: k, Op: Cause, Err: errors.New(Cause)}))
		if !bytes.Equal(bare, caused) {
			t.Errorf("kind %q: a cause changes the answer", k)
		}
	}
	internal := checkReply(t, secret.Internal, render(secret.Internal))
	if got := checkReply(t, secret.Internal, render(errors.New(Cause))); !bytes.Equal(got, internal) {
		t.Error("an error without a kind is not answered as an internal one")
	}
}

func checkReply(t testing.TB, k secret.Kind, rep wire.Reply) []byte {
	t.Helper()
	body, err := json.Marshal(rep.Body)
	if err != nil {
		t.Errorf("kind %q: %v", k, err)
	}
	if rep.Status < 400 || rep.Status > 599 {
		t.Errorf("kind %q: status %d", k, rep.Status)
	}
	if bytes.Contains(body, []byte(Cause)) {
		t.Errorf("kind %q: the answer shows the cause", k)
	}
	for name, vs := range rep.Header {
		for _, v := range vs {
			if bytes.Contains([]byte(v), []byte(Cause)) {
				t.Errorf("kind %q: header %s shows the cause", k, name)
			}
		}
	}
	return body
}
