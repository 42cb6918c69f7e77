package gateway_test

import (
	"errors"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// TestWhoLearnsTheReason: an error that no operation has met yet is told to
// those alone who may do the operation, to that name, in that store.
func TestWhoLearnsTheReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *gateway.Options) { o.Stores[1].ReadOnly = true },
		access.Rule{Callers: []string{"c"}, Allow: []string{"set", "list"}, Stores: []string{"a", "b"}, Names: []string{"mine*"}})
	ref := func(store string, name secret.Name) gateway.Ref { return gateway.Ref{Store: store, Name: name} }
	bad := secret.Errorf(secret.Invalid, "tags: 17, at most 15")
	for _, c := range []struct {
		what   string
		caller string
		action access.Action
		ref    gateway.Ref
		told   bool
	}{
		{"the right", "c", access.Set, ref("a", "mine1"), true},
		{"the right, no name yet", "c", access.Set, ref("a", ""), true},
		{"another name", "c", access.Set, ref("a", "theirs"), false},
		{"another action", "c", access.Get, ref("a", "mine1"), false},
		{"another action, no name yet", "c", access.Restore, ref("a", ""), false},
		{"a write to a store that takes none", "c", access.Set, ref("b", "mine1"), false},
		{"a read of it", "c", access.List, ref("b", "mine1"), true},
		{"no such store", "c", access.Set, ref("z", "mine1"), false},
		{"no action, some right", "c", "", ref("a", ""), true},
		{"no action, no right", "d", "", ref("a", ""), false},
		{"no action, no store", "c", "", ref("", ""), false},
		{"nobody", "", access.Set, ref("a", "mine1"), false},
		{"another", "d", access.Set, ref("a", "mine1"), false},
	} {
		from := call
		from.Caller.ID = c.caller
		if got := w.Reason(from, c.action, c.ref, bad); (got != "") != c.told {
			t.Errorf("%s: told %q", c.what, got)
		}
	}
	for _, k := range secret.Kinds() {
		hidden := k == secret.Internal || k == secret.Unauthenticated || k == secret.Denied || k == secret.NotFound || k == secret.Upstream
		got := w.Reason(call, access.Set, ref("a", "mine1"), &secret.Error{Kind: k, Detail: "why", Err: errors.New("cause")})
		if (got == "why") == hidden {
			t.Errorf("%s: told %q", k, got)
		}
	}
}

// TestAuditHasTheReason: of every error, also where the client learns none, and
// on the lines of a success there is none.
func TestAuditHasTheReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything)
	put(t, w, refA, "hush")
	if e := w.last(t); e.Reason != "" {
		t.Errorf("a success has the reason %q", e.Reason)
	}
	other := call
	other.Caller.ID = "nobody"
	_, err := w.Get(t.Context(), other, refA, secret.Current)
	wantKind(t, err, secret.Denied)
	if e := w.last(t); e.Reason != "no permission to get this secret" {
		t.Errorf("a denial has the reason %q", e.Reason)
	}
	if got := w.Reason(other, access.Get, refA, err); got != "" {
		t.Errorf("a denied caller is told %q", got)
	}
	bad := secret.Errorf(secret.Invalid, "a\r\nname: é")
	if err := w.Reject(t.Context(), call, refA, bad); err != nil {
		t.Fatal(err)
	}
	if e := w.last(t); e.Reason != `a\u000d\u000aname: \u00e9` || e.Result != "invalid" {
		t.Errorf("%q for the reason %q", e.Result, e.Reason)
	}
}
