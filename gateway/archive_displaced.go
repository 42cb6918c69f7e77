package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// archiveDisplaced finds out which version a write pushes out of a product that
// holds too few, has the audit name it, and keeps it in the archive first where
// the store asks for that: what cannot be kept is not pushed out, the write is
// refused.
//
// Another gateway may write between this look and the write: it keeps what it
// pushes out itself.
func (s *Service) archiveDisplaced(ctx context.Context, j *job, d *secret.Draft) error {
	if j.caps.MaxVersions == 0 || d.OnlyIfAbsent {
		return nil
	}
	have, err := j.Backend.Describe(ctx, j.ref.Name)
	if errors.Is(err, secret.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	v := displacedBy(have, d, j.caps.MaxVersions)
	if v == nil {
		return nil
	}
	j.entry.Losses = lossLines([]secret.Loss{{
		Grade: secret.Data, Version: v.Ordinal, What: loss.Version,
		Why: fmt.Sprintf("%s holds no more than %d, and a newer one takes the place of this one", j.caps.Product, j.caps.MaxVersions),
	}})
	if j.OnLoss != LossArchive {
		return nil
	}
	return s.archiveVersions(ctx, j, []secret.Ordinal{v.Ordinal})
}

// archiveVersions puts the versions aside as one backup, which a restore adds to
// the secret again or makes another of.
func (s *Service) archiveVersions(ctx context.Context, j *job, gone []secret.Ordinal) error {
	var kept *secret.Secret
	for _, o := range gone {
		sec, err := j.Backend.Get(ctx, j.ref.Name, secret.ByOrdinal(o))
		if err != nil {
			return err
		}
		if kept != nil {
			sec.Versions = append(kept.Versions, sec.Versions...)
		}
		kept = sec
		kept.Current, kept.Previous = o, 0
	}
	if err := refuseLosses(j.ref.Name, secret.ExportLosses(kept)); err != nil {
		return err
	}
	blob, err := s.seal(j, kept)
	if err != nil {
		return err
	}
	_, err = s.archiveBlob(j, j.ref.Name, blob, RestoreOptions{})
	return err
}

// displacedBy is the version that makes room for the one of d, or nil: there is
// room, or the product refuses the write.
func displacedBy(have *secret.Secret, d *secret.Draft, most int) *secret.Version {
	switch {
	case len(have.Versions) < most:
		return nil
	case most > 1:
		return have.Displaced(d)
	case d.KeepCurrent:
		return nil
	}
	return have.Newest()
}
