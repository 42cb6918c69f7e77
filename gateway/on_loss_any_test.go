package gateway_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
)

// TestLossesOfAnything: whatever a document holds, each choice either writes
// nothing or leaves the document less what the dry run foretold; trim-oldest
// takes a document exactly where its number of versions is all that is wrong.
func TestLossesOfAnything(t *testing.T) {
	t.Parallel()
	var keys *backup.Keyring
	w := newNarrow(t, func(o *gateway.Options) { keys = o.Keyring })
	documents := rapid.Custom(backendtest.Document)
	took := map[gateway.OnLoss]int{}
	for seed := range 24 {
		s := documents.Example(seed)
		s.Name = secret.Name(fmt.Sprintf("%02d-0", seed))
		blob, err := keys.Seal(&backup.Document{
			Origin: backup.Origin{Gateway: w.Gateway(), Store: "a", Name: s.Name}, SealedAt: time.Unix(1e9, 0), Secret: s,
		})
		if err != nil {
			t.Fatal(err)
		}
		losses := w.b.Backend.Forecast(s)
		for i, choice := range gateway.OnLosses() {
			as := secret.Name(fmt.Sprintf("%02d-%d", seed, i)) // as long as the name of the forecast
			if tryLosses(t, w, s, losses, blob, gateway.RestoreOptions{As: as, OnLoss: choice}) {
				took[choice]++
			}
		}
	}
	if took[gateway.LossTrim] <= took[gateway.LossFail] || took[gateway.LossAccept] <= took[gateway.LossTrim] || took[gateway.LossAccept] != took[gateway.LossArchive] {
		t.Errorf("taken: %v", took)
	}
}

func tryLosses(t *testing.T, w *world, s *secret.Secret, losses []secret.Loss, blob []byte, o gateway.RestoreOptions) bool {
	t.Helper()
	want := s.Clone()
	want.Name = o.As
	worst, number := secret.Worst(losses), true
	for _, l := range losses {
		number = number && (l.Grade == secret.Trace || strings.Contains(l.Why, "20 versions"))
	}
	o.DryRun = true
	would, err := w.Restore(t.Context(), call, "b", blob, o)
	o.DryRun = false
	out, doneErr := w.Restore(t.Context(), call, "b", blob, o)
	if refused := errors.Is(doneErr, secret.Lossy); refused != errors.Is(err, secret.Lossy) || o.OnLoss == gateway.LossTrim && refused == number ||
		o.OnLoss == gateway.LossFail && refused != (worst > secret.Trace) {
		t.Errorf("%s: the dry run says %v, the restore %v", o.As, err, doneErr)
	}
	got, exportErr := w.b.Backend.Export(t.Context(), o.As)
	if doneErr != nil {
		if exportErr == nil {
			t.Errorf("%s: refused, and something was written", o.As)
		}
		return false
	}
	if exportErr != nil || err != nil {
		t.Errorf("%s: %v, %v", o.As, exportErr, err)
		return false
	}
	backendtest.Compare(t, want, got, would.Losses)
	if (out.Archive != "") != (o.OnLoss == gateway.LossArchive && worst > secret.Trace) {
		t.Errorf("%s: archive %q", o.As, out.Archive)
	}
	return true
}

// TestArchiveHoldsOneOfEach: the same blob for the same secret has one file.
func TestArchiveHoldsOneOfEach(t *testing.T) {
	t.Parallel()
	dir := archive.Dir(filepath.Join(t.TempDir(), "archive"))
	w := newNarrow(t, func(o *gateway.Options) { o.Archive = dir })
	fill(t, w, 21, plain)
	blob := backupOf(t, w, refA)
	for i := range 3 {
		if _, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{OnLoss: gateway.LossArchive}); (err != nil) != (i > 0) {
			t.Fatal(err)
		}
	}
	if files, err := filepath.Glob(string(dir) + "/*"); err != nil || len(files) != 1 {
		t.Errorf("kept are %d files, %v", len(files), err)
	}
}
