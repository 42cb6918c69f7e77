package control

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// hiding is a real store of which native tools deleted the first version of
// each secret: it says that it is deleted until it is read as hidden.
type hiding struct {
	*memory.Store
	read []secret.Name
}

func (h *hiding) hide(s *secret.Secret, err error) (*secret.Secret, error) {
	if err == nil {
		s.Versions[0].Value, s.Versions[0].Missing = secret.Value{}, secret.Deleted
	}
	return s, err
}

func (h *hiding) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return h.hide(h.Store.Describe(ctx, name))
}

func (h *hiding) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return h.hide(h.Store.Export(ctx, name))
}

func (*hiding) ReadsHidden(why secret.Missing) bool { return why == secret.Deleted }

func (h *hiding) ExportHidden(ctx context.Context, name secret.Name, _ secret.Missing) (*secret.Secret, []secret.Ordinal, error) {
	h.read = append(h.read, name)
	s, err := h.Store.Export(ctx, name)
	return s, []secret.Ordinal{1}, err
}

// TestBackupOptionsCross: what a person asks of a backup reaches the gateway,
// and so does a dry run, which opens nothing.
func TestBackupOptionsCross(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	keys, err := backup.NewKeyringOf(backup.AlgA256KW, backup.AlgEdDSA)
	must(t, err)
	log, err := audit.Open(filepath.Join(dir, "audit.jsonl"), time.Now)
	must(t, err)
	h := &hiding{Store: memory.New(memory.Options{})}
	s, err := gateway.New(gateway.Options{
		Stores: []gateway.Store{{Name: "main", Kind: "memory", Backend: h}, {Name: "fixed", Kind: "memory", Backend: h, ReadOnly: true}},
		Policy: access.NewPolicy(nil), Keyring: keys, Audit: log, Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	server := &Server{}
	server.Use(s, nil)
	for _, e := range []endpoint{backupOperation, rehearseBackupOperation} {
		serveAt(t, filepath.Join(dir, e.id()), handlerOf(server, e))
	}
	t.Cleanup(func() { _ = errors.Join(s.Close(), log.Close()) })
	for range 2 {
		_, err = s.Put(t.Context(), call("test"), gateway.Ref{Store: "main", Name: "n"}, secret.Draft{Value: secret.TextValue("hush")})
		must(t, err)
	}
	real, dry := clientOf(filepath.Join(dir, "backup")), clientOf(filepath.Join(dir, "rehearse-backup"))
	for what, tt := range map[string]struct {
		store   string
		o       gateway.BackupOptions
		refused error
		grade   secret.Grade // of the losses of a backup that is not refused
		opens   bool
		missing secret.Missing // in the backup
	}{
		"nothing":                {"main", gateway.BackupOptions{}, secret.Lossy, 0, false, ""},
		"fail":                   {"main", gateway.BackupOptions{OnLoss: gateway.LossFail}, secret.Lossy, 0, false, ""},
		"accept":                 {"main", gateway.BackupOptions{OnLoss: gateway.LossAccept}, nil, secret.Data, false, secret.Deleted},
		"read-deleted":           {"main", gateway.BackupOptions{ReadDeleted: true}, nil, secret.Trace, true, ""},
		"read-deleted read-only": {"fixed", gateway.BackupOptions{ReadDeleted: true}, secret.Denied, 0, false, ""},
		"untouched":              {"main", gateway.BackupOptions{ReadDeleted: true, Untouched: true, OnLoss: gateway.LossAccept}, nil, secret.Data, false, secret.Deleted},
		"accept read-only":       {"fixed", gateway.BackupOptions{OnLoss: gateway.LossAccept}, nil, secret.Data, false, secret.Deleted},
	} {
		h.read = nil
		ref := gateway.Ref{Store: tt.store, Name: "n"}
		losses, err := dry.RehearseBackup(t.Context(), call("backup"), ref, tt.o)
		if !isOrNil(err, tt.refused) || secret.Worst(losses) != tt.grade || len(h.read) > 0 {
			t.Errorf("%s, foretold: %v, %v; opened %q", what, losses, err, h.read)
		}
		blob, lost, err := real.BackupWith(t.Context(), call("backup"), ref, tt.o)
		if err == nil && !slices.Equal(lost, losses) {
			t.Errorf("%s: the backup lacks %v, foretold was %v", what, lost, losses)
		}
		if !isOrNil(err, tt.refused) || slices.Contains(h.read, "n") != tt.opens {
			t.Errorf("%s: %v; opened %q", what, err, h.read)
		}
		if err != nil {
			continue
		}
		doc, err := keys.Open(blob)
		must(t, err)
		if got := doc.Secret.Versions[0].Missing; got != tt.missing {
			t.Errorf("%s: of version 1 the backup says %q", what, got)
		}
	}
}

func isOrNil(err, want error) bool {
	if want == nil {
		return err == nil
	}
	return errors.Is(err, want)
}
