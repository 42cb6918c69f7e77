package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/secret"
)

// faultWrite is a change of a secret of two versions.
type faultWrite struct {
	action  access.Action
	deleted bool // the secret, before
	do      func(context.Context, *azsecrets.Client) error
}

var faultWrites = map[string]faultWrite{
	"put": {access.Set, false, func(ctx context.Context, c *azsecrets.Client) error {
		_, err := c.SetSecret(ctx, faulted, azsecrets.SetSecretParameters{Value: new("three"), Tags: map[string]*string{"a": new("b")}}, nil)
		return err
	}},
	"put disabled": {access.Set, false, func(ctx context.Context, c *azsecrets.Client) error {
		_, err := c.SetSecret(ctx, faulted, azsecrets.SetSecretParameters{
			Value: new("three"), ContentType: new("text/plain"),
			SecretAttributes: &azsecrets.SecretAttributes{Enabled: new(false), Expires: new(faultExpires)},
		}, nil)
		return err
	}},
	"update": {access.Update, false, func(ctx context.Context, c *azsecrets.Client) error {
		_, err := c.UpdateSecretProperties(ctx, faulted, "", azsecrets.UpdateSecretPropertiesParameters{
			ContentType: new("text/plain"), Tags: map[string]*string{"a": new("b")},
			SecretAttributes: &azsecrets.SecretAttributes{Enabled: new(false), Expires: new(faultExpires)},
		}, nil)
		return err
	}},
	"delete": {access.Delete, false, func(ctx context.Context, c *azsecrets.Client) error {
		_, err := c.DeleteSecret(ctx, faulted, nil)
		return err
	}},
	"recover": {access.Recover, true, func(ctx context.Context, c *azsecrets.Client) error {
		_, err := c.RecoverDeletedSecret(ctx, faulted, nil)
		return err
	}},
	"purge": {access.Purge, true, func(ctx context.Context, c *azsecrets.Client) error {
		_, err := c.PurgeDeletedSecret(ctx, faulted, nil)
		return err
	}},
}

var faultExpires = time.Date(2044, 1, 2, 3, 4, 5, 0, time.UTC)

// TestWriteFaults: whichever write of a change meets whichever fault, what the
// client is told is so, and the same request again makes it so, once.
func TestWriteFaults(t *testing.T) {
	t.Parallel()
	for _, product := range slices.Sorted(maps.Keys(faultProducts)) {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			runs := writeFaults(t, product)
			h := newFaultHall(t, product, len(runs))
			for i, r := range runs {
				t.Run(fmt.Sprintf("%s write %d %s", r.what, r.n, r.fault), func(t *testing.T) {
					t.Parallel()
					r.run(t, h.lines[away(i)])
				})
			}
		})
	}
}

// writeFault is one change that meets a fault.
type writeFault struct {
	faultWrite
	product, what string
	fault         faultproxy.Fault
	n             int
	after         string // what stands where nothing fails
}

func writeFaults(t *testing.T, product string) []*writeFault {
	t.Helper()
	names := slices.Sorted(maps.Keys(faultWrites))
	h := newFaultHall(t, product, len(names))
	var all []*writeFault
	for i, what := range names {
		l, w := h.lines[away(i)], faultWrites[what]
		c := l.prepare(t, &w)
		l.proxy.Count()
		if err := w.do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		writes, _ := l.proxy.Count()
		after := l.state(t)
		for _, f := range faultproxy.Faults() {
			if f == faultproxy.TornRequest || f == faultproxy.ThrottledFor { // the same as others, to all but the client: see the imports
				continue
			}
			for n := range writes {
				all = append(all, &writeFault{w, product, what, f, n + 1, after})
			}
		}
	}
	return all
}

// prepare writes the secret.
func (l *faultLine) prepare(t *testing.T, w *faultWrite) *azsecrets.Client {
	t.Helper()
	c := (&keyVaultSuite{gateway: l.Gateway}).client(t, l.store)
	for _, v := range []string{"one", "two"} {
		putSecret(t, c, faulted, v)
	}
	if w.deleted {
		got(c.DeleteSecret(t.Context(), faulted, nil))(t)
	}
	return c
}

// state is what stands, less ids and times that are minted. Values appear as
// their place in the order in which they were written.
func (l *faultLine) state(t *testing.T) string {
	t.Helper()
	s, err := l.Export(t.Context(), faulted)
	if errors.Is(err, secret.NotFound) {
		if s, err = l.DescribeTrash(t.Context(), faulted); errors.Is(err, secret.NotFound) {
			return "gone"
		} else if err == nil {
			return "deleted"
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	// A number may be left out: of a version that never came.
	out := fmt.Sprintf("current %d", slices.IndexFunc(s.Versions, func(v secret.Version) bool { return v.Ordinal == s.Current })+1)
	for i := range s.Versions {
		v := &s.Versions[i]
		out += fmt.Sprintf("\n%d: value %d, disabled %v, type %q, tags %v, expires %v", i+1,
			slices.Index([]string{"", "one", "two", "three"}, string(v.Value.Reveal())), v.Disabled, v.ContentType, v.Tags, v.Expires)
	}
	return out
}

// pushedOut is what a write loses of the state: a product of one version has no
// room for another one, unless that is there already.
func (f *writeFault) pushedOut(state string) []secret.Loss {
	if f.product != "hashivault1" || f.action != access.Set || f.done(state) {
		return nil
	}
	return []secret.Loss{{
		Grade: secret.Data, Version: 2, What: loss.Version,
		Why: "HashiCorp Vault KV v1 holds no more than 1, and a newer one takes the place of this one",
	}}
}

func (f *writeFault) run(t *testing.T, l *faultLine) {
	c := l.prepare(t, &f.faultWrite)
	before := l.state(t)
	err := l.meet(t, f.fault, faultproxy.Writes, f.n, false, func(ctx context.Context) error { return f.do(ctx, c) })
	told := l.audited(t, f.action, f.pushedOut(before))
	agree(t, "azure", told, err)
	now := l.state(t)
	switch kind := kindNamed(told.Result); {
	case kind == nil:
		if !f.done(now) {
			t.Errorf("all is said to be well, and there is\n%s\nwant\n%s", now, f.after)
		}
		return
	case errors.Is(kind, secret.Unavailable), errors.Is(kind, secret.Throttled):
		if now != before {
			t.Errorf("nothing is said to be changed (%v), and there is\n%s\nafter\n%s", kind, now, before)
		}
	case !errors.Is(kind, secret.Unknown) && !errors.Is(kind, secret.Partial):
		t.Errorf("a fault on the line is told as %v", kind)
	}
	if f.what == "put disabled" {
		neverOpen(t, l)
	}
	again := f.do(t.Context(), c)
	if agree(t, "azure", l.audited(t, f.action, f.pushedOut(now)), again); again != nil {
		t.Errorf("after %q the second answer is: %v", told.Result, again)
	}
	if now := l.state(t); now != f.after {
		t.Errorf("after the second try there is\n%s\nwant\n%s", now, f.after)
	}
}

// done reports whether what stands is what was asked for. Where a product knows
// no condition on a write and takes no version away, a new one that came twice
// is there twice, and either may be current.
func (f *writeFault) done(now string) bool {
	if f.fault != faultproxy.Duplicate || f.action != access.Set || f.product != "azurekv" && f.product != "huaweicsms" {
		return now == f.after
	}
	have, want := strings.Split(now, "\n"), strings.Split(f.after, "\n")
	return slices.Equal(have[1:], want[1:]) || slices.Equal(have[1:], append(want[1:], "4"+strings.TrimPrefix(want[3], "3")))
}

// neverOpen wants what was to be disabled not to be read.
func neverOpen(t *testing.T, l *faultLine) {
	t.Helper()
	s, err := l.Export(t.Context(), faulted)
	if err != nil {
		return
	}
	for i := range s.Versions {
		if v := &s.Versions[i]; string(v.Value.Reveal()) == "three" && !v.Disabled {
			t.Errorf("version %d can be read", v.Ordinal)
		}
	}
}
