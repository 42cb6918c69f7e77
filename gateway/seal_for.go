package gateway

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// SealOptions shape a document for a repository of snapshots.
type SealOptions struct {
	// Key is the repository's, wrapped for the keyring of this gateway.
	Key string
	// Known is the document that the repository has of the secret. Where the secret
	// is still that, nothing is sealed.
	Known  string
	OnLoss OnLoss // instead of the store's
}

// Sealed is a secret as a repository of snapshots keeps it.
type Sealed struct {
	Document string // its name
	Blob     []byte // nil: it is the known one
	Read     time.Time
	Versions int
	// Empty: every version is deleted or destroyed.
	Empty  bool
	Losses []secret.Loss
}

// SealFor returns the secret with its whole history, sealed for a repository,
// and always in the portable form. What the product will not show is a loss, and
// refused unless that is accepted. The values stay here. Action: backup.
func (s *Service) SealFor(ctx context.Context, c Call, r Ref, o SealOptions) (*Sealed, error) {
	return run(ctx, s, c, access.Backup, r, func(ctx context.Context, j *job) (*Sealed, error) {
		key, err := s.repositoryKey(o.Key, "")
		if err != nil {
			return nil, err
		}
		out := &Sealed{Read: s.now().UTC().Truncate(time.Millisecond)}
		accept := BackupOptions{OnLoss: o.OnLoss}
		sec, losses, err := s.exportAll(ctx, j, accept)
		if err != nil {
			return nil, err
		}
		out.Losses = losses
		if err := j.acceptUnread(out.Losses, accept); err != nil {
			return nil, err
		}
		doc := s.document(j, sec)
		out.Versions, out.Empty = len(doc.Secret.Versions), doc.Secret.Empty()
		prepared, err := key.Prepare(doc)
		if err != nil {
			return nil, err
		}
		if out.Document = prepared.Name; out.Document == o.Known {
			return out, nil
		}
		out.Blob, err = prepared.Seal()
		return out, err
	})
}

// document is what the job's name held.
func (s *Service) document(j *job, sec *secret.Secret) *backup.Document {
	return &backup.Document{
		Origin:   backup.Origin{Gateway: s.Gateway(), Store: j.Name, Name: j.ref.Name},
		SealedAt: s.now().UTC(), Secret: renamed(sec, j.ref.inside()),
	}
}

// unwrapped is the key of a repository, beside what it was wrapped in.
type unwrapped struct {
	wrapped, voucher string
	key              *backup.RepositoryKey
}

// repositoryKey unwraps the key of a repository. The last one is remembered: a
// snapshot asks thousands of times.
func (s *Service) repositoryKey(wrapped, voucher string) (*backup.RepositoryKey, error) {
	if last := s.repository.Load(); last != nil && last.wrapped == wrapped && last.voucher == voucher {
		return last.key, nil
	}
	key, err := s.keys.UnwrapVouched(wrapped, voucher)
	if err != nil {
		return nil, err
	}
	s.repository.Store(&unwrapped{wrapped, voucher, key})
	return key, nil
}
