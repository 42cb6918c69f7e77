package gateway

import (
	"context"
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Backup returns the secret with its whole history as a sealed blob. What the
// product will not show is a loss, and refused unless the store accepts it.
// A store that is configured so gives the product's own backup: see native_blobs.go.
// Action: backup.
func (s *Service) Backup(ctx context.Context, c Call, r Ref) ([]byte, error) {
	return run(ctx, s, c, access.Backup, r, func(ctx context.Context, j *job) ([]byte, error) {
		if j.backsUpNative() {
			return s.backupNative(ctx, j)
		}
		ctx, foretold := backends.WithForetold(ctx)
		sec, err := s.export(ctx, j)
		if err != nil {
			return nil, err
		}
		j.sawVersions(sec)
		losses := append(secret.ExportLosses(sec), foretold()...)
		j.entry.Losses = lossLines(append(losses, enabledLosses(j.enabled)...))
		if j.OnLoss != LossAccept { // what cannot be read can be kept nowhere
			if err := refuseLosses(r.Name, losses); err != nil {
				return nil, err
			}
		}
		return s.seal(j, sec)
	})
}

// seal makes a blob of what the job's name held.
func (s *Service) seal(j *job, sec *secret.Secret) ([]byte, error) {
	return s.keys.Seal(&backup.Document{
		Origin:   backup.Origin{Gateway: s.Gateway(), Store: j.Name, Name: j.ref.Name},
		SealedAt: s.now().UTC(), Secret: renamed(sec, j.ref.inside()),
	})
}

// export reads the secret. Where that enables disabled versions for a moment it
// is a change, and audited as one; a read-only store is never changed.
func (s *Service) export(ctx context.Context, j *job) (*secret.Secret, error) {
	if j.ReadOnly || j.disabled == nil || !j.disabled.ReadsDisabled() {
		return j.Backend.Export(ctx, j.ref.Name)
	}
	if err := s.intend(j); err != nil {
		return nil, err
	}
	sec, enabled, err := j.disabled.ExportDisabled(ctx, j.ref.Name)
	j.enabled = append(j.enabled, enabled...)
	slices.Sort(j.enabled)
	j.enabled = slices.Compact(j.enabled)
	j.entry.Losses = lossLines(enabledLosses(j.enabled))
	return sec, err
}

// enabledLosses are what native tools see of versions that were enabled to be
// read.
func enabledLosses(enabled []secret.Ordinal) []secret.Loss {
	var losses []secret.Loss
	for _, o := range enabled {
		losses = append(losses, secret.Loss{
			Grade: secret.Trace, Version: o, What: loss.Updated,
			Why: "this disabled version of the source was enabled for a moment, to be read, and disabled again",
		})
	}
	return losses
}
