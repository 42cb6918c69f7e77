package gateway_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// TestPack: the entry is of what is in the blob, and asks the right to both.
func TestPack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything, access.Rule{Callers: []string{"mover"}, Allow: []string{"backup"}, Stores: []string{"*"}, Names: []string{"*"}})
	put(t, w, refA, "hush1")
	put(t, w, refA, "hush2")
	k := inventory.NewKey()
	p, err := w.Pack(t.Context(), call, refA, k, gateway.PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Restore(t.Context(), call, "b", p.Blob, gateway.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{"a", "b"} {
		e, err := w.Digest(t.Context(), call, gateway.Ref{Store: store, Name: refA.Name}, k, gateway.DigestOptions{})
		if err != nil || k.StateOf(e) != k.StateOf(p.Entry) {
			t.Errorf("%s: %v, %+v; packed: %+v", store, err, e, p.Entry)
		}
	}
	mover := call
	mover.Caller.ID = "mover"
	if _, err := w.Pack(t.Context(), mover, refA, k, gateway.PackOptions{}); !errors.Is(err, secret.Denied) {
		t.Errorf("without the right to get: %v", err)
	}
}

// TestOnLossOf: each loss by its own word's choice, and a dry run that foretells
// says what a real one refuses.
func TestOnLossOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush")
	blob := backupOf(t, w, refA)
	w.b.losses = []secret.Loss{
		{Grade: secret.Meaning, Version: 1, What: "tags", Why: "no room"},
		{Grade: secret.Data, Version: 1, What: "disabled", Why: "no"},
		{Grade: secret.Trace, What: "created", Why: "no"},
	}
	accept := func(words ...string) map[string]gateway.OnLoss {
		m := map[string]gateway.OnLoss{}
		for _, word := range words {
			m[word] = gateway.LossAccept
		}
		return m
	}
	for _, c := range []struct {
		o       gateway.RestoreOptions
		refused string
	}{
		{gateway.RestoreOptions{}, "this would lose data: native tools can read version 1, which is disabled: no; the tags of version 1 are not kept: no room"},
		{gateway.RestoreOptions{OnLossOf: accept("tags")}, "this would lose data: native tools can read version 1, which is disabled: no"},
		{gateway.RestoreOptions{OnLoss: gateway.LossAccept, OnLossOf: map[string]gateway.OnLoss{"tags": gateway.LossFail}}, "this would lose attributes: the tags of version 1 are not kept: no room"},
		{gateway.RestoreOptions{OnLossOf: accept("tags", "disabled")}, ""},
	} {
		c.o.DryRun = true
		_, err := w.Restore(t.Context(), call, "b", blob, c.o)
		if (err == nil) != (c.refused == "") || err != nil && secret.DetailOf(err) != c.refused {
			t.Errorf("%+v: %v", c.o, err)
		}
		c.o.Foretell = true
		out, err := w.Restore(t.Context(), call, "b", blob, c.o)
		if err != nil || out.Refused != c.refused || len(out.Losses) != 3 || len(out.Secret.Versions) != 1 {
			t.Errorf("%+v, foretelling: %+v, %v", c.o, out, err)
		}
	}
}

// TestKeepTrash: who would purge nothing finds the name taken, also by what is
// over.
func TestKeepTrash(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(o *gateway.Options) { o.Now = func() time.Time { return now } })
	put(t, w, refA, "hush")
	blob := backupOf(t, w, refA)
	if _, err := w.Delete(t.Context(), call, refA); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(1, 0, 0)
	for _, dry := range []bool{true, false} {
		if _, err := w.Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{KeepTrash: true, DryRun: dry}); !errors.Is(err, secret.Trashed) {
			t.Errorf("dry run %v: %v", dry, err)
		}
	}
	if _, err := w.Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{}); err != nil {
		t.Error(err)
	}
}

// TestAppendKeepsRoles: the version that is previous at the source is previous at
// the target, also where an append brings it together with the current one, and
// where it was cut between the two.
func TestAppendKeepsRoles(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		w := newWorld(t, nil)
		put(t, w, refA, "hush1")
		if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		put(t, w, refA, "hush2")
		put(t, w, refA, "hush3")
		blob, o := backupOf(t, w, refA), gateway.RestoreOptions{OnConflict: gateway.ConflictAppend}
		if cut {
			n := 0
			w.b.Before = func(_ context.Context, method string) error {
				if method == "Put" {
					if n++; n == 2 {
						return secret.Errorf(secret.Unknown, "cut")
					}
				}
				return nil
			}
			if _, err := w.Restore(t.Context(), call, "b", blob, o); !errors.Is(err, secret.Unknown) {
				t.Fatal(err)
			}
			w.b.Before = nil
		}
		out, err := w.Restore(t.Context(), call, "b", blob, o)
		if err != nil || len(out.Secret.Versions) != 3 || out.Secret.Current != 3 || out.Secret.Previous != 2 {
			t.Errorf("cut %v: %+v, %v", cut, out, err)
		}
	}
}
