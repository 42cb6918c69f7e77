package gateway

import (
	"context"
	"slices"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// BackupOptions shape a backup. The zero value is what the wire APIs do.
type BackupOptions struct {
	OnLoss OnLoss // instead of the store's
	// OnLossOf is OnLoss of single words of losses.
	OnLossOf map[string]OnLoss
	// ReadDeleted has each version that native tools deleted undeleted, read and
	// deleted again, where the product can. A read-only store refuses it.
	ReadDeleted bool
	// Untouched opens no version to read it, whatever the store is configured for:
	// the backup changes nothing, and may lack more.
	Untouched bool
}

// Backup is BackupWith for who has no wishes.
func (s *Service) Backup(ctx context.Context, c Call, r Ref) ([]byte, error) {
	blob, _, err := s.BackupWith(ctx, c, r, BackupOptions{})
	return blob, err
}

// BackupWith returns the secret with its whole history as a sealed blob, and what
// that lacks, or what native tools notice. What the product will not show is a
// loss, and refused unless that is accepted.
// A store that is configured so gives the product's own backup: see native_blobs.go.
// Action: backup.
func (s *Service) BackupWith(ctx context.Context, c Call, r Ref, o BackupOptions) (blob []byte, lost []secret.Loss, err error) {
	blob, err = run(ctx, s, c, access.Backup, r, func(ctx context.Context, j *job) ([]byte, error) {
		if j.backsUpNative() {
			return s.backupNative(ctx, j)
		}
		sec, losses, err := s.exportAll(ctx, j, o)
		if err != nil {
			return nil, err
		}
		lost = append(slices.Clone(losses), j.openedLosses()...)
		if err := j.acceptUnread(losses, o); err != nil {
			return nil, err
		}
		return s.seal(j, sec)
	})
	if err != nil {
		return nil, nil, err
	}
	return blob, lost, nil
}

// exportAll is export with what the product did not give.
func (s *Service) exportAll(ctx context.Context, j *job, o BackupOptions) (*secret.Secret, []secret.Loss, error) {
	ctx, foretold := loss.WithForetold(ctx)
	sec, err := s.export(ctx, j, o)
	if err != nil {
		return nil, nil, err
	}
	j.sawVersions(sec)
	losses := append(secret.ExportLosses(sec), foretold()...)
	j.entry.Losses = lossLines(append(slices.Clone(losses), j.openedLosses()...))
	return sec, losses, nil
}

// acceptUnread refuses a backup with losses that are not taken: what cannot be
// read can be kept nowhere.
func (j *job) acceptUnread(losses []secret.Loss, o BackupOptions) error {
	return refuseLosses(j.ref.Name, slices.DeleteFunc(slices.Clone(losses), func(l secret.Loss) bool {
		return orDefault(o.OnLossOf[l.What], orDefault(o.OnLoss, j.OnLoss)) == LossAccept
	}))
}

// RehearseBackup is the dry run of BackupWith: it refuses what that would, reads
// no value, opens no version, and returns what the backup would lack. Action:
// backup.
func (s *Service) RehearseBackup(ctx context.Context, c Call, r Ref, o BackupOptions) ([]secret.Loss, error) {
	return run(ctx, s, c, access.Backup, r, func(ctx context.Context, j *job) ([]secret.Loss, error) {
		j.entry.DryRun = true
		if o.ReadDeleted && j.ReadOnly {
			return nil, secret.Errorf(secret.Denied, ReadOnly)
		}
		ctx, foretold := loss.WithForetold(ctx)
		sec, err := j.Backend.Describe(ctx, r.Name)
		if err != nil || j.backsUpNative() {
			return nil, err
		}
		j.opened, j.openedFor = nil, j.opens(o)
		for i := range sec.Versions {
			if v := &sec.Versions[i]; v.Missing != "" && v.Missing == j.openedFor {
				j.opened, v.Missing = append(j.opened, v.Ordinal), ""
			}
		}
		losses := append(secret.ExportLosses(sec), foretold()...)
		all := append(slices.Clone(losses), j.openedLosses()...)
		j.entry.Losses = lossLines(all)
		return all, j.acceptUnread(losses, o)
	})
}

// seal makes a blob of what the job's name held.
func (s *Service) seal(j *job, sec *secret.Secret) ([]byte, error) {
	return s.keys.Seal(s.document(j, sec))
}

// export reads the secret. Where that opens versions for a moment it is a change,
// and audited as one; a read-only store is never changed.
func (s *Service) export(ctx context.Context, j *job, o BackupOptions) (*secret.Secret, error) {
	if o.ReadDeleted && j.ReadOnly {
		return nil, secret.Errorf(secret.Denied, ReadOnly)
	}
	why := j.opens(o)
	if why == "" {
		return j.Backend.Export(ctx, j.ref.Name)
	}
	if err := s.intend(j); err != nil {
		return nil, err
	}
	sec, opened, err := j.hidden.ExportHidden(ctx, j.ref.Name, why)
	j.opened, j.openedFor = append(j.opened, opened...), why
	slices.Sort(j.opened)
	j.opened = slices.Compact(j.opened)
	j.entry.Losses = lossLines(j.openedLosses())
	return sec, err
}

// opens is why the versions miss their values that the backup opens; empty: it
// opens none.
func (j *job) opens(o BackupOptions) secret.Missing {
	switch {
	case j.hidden == nil, j.ReadOnly, o.Untouched:
		return ""
	case o.ReadDeleted && j.hidden.ReadsHidden(secret.Deleted):
		return secret.Deleted
	case j.hidden.ReadsHidden(secret.Unreadable):
		return secret.Unreadable
	}
	return ""
}

// openedLosses are what native tools see of versions that were opened to be
// read.
func (j *job) openedLosses() []secret.Loss {
	why := "this disabled version of the source was enabled for a moment, to be read, and disabled again"
	if j.openedFor == secret.Deleted {
		why = "native tools had deleted this version of the source: it was undeleted for a moment, to be read, and deleted again, so it has a new time of deletion there, and a restore brings it back live"
	}
	var losses []secret.Loss
	for _, o := range j.opened {
		losses = append(losses, secret.Loss{Grade: secret.Trace, Version: o, What: loss.Updated, Why: why})
	}
	return losses
}
