package gateway

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/secret"
)

// mostDecisions bounds how often a write is decided anew.
const mostDecisions = 20

// decide makes a write that depends on what stands. write gets the secret as
// Describe shows it, and the mark that binds the write to that state. Where others
// came between, nothing was changed, and write decides anew. Those of one gateway
// wait for each other. Over a product that has no marks the mark is empty, and
// others may come between unseen.
func decide(ctx context.Context, s *Service, j *job, write func(have *secret.Secret, only secret.Mark) (*secret.Secret, error)) (*secret.Secret, error) {
	return untilAlone(ctx, j, j.ref.Name, func() (out *secret.Secret, moved bool, err error) {
		have, mark, err := j.describeMarked(ctx, j.ref.Name)
		if errors.Is(err, secret.NotFound) && j.marker != nil && j.call.TellTrash {
			if held := s.heldByTrash(ctx, j, j.ref.Name, false); held != nil {
				return nil, false, held
			}
			have, mark, err = j.describeMarked(ctx, j.ref.Name) // it may have left the trash between the two looks
		}
		if err != nil {
			return nil, false, err
		}
		out, err = write(have, mark)
		return out, mark != "" && errors.Is(err, secret.Conflict), err
	})
}

// untilAlone has one call of a gateway after another look at the secret of that name
// and write. Where others moved it between the two, and nothing was changed, it looks
// again.
func untilAlone[T any](ctx context.Context, j *job, name secret.Name, write func() (out T, moved bool, err error)) (T, error) {
	var zero T
	release, err := j.edits.Lock(ctx, name)
	if err != nil {
		return zero, err
	}
	defer release()
	for range mostDecisions {
		if out, moved, err := write(); !moved {
			return out, err
		}
	}
	return zero, secret.Errorf(secret.Unavailable, "others changed the secret time and again")
}

func (j *job) describeMarked(ctx context.Context, name secret.Name) (*secret.Secret, secret.Mark, error) {
	if j.marker != nil {
		return j.marker.DescribeMarked(ctx, name)
	}
	have, err := j.Backend.Describe(ctx, name)
	return have, "", err
}
