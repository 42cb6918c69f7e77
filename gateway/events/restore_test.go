package events_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/secret"
)

// TestRestoredSubscriptions: a restore leaves out a subscription to an event
// that the store does not have, and foretells that; one that it has is kept.
func TestRestoredSubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	makeEvent(t, w, event("e"))
	d := subscribing("e")
	d.OfSecret.Extra["test.kept"] = json.RawMessage("1")
	putDraft(t, w, refA, d)
	blob := backupOf(t, w, refA)
	restored := func(o gateway.RestoreOptions, kept bool) {
		t.Helper()
		for _, o.DryRun = range []bool{true, false} {
			out, err := w.Restore(t.Context(), call, "b", blob, o)
			if err != nil {
				t.Fatal(err)
			}
			lost := slices.ContainsFunc(out.Losses, func(l secret.Loss) bool {
				return l.What == loss.Subscriptions && l.Version == 0 && l.Grade == secret.Trace
			})
			if lost == kept || lost != (len(w.last(t).Losses) == 1) {
				t.Errorf("%+v: the losses are %v, in the audit %v", o, out.Losses, w.last(t).Losses)
			}
			if e := out.Secret.Extra; (e[events.ExtraSubscriptions] != nil) != kept || e["test.kept"] == nil {
				t.Errorf("%+v: there is %v", o, e)
			}
		}
		have, err := w.Describe(t.Context(), call, gateway.Ref{Store: "b", Name: o.As})
		if err != nil || (have.Extra[events.ExtraSubscriptions] != nil) != kept {
			t.Errorf("%s: there is %v: %v", o.As, have, err)
		}
	}
	restored(gateway.RestoreOptions{As: "none"}, false)
	if _, err := w.events.Create(t.Context(), call, "b", event("e")); err != nil {
		t.Fatal(err)
	}
	restored(gateway.RestoreOptions{As: "one"}, true)
	if err := w.events.Delete(t.Context(), call, "b", "e"); err == nil {
		t.Error("an event with a restored subscriber was deleted")
	}
}

// TestRestoredSubscriptionUnread: where nobody can tell which events there are,
// nothing is written.
func TestRestoredSubscriptionUnread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	makeEvent(t, w, event("e"))
	putDraft(t, w, refA, subscribing("e"))
	blob := backupOf(t, w, refA)
	w.b.Before = func(_ context.Context, method string) error {
		if method == "ReadState" {
			return &secret.Error{Kind: secret.Upstream}
		}
		return nil
	}
	_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.Upstream)
	_, err = w.Describe(t.Context(), call, refB)
	wantKind(t, err, secret.NotFound)
}
