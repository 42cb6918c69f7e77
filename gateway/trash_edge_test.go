package gateway_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// operations are updates and the trash, by the word that the policy needs.
var operations = []struct {
	word string
	do   func(context.Context, *world) error
}{
	{"update", func(ctx context.Context, w *world) error {
		_, err := w.Update(ctx, call, refA, secret.Current, secret.Patch{})
		return err
	}},
	{"delete", func(ctx context.Context, w *world) error { _, err := w.Delete(ctx, call, refA); return err }},
	{"list", func(ctx context.Context, w *world) error { _, err := w.DescribeTrash(ctx, call, refA); return err }},
	{"list", func(ctx context.Context, w *world) error {
		_, err := w.ListTrash(ctx, call, "a", secret.Query{})
		return err
	}},
	{"recover", func(ctx context.Context, w *world) error { _, err := w.Recover(ctx, call, refA); return err }},
	{"purge", func(ctx context.Context, w *world) error { return w.Purge(ctx, call, refA) }},
}

// TestPolicyWords: each operation needs its own word, and no other will do.
func TestPolicyWords(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"get", "list", "set", "update", "delete", "recover", "purge", "backup", "restore"} {
		w, _ := timed(t, nil, access.Rule{Callers: []string{"c"}, Allow: []string{word}, Stores: []string{"a"}, Names: []string{"n"}})
		for i, op := range operations {
			err := op.do(t.Context(), w)
			if denied := err != nil && secret.KindOf(err) == secret.Denied; denied == (op.word == word) {
				t.Errorf("operation %d, which needs %s, with %s: %v", i, op.word, word, err)
			}
			if e := w.last(t); e.Action != op.word {
				t.Errorf("operation %d is audited as %s", i, e.Action)
			}
		}
	}
}

func TestTrashOfReadOnlyStore(t *testing.T) {
	t.Parallel()
	w, c := timed(t, func(o *gateway.Options) { o.Stores[0].ReadOnly = true })
	if _, err := w.a.Backend.Put(t.Context(), "n", draft("hush")); err != nil {
		t.Fatal(err)
	}
	for i, op := range operations {
		err := op.do(t.Context(), w)
		if denied := err != nil && secret.KindOf(err) == secret.Denied; denied == (op.word == "list") {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	if _, err := trash(w).Delete(t.Context(), "n", c.Now()); err != nil {
		t.Fatal(err)
	}
	if would, err := w.Sweep(t.Context(), call, "a", true); err != nil || len(would.Names) != 1 {
		t.Errorf("would sweep %v, %v", would, err)
	}
	swept, err := w.Sweep(t.Context(), call, "a", false)
	wantKind(t, err, secret.Denied)
	if len(swept.Names) != 0 {
		t.Errorf("swept %v", swept)
	}
}

// TestRepeatOfUnknown: a client that was not told how it ended asks again, and
// is told; whoever asks a third time finds nothing to do.
func TestRepeatOfUnknown(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush")
	for _, method := range []string{"Delete", "Recover", "Delete", "Purge"} {
		do := map[string]func() (*secret.Secret, error){
			"Delete":  func() (*secret.Secret, error) { return w.Delete(t.Context(), call, refA) },
			"Recover": func() (*secret.Secret, error) { return w.Recover(t.Context(), call, refA) },
			"Purge":   func() (*secret.Secret, error) { return nil, w.Purge(t.Context(), call, refA) },
		}[method]
		w.a.After = func(_ context.Context, m string) error {
			if m == method {
				return secret.Errorf(secret.Unknown, "")
			}
			return nil
		}
		_, err := do()
		wantKind(t, err, secret.Unknown)
		w.a.After = nil
		sec, err := do()
		if err != nil || (method != "Purge" && (sec == nil || (sec.Deleted != nil) != (method == "Delete"))) {
			t.Errorf("%s again: %v", method, err)
		}
		_, err = do()
		wantKind(t, err, secret.NotFound)
	}
	put(t, w, refA, "hush")
	w.a.After = func(context.Context, string) error { return secret.Errorf(secret.Unknown, "") }
	_, err := w.Delete(t.Context(), call, refA)
	wantKind(t, err, secret.Unknown)
	w.a.After = nil
	c.advance(2 * time.Minute)
	_, err = w.Delete(t.Context(), call, refA)
	wantKind(t, err, secret.NotFound)
}

// TestAnotherMakesRoom: where another gateway has purged a name between the
// refusal and the look, the write goes on.
func TestAnotherMakesRoom(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush")
	remove(t, w, refA)
	c.advance(week)
	w.a.Before = func(ctx context.Context, method string) error {
		if method == "DescribeTrash" {
			return trash(w).Purge(ctx, "n")
		}
		return nil
	}
	if _, err := w.Put(t.Context(), call, refA, draft("hush")); err != nil {
		t.Error(err)
	}
}

// TestReuseNeedsTheEnd: a trash that cannot be looked into is not purged.
func TestReuseNeedsTheEnd(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush")
	remove(t, w, refA)
	c.advance(week)
	w.a.Before = func(_ context.Context, method string) error {
		if method == "DescribeTrash" {
			return secret.Errorf(secret.Upstream, "")
		}
		return nil
	}
	_, err := w.Put(t.Context(), call, refA, draft("hush"))
	wantKind(t, err, secret.Trashed)
	if _, err := trash(w).DescribeTrash(t.Context(), "n"); err != nil {
		t.Errorf("purged: %v", err)
	}
}

// TestListTrashFiltersByPolicy: names that the caller may not list are not
// told, and pages are filled all the same.
func TestListTrashFiltersByPolicy(t *testing.T) {
	t.Parallel()
	w, _ := timed(t, nil, everything, access.Rule{Callers: []string{"few"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"mine*"}})
	for _, n := range []secret.Name{"a1", "a2", "a3", "mine1", "n", "mine2", "o", "mine3"} {
		put(t, w, gateway.Ref{Store: "a", Name: n}, "hush")
		remove(t, w, gateway.Ref{Store: "a", Name: n})
	}
	few := call
	few.Caller.ID = "few"
	page, err := w.ListTrash(t.Context(), few, "a", secret.Query{Limit: 2})
	if err != nil || len(page.Secrets) != 2 || page.Secrets[0].Name != "mine1" || page.Next == "" {
		t.Fatalf("first page: %d, %v", len(page.Secrets), err)
	}
	page, err = w.ListTrash(t.Context(), few, "a", secret.Query{After: page.Next, Limit: 2})
	if err != nil || len(page.Secrets) != 1 || page.Secrets[0].Name != "mine3" {
		t.Errorf("second page: %d, %v", len(page.Secrets), err)
	}
	_, err = w.DescribeTrash(t.Context(), few, refA)
	wantKind(t, err, secret.Denied)
}

// TestSweepStopsWhereTheCredentialIsDead, and says what it did not try.
func TestSweepStopsWhereTheCredentialIsDead(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	for _, name := range []secret.Name{"n1", "n2", "n3"} {
		r := gateway.Ref{Store: "a", Name: name}
		put(t, w, r, "hush")
		remove(t, w, r)
	}
	c.advance(8 * 24 * time.Hour)
	purges := 0
	w.a.Before = func(_ context.Context, method string) error {
		if method != "Purge" {
			return nil
		}
		if purges++; purges > 1 {
			return kit.Dead(&secret.Error{Kind: secret.Upstream, Detail: "refused"})
		}
		return nil
	}
	gone, err := w.Sweep(t.Context(), call, "a", false)
	if len(gone.Names) != 1 || purges != 2 || !errors.Is(err, kit.ErrDeadCredential) || secret.DetailOf(err) != "refused; not tried: 1" {
		t.Errorf("%d purges, %d gone: %v", purges, len(gone.Names), err)
	}
}
