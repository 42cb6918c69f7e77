package access_test

import (
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/access"
)

func TestWords(t *testing.T) {
	t.Parallel()
	all := access.Actions()
	for word, want := range map[string][]access.Action{
		"*": all, "get": {access.Get}, "purge": {access.Purge},
		"Secrets User": {access.Get, access.List}, "Key Vault Secrets User": {access.Get, access.List},
		"Secrets Officer": all, "Reader": {access.List}, "Key Vault Reader": {access.List},
		"csms:secret:get": {access.List, access.Backup}, "csms:secretVersion:get": {access.Get}, "csms:secret:delete": {access.Delete, access.Purge},
		"": nil, "read": nil, "GET": nil, "Key Vault get": nil, "secrets user": nil, "csms:secret:*": nil, "csms:secret:rotate": nil, "Key Vault ": nil,
	} {
		if got := access.Meaning(word); !slices.Equal(got, want) {
			t.Errorf("%q means %v, want %v", word, got, want)
		}
	}
	for _, w := range access.Words() {
		if len(access.Meaning(w)) == 0 {
			t.Errorf("%q is a word and means nothing", w)
		}
	}
	access.Meaning("Secrets Officer")[0] = "" // a caller's own copy
	if !slices.Equal(access.Meaning("Secrets Officer"), all) {
		t.Error("what a word means has been changed from outside")
	}
}
