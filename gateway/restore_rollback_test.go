package gateway_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
)

// TestRollback: the current value of that moment becomes a new version, once, and
// nothing else changes.
func TestRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush-1", "hush-2")
	blob := backupOf(t, w, refA)
	put(t, w, refA, "hush-3")
	back := gateway.RestoreOptions{OnConflict: gateway.ConflictRollback}
	dry := back
	dry.DryRun = true
	out, err := w.Restore(t.Context(), call, "a", blob, dry)
	if err != nil || out.Added != 1 || out.Skipped {
		t.Fatal(out, err)
	}
	for i := range 2 {
		out, err := w.Restore(t.Context(), call, "a", blob, back)
		if err != nil || out.Skipped != (i == 1) {
			t.Fatal(out, err)
		}
		sec, err := w.Get(t.Context(), call, refA, secret.Selector{})
		if err != nil || sec.Current != 4 || string(sec.Newest().Value.Reveal()) != "hush-2" {
			t.Fatal(sec, err)
		}
	}
	if e := w.last(t); e.Op == "" {
		t.Error("not audited")
	}
	if _, err := w.Restore(t.Context(), call, "b", blob, back); err != nil { // where it is not, it is restored
		t.Fatal(err)
	}
	sec, err := w.Describe(t.Context(), call, refB)
	if err != nil || len(sec.Versions) != 2 {
		t.Fatal(sec, err)
	}
}

// TestRestoreFromRepository: the gateway opens a repository's document by the key
// that came wrapped, and keeps in its archive what the keyring opens.
func TestRestoreFromRepository(t *testing.T) {
	t.Parallel()
	keys, dir := backup.NewKeyring(), archive.Dir(t.TempDir())
	w := newWorld(t, func(o *gateway.Options) { o.Keyring, o.RequireProof = keys, true })
	put(t, w, refA, "hush-1")
	key := backup.NewRepositoryKey()
	wrapped, _, err := keys.WrapRepositoryKey(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := w.SealFor(t.Context(), call, refA, gateway.SealOptions{Key: wrapped})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Restore(t.Context(), call, "b", sealed.Blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.NoKey)
	w.b.losses = []secret.Loss{{Grade: secret.Meaning, What: "tags", Why: "a test says so"}}
	out, err := w.Restore(t.Context(), call, "b", sealed.Blob, gateway.RestoreOptions{RepositoryKey: wrapped, OnLoss: gateway.LossArchive, Archive: dir})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(out.Archive)
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := keys.Open(kept); err != nil || doc.Secret.Name != refA.Name {
		t.Error("the archive holds what the keyring cannot open", err)
	}
	// Of a key that anybody with the public half may have wrapped, nothing but a
	// voucher proves who made the document.
	asymmetric, err := backup.NewKeyringOf(backup.AlgECDH, backup.AlgEdDSA)
	if err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, func(o *gateway.Options) { o.Keyring, o.RequireProof = asymmetric, true })
	if wrapped, _, err = asymmetric.WrapRepositoryKey(key); err != nil {
		t.Fatal(err)
	}
	put(t, w, refA, "hush-1")
	if sealed, err = w.SealFor(t.Context(), call, refA, gateway.SealOptions{Key: wrapped}); err != nil {
		t.Fatal(err)
	}
	right, stranger := backup.VoucherOf(key.ID(), "r", wrapped), backup.NewKeyring()
	vouch := func(by *backup.Keyring, v backup.Voucher) string {
		jws, err := by.SignVoucher(v)
		if err != nil {
			t.Fatal(err)
		}
		return jws
	}
	for what, voucher := range map[string]string{
		"none":               "",
		"a stranger's":       vouch(stranger, right),
		"of another file":    vouch(asymmetric, backup.VoucherOf(key.ID(), "r", wrapped+"x")),
		"of another's key":   vouch(asymmetric, backup.VoucherOf(stranger.GatewayID(), "r", wrapped)),
		"cut":                vouch(asymmetric, right)[1:],
		"of another purpose": mustSign(t, asymmetric, "vaultferry-snapshot", right),
	} {
		_, err = w.Restore(t.Context(), call, "b", sealed.Blob, gateway.RestoreOptions{RepositoryKey: wrapped, RepositoryVoucher: voucher})
		if secret.KindOf(err) != secret.Denied || !strings.Contains(secret.DetailOf(err), "nothing proves which gateway") {
			t.Errorf("%s proves it: %v", what, err)
		}
	}
	if _, err = w.Restore(t.Context(), call, "b", sealed.Blob, gateway.RestoreOptions{RepositoryKey: wrapped, RepositoryVoucher: vouch(asymmetric, right)}); err != nil {
		t.Error(err)
	}
}

func mustSign(t *testing.T, keys *backup.Keyring, typ string, payload any) string {
	t.Helper()
	b, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := keys.Sign(typ, b)
	if err != nil {
		t.Fatal(err)
	}
	return jws
}
