package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/secret"
)

// countedOperation is a row of the table.
type countedOperation struct {
	name  string
	alone bool // in a store of its own
	// prepare makes what the operation works on, and returns the operation
	// itself; nil: the product has nothing to do it on.
	prepare func(*counted, *testing.T) func(context.Context) error
}

var countedOperations = []countedOperation{
	{"Put: first version", false, (*counted).putFirst},
	{"Put: second version", false, (*counted).putSecond},
	{"Put: disabled, with tags, expiry and stage", false, (*counted).putFull},
	{"Get: current", false, (*counted).getCurrent},
	{"Get: current, which is disabled", false, (*counted).getDisabled},
	{"Get: older one by number", false, (*counted).getByOrdinal},
	{"Get: older one by id", false, (*counted).getByUID},
	{"Describe", false, (*counted).describe},
	{"Export", false, (*counted).export},
	{"Import: ten versions", false, (*counted).importTen},
	{"Update: tags and expiry of a version", false, (*counted).updateVersion},
	{"Update: disable a version", false, (*counted).updateDisable},
	{"Update: description of the secret", false, (*counted).updateSecret},
	{"Update: tags of the secret", false, (*counted).updateTags},
	{"Update: no tags of the secret any more", false, (*counted).removeTags},
	{"Update: make an older version current", false, (*counted).makeCurrent},
	{"Delete", false, (*counted).remove},
	{"DescribeTrash", false, (*counted).describeTrash},
	{"Recover", false, (*counted).recover},
	{"Purge", false, (*counted).purge},
	{"List: first ten of twenty secrets", true, (*counted).listFirst},
	{"List: the other ten after them", true, (*counted).listSecond},
	{"List: the names alone of ten of twenty", true, (*counted).listNames},
	{"ListTrash: ten secrets", true, (*counted).listTrash},
	{"WriteState: new record", false, (*counted).writeState},
	{"ReadState", false, (*counted).readState},
	{"WriteState: replace a record", false, (*counted).rewriteState},
	{"Check", false, (*counted).check},
}

// grown makes a secret with n versions, and returns it as it is then.
func (c *counted) grown(t *testing.T, name secret.Name, n int) *secret.Secret {
	t.Helper()
	for i := range n {
		c.prepared(t, name, secret.Draft{Value: secret.TextValue(fmt.Sprint("value ", i))})
	}
	return got(c.hands.Describe(t.Context(), name))(t)
}

// prepared makes a version, and waits until its millisecond is over: a next one
// in the same would cost Vault a request more, which keeps its time.
func (c *counted) prepared(t *testing.T, name secret.Name, d secret.Draft) {
	t.Helper()
	v := got(c.hands.Put(t.Context(), name, d))(t).Versions[0]
	<-time.After(time.Until(v.Created.Truncate(time.Millisecond).Add(time.Millisecond)))
}

// older is a version that is not current, or the one that there is.
func older(s *secret.Secret) secret.Version { return s.Versions[min(2, len(s.Versions)-1)] }

func (c *counted) put(name secret.Name, d secret.Draft) func(context.Context) error {
	return does(func(ctx context.Context) (*secret.Secret, error) { return c.Put(ctx, name, d) })
}

func (c *counted) putFirst(*testing.T) func(context.Context) error {
	return c.put("put-first", secret.Draft{Value: secret.TextValue("one")})
}

func (c *counted) putSecond(t *testing.T) func(context.Context) error {
	c.grown(t, "put-second", 1)
	return c.put("put-second", secret.Draft{Value: secret.TextValue("two")})
}

func (c *counted) putFull(t *testing.T) func(context.Context) error {
	c.grown(t, "put-full", 1)
	return c.put("put-full", fullDraft())
}

func fullDraft() secret.Draft {
	return secret.Draft{
		Value: secret.TextValue("two"), Disabled: true, Tags: map[string]string{"env": "prod"},
		Expires: time.Date(2060, 1, 2, 3, 4, 5, 0, time.UTC), Stages: []string{"blue"},
	}
}

func (c *counted) get(name secret.Name, sel secret.Selector) func(context.Context) error {
	return does(func(ctx context.Context) (*secret.Secret, error) { return c.Get(ctx, name, sel) })
}

func (c *counted) getCurrent(t *testing.T) func(context.Context) error {
	c.grown(t, "get-current", 10)
	return c.get("get-current", secret.Current)
}

func (c *counted) getDisabled(t *testing.T) func(context.Context) error {
	c.grown(t, "get-disabled", 9)
	c.prepared(t, "get-disabled", secret.Draft{Value: secret.TextValue("ten"), Disabled: true})
	return c.get("get-disabled", secret.Current)
}

func (c *counted) getByOrdinal(t *testing.T) func(context.Context) error {
	return c.get("get-ordinal", secret.ByOrdinal(older(c.grown(t, "get-ordinal", 10)).Ordinal))
}

func (c *counted) getByUID(t *testing.T) func(context.Context) error {
	return c.get("get-uid", secret.ByUID(older(c.grown(t, "get-uid", 10)).UID))
}

func (c *counted) describe(t *testing.T) func(context.Context) error {
	c.grown(t, "describe", 10)
	return does(func(ctx context.Context) (*secret.Secret, error) { return c.Describe(ctx, "describe") })
}

func (c *counted) export(t *testing.T) func(context.Context) error {
	c.grown(t, "export", 10)
	return does(func(ctx context.Context) (*secret.Secret, error) { return c.Export(ctx, "export") })
}

func (c *counted) importTen(*testing.T) func(context.Context) error {
	s := backendtest.Sample("import")
	s.Versions = s.Versions[len(s.Versions)-10:]
	return does(func(ctx context.Context) (*backends.Imported, error) { return c.Import(ctx, s, "") })
}

func (c *counted) update(name secret.Name, sel secret.Selector, p secret.Patch) func(context.Context) error {
	return does(func(ctx context.Context) (*secret.Secret, error) { return c.Update(ctx, name, sel, p) })
}

func (c *counted) updateVersion(t *testing.T) func(context.Context) error {
	c.grown(t, "update-version", 10)
	d := fullDraft()
	return c.update("update-version", secret.Current, secret.Patch{Tags: &d.Tags, Expires: &d.Expires})
}

func (c *counted) updateDisable(t *testing.T) func(context.Context) error {
	c.grown(t, "update-disable", 10)
	return c.update("update-disable", secret.Current, secret.Patch{Disabled: new(true)})
}

func (c *counted) updateSecret(t *testing.T) func(context.Context) error {
	c.grown(t, "update-secret", 10)
	return c.update("update-secret", secret.Current, secret.Patch{Description: new("what it is for")})
}

func (c *counted) updateTags(t *testing.T) func(context.Context) error {
	c.grown(t, "update-tags", 10)
	return c.update("update-tags", secret.Current, secret.Patch{SecretTags: &map[string]string{"a": "b", "c": "d"}})
}

func (c *counted) removeTags(t *testing.T) func(context.Context) error {
	if err := c.updateTags(t)(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.update("update-tags", secret.Current, secret.Patch{SecretTags: &map[string]string{}})
}

func (c *counted) makeCurrent(t *testing.T) func(context.Context) error {
	s := c.grown(t, "make-current", 10)
	if len(s.Versions) == 1 {
		return nil
	}
	return c.update("make-current", secret.ByOrdinal(older(s).Ordinal), secret.Patch{MakeCurrent: true})
}

func (c *counted) remove(t *testing.T) func(context.Context) error {
	c.grown(t, "delete", 10)
	return does(func(ctx context.Context) (*secret.Secret, error) { return c.Delete(ctx, "delete", deletedUntil()) })
}

func deletedUntil() time.Time { return time.Now().AddDate(0, 0, 7) }

// deleted makes a secret with n versions and deletes it.
func (c *counted) deleted(t *testing.T, name secret.Name, n int) {
	t.Helper()
	c.grown(t, name, n)
	got(c.hands.Delete(t.Context(), name, deletedUntil()))(t)
}

func (c *counted) describeTrash(t *testing.T) func(context.Context) error {
	c.deleted(t, "describe-trash", 10)
	return does(func(ctx context.Context) (*secret.Secret, error) { return c.DescribeTrash(ctx, "describe-trash") })
}

func (c *counted) recover(t *testing.T) func(context.Context) error {
	c.deleted(t, "recover", 10)
	return does(func(ctx context.Context) (*secret.Secret, error) { return c.Recover(ctx, "recover") })
}

func (c *counted) purge(t *testing.T) func(context.Context) error {
	c.deleted(t, "purge", 10)
	return func(ctx context.Context) error { return c.Purge(ctx, "purge") }
}

func (c *counted) list(q secret.Query) func(context.Context) error {
	return does(func(ctx context.Context) (secret.Page, error) { return c.List(ctx, q) })
}

func (c *counted) listFirst(t *testing.T) func(context.Context) error {
	for i := range 20 {
		c.grown(t, secret.Name(fmt.Sprintf("list-%02d", i)), 1)
	}
	return c.list(secret.Query{Limit: 10})
}

func (c *counted) listSecond(t *testing.T) func(context.Context) error {
	c.listFirst(t)
	p := got(c.List(t.Context(), secret.Query{Limit: 10}))(t)
	if len(p.Secrets) != 10 || p.Next == "" {
		t.Fatalf("the first page has %d secrets, and then %q", len(p.Secrets), p.Next)
	}
	return c.list(secret.Query{Limit: 10, After: p.Next})
}

func (c *counted) listNames(t *testing.T) func(context.Context) error {
	c.listFirst(t)
	return c.list(secret.Query{Limit: 10, NamesAlone: true})
}

func (c *counted) listTrash(t *testing.T) func(context.Context) error {
	for i := range 10 {
		c.deleted(t, secret.Name(fmt.Sprintf("trash-%02d", i)), 1)
	}
	return does(func(ctx context.Context) (secret.Page, error) { return c.ListTrash(ctx, secret.Query{Limit: 10}) })
}

func (c *counted) state(t *testing.T) backends.StateStore {
	t.Helper()
	s, ok := c.Backend.(backends.StateStore)
	if !ok {
		t.Fatal("the product keeps no state")
	}
	return s
}

func (c *counted) writeState(t *testing.T) func(context.Context) error {
	s := c.state(t)
	return func(ctx context.Context) error { return s.WriteState(ctx, "new", []byte(`{"a":1}`), "") }
}

// stated makes a record, and returns its revision.
func (c *counted) stated(t *testing.T, key string) string {
	t.Helper()
	if err := c.state(t).WriteState(t.Context(), key, []byte(`{"a":1}`), ""); err != nil {
		t.Fatal(err)
	}
	_, revision, err := c.state(t).ReadState(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func (c *counted) readState(t *testing.T) func(context.Context) error {
	c.stated(t, "read")
	return func(ctx context.Context) error {
		_, _, err := c.state(t).ReadState(ctx, "read")
		return err
	}
}

func (c *counted) rewriteState(t *testing.T) func(context.Context) error {
	revision := c.stated(t, "again")
	return func(ctx context.Context) error {
		return c.state(t).WriteState(ctx, "again", []byte(`{"a":2}`), revision)
	}
}

func (c *counted) check(*testing.T) func(context.Context) error { return c.Check }
