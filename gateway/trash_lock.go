package gateway

import (
	"context"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// withTrash runs what is about a secret in the trash, or on its way there.
func withTrash(ctx context.Context, s *Service, c Call, a access.Action, r Ref, f func(context.Context, *job) (*secret.Secret, error)) (*secret.Secret, error) {
	return run(ctx, s, c, a, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		sec, err := f(ctx, j)
		if err != nil {
			return nil, err
		}
		if sec != nil {
			j.sawVersions(sec)
		}
		return sec, nil
	})
}

// changeTrash is withTrash for what takes the name into the trash, or out of
// it. Within this gateway one such call of a name begins when the one before
// has its audit line: what a call has looked at is what it changes, and one
// deletion has one acknowledged end. Other gateways over the same product may
// come between.
func changeTrash(ctx context.Context, s *Service, c Call, a access.Action, r Ref, f func(context.Context, *job) (*secret.Secret, error)) (*secret.Secret, error) {
	return withTrash(ctx, s, c, a, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		if err := j.holdTrash(ctx); err != nil {
			return nil, err
		}
		return f(ctx, j)
	})
}

// holdTrash waits for the name's place in the trash. The job keeps it, however
// often it is tried, until letTrashGo.
func (j *job) holdTrash(ctx context.Context) (err error) {
	if j.trashed == nil {
		j.trashed, err = j.trash.Lock(ctx, j.ref.Name)
	}
	return err
}

func (j *job) letTrashGo() {
	if j.trashed != nil {
		j.trashed()
	}
}

// purge removes what has been looked at in the trash: where the product can
// tell, that and no other deletion of the name.
func (j *job) purge(ctx context.Context, seen *secret.Secret) error {
	if j.purger != nil {
		return j.purger.PurgeExactly(ctx, seen)
	}
	return j.Backend.Purge(ctx, seen.Name)
}
