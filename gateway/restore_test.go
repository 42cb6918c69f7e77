package gateway_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func backupOf(t *testing.T, w *world, r gateway.Ref) []byte {
	t.Helper()
	blob, err := w.Backup(t.Context(), call, r)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2", "hush3")
	blob := backupOf(t, w, refA)
	if strings.Contains(string(blob), "hush") {
		t.Fatal("the blob is not sealed")
	}
	out, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if out.Secret.Name != "n" || len(out.Versions) != 3 || out.Secret.Size() != 0 || len(out.Losses) != 0 {
		t.Errorf("outcome: %d versions", len(out.Versions))
	}
	want, _ := w.a.Backend.Export(t.Context(), "n")
	got, err := w.b.Backend.Export(t.Context(), "n")
	if err != nil || len(got.Versions) != 3 || got.Current != want.Current || got.Previous != want.Previous {
		t.Fatal("the copy is not the same")
	}
	for i := range want.Versions {
		g, v := got.Versions[i], want.Versions[i]
		if g.UID != v.UID || g.Ordinal != v.Ordinal || !g.Value.Equal(v.Value) || !g.Created.Equal(v.Created) {
			t.Errorf("version %d differs", v.Ordinal)
		}
	}
	if e := w.last(t); e.Origin == nil || e.Origin.Store != "a" || e.Name != "n" || len(e.Versions) != 3 || e.Action != "restore" {
		t.Errorf("audit: %+v", e)
	}
}

func TestRestoreNeverTouchesWhatStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2")
	blob := backupOf(t, w, refA)
	put(t, w, refB, "hush other")
	before, _ := w.b.Backend.Export(t.Context(), "n")
	_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.AlreadyExists)
	_, err = w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{DryRun: true})
	wantKind(t, err, secret.AlreadyExists)
	out, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{OnConflict: gateway.ConflictSkip})
	if err != nil || !out.Skipped {
		t.Errorf("skip: %v", err)
	}
	if e := w.last(t); len(e.Versions) != 0 || e.Result != "skipped" {
		t.Errorf("what was skipped is audited as written: %v, %s", e.Versions, e.Result)
	}
	if after, _ := w.b.Backend.Export(t.Context(), "n"); len(after.Versions) != 1 || !after.Versions[0].Value.Equal(before.Versions[0].Value) {
		t.Error("what stood was changed")
	}
}

func TestAppendBringsWhatIsNewBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2")
	if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, w, refA, "hush3")
	put(t, w, refB, "hush4")
	appendTo := func(store string, r gateway.Ref) *gateway.Outcome {
		t.Helper()
		out, err := w.Restore(t.Context(), call, store, backupOf(t, w, r), gateway.RestoreOptions{OnConflict: gateway.ConflictAppend})
		if err != nil || !out.Appended {
			t.Fatal(err)
		}
		return out
	}
	if out := appendTo("b", refA); out.Versions[3] != 4 || len(out.Secret.Versions) != 4 || out.Secret.Current != 4 {
		t.Errorf("to b: %v", out.Versions)
	}
	if e := w.last(t); len(e.Versions) != 1 || e.Versions[0] != 4 {
		t.Errorf("added versions in the audit: %v", e.Versions)
	}
	if out := appendTo("a", refB); len(out.Secret.Versions) != 4 || out.Versions[3] != 4 || out.Versions[4] != 3 {
		t.Errorf("back to a: %v", out.Versions)
	}
	if out := appendTo("b", refA); len(out.Secret.Versions) != 4 {
		t.Error("the same again adds versions")
	}
}

func TestAppendKnowsValuesThatNativeToolsCopied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2", "hush1")
	put(t, w, refB, "hush1")
	out, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{OnConflict: gateway.ConflictAppend})
	if err != nil || len(out.Secret.Versions) != 3 || out.Versions[1] != 1 || out.Versions[2] != 2 || out.Versions[3] != 3 {
		t.Errorf("%v, %v", out, err)
	}
}

// TestAppendKeepsTheRoles: what is older than the current version, or newer
// and pending, takes no role that it does not hold in the document.
func TestAppendKeepsTheRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1")
	if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, w, refA, "hush2")
	pending := draft("hush3")
	pending.KeepCurrent = true
	onto := gateway.RestoreOptions{OnConflict: gateway.ConflictAppend}
	for n := secret.Ordinal(3); n <= 4; n++ {
		if _, err := w.Put(t.Context(), call, refA, pending); err != nil {
			t.Fatal(err)
		}
		out, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), onto)
		if err != nil || out.Versions[n] != n || out.Secret.Current != 2 || out.Secret.Previous != 1 {
			t.Errorf("with version %d: %v, %v", n, out, err)
		}
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2")
	blob := backupOf(t, w, refA)
	out, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{DryRun: true, As: "m"})
	if err != nil || out.Secret.Name != "m" || out.Secret.Size() != 0 {
		t.Errorf("dry run: %v", err)
	}
	if e := w.last(t); !e.DryRun || len(e.Versions) != 0 {
		t.Errorf("audited like a restore: %+v", e)
	}
	if page, _ := w.b.Backend.List(t.Context(), secret.Query{}); len(page.Secrets) != 0 {
		t.Error("something was written")
	}
	if _, err = w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{}); err != nil {
		t.Errorf("the real one: %v", err)
	}
	if e := w.last(t); e.DryRun || len(e.Versions) != 2 {
		t.Errorf("audited like a dry run: %+v", e)
	}
}

func TestLossesAreRefusedUnlessAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2")
	blob := backupOf(t, w, refA)
	w.b.losses = []secret.Loss{{Grade: secret.Trace, Version: 1, What: "created", Why: "times"}}
	if _, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{As: "trace"}); err != nil {
		t.Errorf("a trace asks: %v", err)
	}
	w.b.losses = append(w.b.losses, secret.Loss{Grade: secret.Data, Version: 2, What: "value", Why: "it is too large"})
	_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.Lossy)
	if d := secret.DetailOf(err); !strings.Contains(d, "version 2") || !strings.Contains(d, "too large") {
		t.Errorf("the refusal does not name version and reason: %s", d)
	}
	out, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{OnLoss: gateway.LossAccept})
	if err != nil || len(out.Losses) != 2 {
		t.Errorf("accepted: %v", err)
	}
	if e := w.last(t); len(e.Losses) != 2 {
		t.Errorf("losses in the audit: %v", e.Losses)
	}
}

// TestWhatWasNeverSavedIsAskedAboutOnce: a value that was left behind by consent
// is foretold by the restore, and no backup from there asks about it again.
func TestWhatWasNeverSavedIsAskedAboutOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *gateway.Options) { o.Stores[0].OnLoss = gateway.LossAccept })
	for _, d := range []secret.Draft{{Missing: secret.Deleted}, {Missing: secret.Destroyed}, {Missing: secret.Unreadable, Disabled: true}, {Value: secret.TextValue("hush")}} {
		if _, err := w.Put(t.Context(), call, refA, d); err != nil {
			t.Fatal(err)
		}
	}
	out, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Losses) != 2 || secret.Worst(out.Losses) != secret.Trace || out.Losses[0].Version != 1 || out.Losses[1].Version != 3 {
		t.Errorf("the restore foretells %v", out.Losses)
	}
	refB := gateway.Ref{Store: "b", Name: refA.Name}
	s, err := w.Describe(t.Context(), call, refB)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []secret.Missing{secret.Unsaved, secret.Destroyed, secret.Unsaved, ""} {
		if got := s.Versions[i].Missing; got != want {
			t.Errorf("version %d is %q, want %q", i+1, got, want)
		}
	}
	_, err = w.Get(t.Context(), call, refB, secret.ByOrdinal(1))
	wantKind(t, err, secret.NotFound)
	_, err = w.Get(t.Context(), call, refB, secret.ByOrdinal(3))
	wantKind(t, err, secret.Disabled)
	blob, err := w.Backup(t.Context(), call, refB)
	if err != nil {
		t.Fatalf("a backup asks again: %v", err)
	}
	if out, err = w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{As: "again"}); err != nil || len(out.Losses) != 0 {
		t.Errorf("restored again: %v, losses %v", err, out)
	}
}

func TestBackupRefusesToLeaveSomethingBehind(t *testing.T) {
	t.Parallel()
	for _, accept := range []bool{false, true} {
		w := newWorld(t, func(o *gateway.Options) {
			if accept {
				o.Stores[0].OnLoss = gateway.LossAccept
			}
		})
		put(t, w, refA, "hush1")
		if _, err := w.Put(t.Context(), call, refA, secret.Draft{Missing: secret.Unreadable, Disabled: true}); err != nil {
			t.Fatal(err)
		}
		_, err := w.Backup(t.Context(), call, refA)
		if accept && err != nil {
			t.Error(err)
		}
		if !accept {
			wantKind(t, err, secret.Lossy)
		}
	}
}

func TestABlobIsNoWayRoundThePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything,
		access.Rule{Callers: []string{"d"}, Allow: []string{"restore"}, Stores: []string{"b"}, Names: []string{"*"}})
	put(t, w, refA, "hush")
	blob := backupOf(t, w, refA)
	d := call
	d.Caller.ID = "d"
	_, err := w.Restore(t.Context(), d, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.Denied)
	if e := w.last(t); e.Origin == nil || e.Result != "denied" {
		t.Errorf("audit: %+v", e)
	}
}

func TestBlobsThatDoNotOpen(t *testing.T) {
	t.Parallel()
	w, foreign := newWorld(t, nil), newWorld(t, nil)
	put(t, w, refA, "hush")
	put(t, foreign, refA, "hush")
	own := backupOf(t, w, refA)
	turned := append([]byte(nil), own...)
	turned[len(turned)-9] ^= 1
	other := backupOf(t, foreign, refA)
	_, err := w.Restore(t.Context(), call, "b", other, gateway.RestoreOptions{})
	wantKind(t, err, secret.NoKey)
	if h, inspectErr := backup.Inspect(other); inspectErr != nil || h.KeyID == "" || !strings.Contains(secret.DetailOf(err), h.KeyID) {
		t.Errorf("the key of another keyring is not named: %q", secret.DetailOf(err))
	}
	nobody := call
	nobody.Caller.ID = "nobody"
	_, err = w.Restore(t.Context(), nobody, "b", other, gateway.RestoreOptions{})
	wantKind(t, err, secret.Denied)
	details := map[string]bool{}
	for name, blob := range map[string][]byte{
		"another keyring, cut": other[:len(other)-20], "a bit turned": turned, "cut": own[:len(own)-20], "empty": nil,
		"base64url of a blob": []byte(backup.EncodeBase64URL(own)),
	} {
		_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
		if !errors.Is(err, secret.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
		details[secret.DetailOf(err)] = true
	}
	if len(details) != 1 {
		t.Errorf("what failed can be told from the answers: %v", details)
	}
}

func TestARepeatOfAnUnknownRestoreIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2")
	blob := backupOf(t, w, refA)
	lose := true
	w.b.After = func(_ context.Context, m string) error {
		if lose && m == "Import" {
			lose = false
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.Unknown)
	if out, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{}); err != nil || len(out.Versions) != 2 {
		t.Errorf("the repeat: %v", err)
	}
	_, err = w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.AlreadyExists)
}

// What was added before the product went away is told, not "nothing changed".
func TestAnAppendThatStopsMidwaySaysWhatStands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		fails  *secret.Error
		added  int
		next   string
	}{
		{"Put", &secret.Error{Kind: secret.Unavailable}, 1, "1 of 2 new versions were added; the same restore again adds the rest"},
		{"Put", &secret.Error{Kind: secret.TooLarge, Detail: "no room"}, 1, "1 of 2 new versions were added; the next one is refused: no room"},
		{"Put", &secret.Error{Kind: secret.Upstream}, 1, "1 of 2 new versions were added; the next one is refused"},
		{"Describe", &secret.Error{Kind: secret.Unavailable}, 2, "2 of 2 new versions were added; how they stand could not be read"},
	} {
		method, added := c.method, c.added
		w := newWorld(t, nil)
		put(t, w, refA, "hush1")
		onto := gateway.RestoreOptions{OnConflict: gateway.ConflictAppend}
		if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), onto); err != nil {
			t.Fatal(err)
		}
		put(t, w, refA, "hush2", "hush3")
		calls := 0
		w.b.Before = func(_ context.Context, m string) error {
			if m == method {
				if calls++; calls > 1 { // one Describe asks whether the name is taken
					return c.fails
				}
			}
			return nil
		}
		_, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), onto)
		wantKind(t, err, secret.Partial)
		if got := secret.DetailOf(err); got != c.next {
			t.Errorf("%s: it says %q, want %q", method, got, c.next)
		}
		if e := w.last(t); len(e.Versions) != added || e.Result != secret.Partial.Error() {
			t.Errorf("%s: audited %v as %q", method, e.Versions, e.Result)
		}
		w.b.Before = nil
		if out, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), onto); err != nil || len(out.Secret.Versions) != 3 {
			t.Errorf("%s: the same again: %v", method, err)
		}
	}
}

// TestAPendingDeletionIsForetold: at the backup and at the restore, in the same
// words, and it stops neither.
func TestAPendingDeletionIsForetold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	d := secret.Draft{Value: secret.TextValue("hush"), Extra: secret.Extra{}.WithText(secret.ExtraPending, "2026-12-01T00:00:00Z")}
	if _, err := w.Put(t.Context(), call, refA, d); err != nil {
		t.Fatal(err)
	}
	blob := backupOf(t, w, refA)
	told := w.last(t).Losses
	if len(told) != 1 || !strings.Contains(told[0], "2026-12-01") || !strings.HasPrefix(told[0], "trace: ") {
		t.Errorf("the backup foretells %q", told)
	}
	for _, dry := range []bool{true, false} {
		out, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{DryRun: dry})
		if err != nil || len(out.Losses) != 1 || out.Losses[0].String() != told[0] {
			t.Errorf("dry run %v: the restore does not foretell it in the same words: %v", dry, err)
		}
	}
}
