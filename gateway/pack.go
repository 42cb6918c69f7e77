package gateway

import (
	"context"
	"slices"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// PackOptions shape a Pack.
type PackOptions struct {
	BackupOptions
	// Foretell has losses that are not taken answered in Packed.Refused.
	Foretell bool
	// Of is the name that the digests are over; empty: the secret's own.
	Of secret.Name
}

// Packed is one state of a secret, twice: to be moved, and to be compared.
type Packed struct {
	Blob []byte
	// Entry is as Digest would return it.
	Entry *inventory.Entry
	// Losses are what the blob lacks.
	Losses  []secret.Loss
	Refused string // why they are not taken
}

// Pack backs up a secret and digests it, from one read of it: what is in the blob
// is what the digests are of. The blob is portable whatever the store is
// configured for. Actions: backup and get.
func (s *Service) Pack(ctx context.Context, c Call, r Ref, k inventory.Key, o PackOptions) (*Packed, error) {
	return run(ctx, s, c, access.Backup, r, func(ctx context.Context, j *job) (*Packed, error) {
		if err := s.authorise(s.newJob(j.store, c, access.Get, r)); err != nil {
			return nil, err
		}
		at := s.now()
		sec, losses, err := s.exportAll(ctx, j, o.BackupOptions)
		if err != nil {
			return nil, err
		}
		e := k.EntryOf(renamed(asDigested(j, sec), r.inside()), o.Of, at)
		out := &Packed{Entry: &e, Losses: append(slices.Clone(losses), j.openedLosses()...)}
		if err := j.acceptUnread(losses, o.BackupOptions); err != nil {
			if !o.Foretell {
				return nil, err
			}
			out.Refused = secret.DetailOf(err)
		}
		out.Blob, err = s.seal(j, sec)
		return out, err
	})
}

// asDigested hides again what was opened to be read: Digest opens nothing.
func asDigested(j *job, sec *secret.Secret) *secret.Secret {
	if len(j.opened) == 0 {
		return sec
	}
	out := *sec
	out.Versions = slices.Clone(sec.Versions)
	for i := range out.Versions {
		if v := &out.Versions[i]; slices.Contains(j.opened, v.Ordinal) {
			v.Value, v.Missing = secret.Value{}, j.openedFor
		}
	}
	return &out
}
