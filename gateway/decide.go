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
	release, err := j.edits.Lock(ctx, j.ref.Name)
	if err != nil {
		return nil, err
	}
	defer release()
	for range mostDecisions {
		have, mark, err := j.describeMarked(ctx)
		if errors.Is(err, secret.NotFound) && j.marker != nil && j.call.TellTrash {
			if held := s.heldByTrash(ctx, j, j.ref.Name, false); held != nil {
				return nil, held
			}
			have, mark, err = j.describeMarked(ctx) // it may have left the trash between the two looks
		}
		if err != nil {
			return nil, err
		}
		out, err := write(have, mark)
		if mark == "" || !errors.Is(err, secret.Conflict) {
			return out, err
		}
	}
	return nil, secret.Errorf(secret.Unavailable, "others changed the secret time and again")
}

func (j *job) describeMarked(ctx context.Context) (*secret.Secret, secret.Mark, error) {
	if j.marker != nil {
		return j.marker.DescribeMarked(ctx, j.ref.Name)
	}
	have, err := j.Backend.Describe(ctx, j.ref.Name)
	return have, "", err
}
