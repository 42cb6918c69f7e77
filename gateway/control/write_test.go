package control

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// TestWrite: a secret is written, deleted and brought back over the socket, as
// the Service does it, and its value comes back with a get alone.
func TestWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	ref := gateway.Ref{Store: "main", Name: "db"}
	if _, err := c.Rehearse(ctx, call("set"), access.Set, ref); !errors.Is(err, secret.NotFound) {
		t.Errorf("what is not there: %v", err)
	}
	d := secret.Draft{
		Value: secret.BinaryValue([]byte("hush\x00\xff")), ContentType: "text/plain", Tags: map[string]string{"a": "b"},
		NotBefore: time.Unix(1e9, 0).UTC(), Expires: time.Unix(4e9, 0).UTC(), Stages: []string{"blue"}, OnlyIfAbsent: true,
	}
	made, err := c.Put(ctx, call("set"), ref, d)
	must(t, err)
	v := made.Newest()
	if v.Ordinal != 1 || v.ContentType != "text/plain" || v.Tags["a"] != "b" || !v.NotBefore.Equal(d.NotBefore) || !v.Expires.Equal(d.Expires) || v.Stages[0] != "blue" || !v.Value.IsNone() {
		t.Errorf("made %+v", v)
	}
	got, err := c.Get(ctx, call("get"), ref, secret.Current)
	must(t, err)
	if !got.Newest().Value.Equal(d.Value) {
		t.Error("another value came back")
	}
	if _, err := c.Put(ctx, call("set"), ref, d); !errors.Is(err, secret.AlreadyExists) {
		t.Errorf("only if absent: %v", err)
	}
	want, err := w.Describe(ctx, call("show"), ref)
	must(t, err)
	found, err := c.Rehearse(ctx, call("delete"), access.Delete, ref)
	must(t, err)
	same(t, "rehearse", found, want)

	gone, err := c.Delete(ctx, call("delete"), ref)
	must(t, err)
	if gone.Deleted == nil || !gone.Deleted.Purge.After(w.clock) {
		t.Errorf("deleted %+v", gone.Deleted)
	}
	page, err := c.ListTrash(ctx, call("list"), "main", secret.Query{})
	must(t, err)
	if len(page.Secrets) != 1 || cmp.Diff(gone.Deleted, page.Secrets[0].Deleted) != "" {
		t.Errorf("the trash: %+v", page)
	}
	if found, err := c.Rehearse(ctx, call("recover"), access.Recover, ref); err != nil || found.Deleted == nil {
		t.Errorf("rehearse of what is deleted: %+v, %v", found, err)
	}
	back, err := c.Recover(ctx, call("recover"), ref)
	if err != nil || back.Deleted != nil || len(back.Versions) != 1 {
		t.Errorf("recovered %+v, %v", back, err)
	}
	if strings.Contains(w.audited(t), "hush") {
		t.Error("a value is in the audit")
	}
}

// TestRehearseRefuses: whom the action would refuse, and changes nothing.
func TestRehearseRefuses(t *testing.T) {
	t.Parallel()
	me := access.Local(currentUser(t)).ID
	all := []string{"*"}
	w := newWorld(t, access.Rule{Callers: []string{me}, Allow: []string{"list", "delete"}, Stores: all, Names: all},
		access.Rule{Callers: []string{"local:nobody"}, Allow: all, Stores: all, Names: all})
	w.put(t, "main", "db", secret.TextValue("hush"))
	ref := gateway.Ref{Store: "main", Name: "db"}
	if _, err := w.client.Rehearse(t.Context(), call("set"), access.Set, ref); !errors.Is(err, secret.Denied) {
		t.Errorf("without the right: %v", err)
	}
	if _, err := w.client.Rehearse(t.Context(), call("delete"), access.Delete, ref); err != nil {
		t.Errorf("with it: %v", err)
	}
	if _, err := w.client.Describe(t.Context(), call("show"), ref); err != nil {
		t.Errorf("it was no rehearsal: %v", err)
	}
	if !strings.Contains(w.audited(t), `"op":"cli.delete","action":"list","store":"main","name":"db","backend_ops":1,"result":"ok"`) ||
		!strings.Contains(w.audited(t), `"dry_run":true`) {
		t.Errorf("audited %s", w.audited(t))
	}
}

// TestDraftOfMore: what does not cross is refused, and not left out.
func TestDraftOfMore(t *testing.T) {
	t.Parallel()
	for what, d := range map[string]secret.Draft{
		"an identity":   {Value: secret.TextValue("x"), UID: secret.UID{1}},
		"a description": {Value: secret.TextValue("x"), OfSecret: &secret.Attributes{Description: "x"}},
		"a role":        {Value: secret.TextValue("x"), KeepCurrent: true},
	} {
		if _, err := draftToArgs(gateway.Ref{}, d); !errors.Is(err, secret.Unsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestTimeout: a call ends when its command says, whatever the store's time is.
func TestTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, "main", "db", secret.TextValue("hush"))
	ref, short := gateway.Ref{Store: "main", Name: "db"}, call("get")
	short.Timeout = 1 // nanosecond
	if _, err := w.client.Get(t.Context(), short, ref, secret.Current); !errors.Is(err, secret.Unavailable) {
		t.Errorf("a call without time: %v", err)
	}
	long := call("get")
	long.Timeout = time.Hour
	if _, err := w.client.Get(t.Context(), long, ref, secret.Current); err != nil {
		t.Error(err)
	}
}
