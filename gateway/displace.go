package gateway

import (
	"context"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// putVersion is the product's Put. Where somebody set how many versions a secret
// keeps, what this one pushes out is named in the audit, and kept first where
// the store archives.
func (s *Service) putVersion(ctx context.Context, j *job, d secret.Draft) (*secret.Secret, error) {
	if j.displacer == nil {
		return j.Backend.Put(ctx, j.ref.Name, d)
	}
	return j.displacer.PutDisplacing(ctx, j.ref.Name, d, func(ctx context.Context, gone []secret.Ordinal) error {
		var losses []secret.Loss
		for _, o := range gone {
			losses = append(losses, secret.Loss{
				Grade: secret.Data, Version: o, What: loss.Version,
				Why: "somebody set how many versions " + j.caps.Product + " keeps of the secret, and a newer one takes the place of this one",
			})
		}
		j.entry.Losses = lossLines(losses)
		if j.OnLoss != LossArchive {
			return nil
		}
		return s.archiveVersions(ctx, j, gone)
	})
}

// putBeside is the product's Put for who must not push out what stands.
func putBeside(ctx context.Context, j *job, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if j.displacer == nil {
		return j.Backend.Put(ctx, name, d)
	}
	return j.displacer.PutDisplacing(ctx, name, d, func(_ context.Context, gone []secret.Ordinal) error {
		return secret.Errorf(secret.Unsupported, "somebody set how many versions %s keeps of the secret: it would push out version %d", j.caps.Product, gone[0])
	})
}

// appendLosses is what the product alone knows of versions that are added.
func (j *job) appendLosses(have, part *secret.Secret) []secret.Loss {
	if j.displacer == nil {
		return nil
	}
	return j.displacer.AppendLosses(have, part)
}

// mostVersions is how many versions the product keeps of a secret that Export
// has returned. Zero: no limit.
func (j *job) mostVersions(have *secret.Secret) int {
	if most := j.caps.MaxVersions; most > 0 || j.displacer == nil {
		return most
	}
	return j.displacer.VersionLimit(have)
}
