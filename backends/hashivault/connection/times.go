package connection

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// cleanUpTime bounds what a failed write still does once its caller is gone.
const cleanUpTime = 2 * time.Second

// ToCleanUp is the context to take back what a failed write left, whatever
// became of its caller.
func ToCleanUp(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
}

// CheckTimes refuses (Invalid) times that a sidecar cannot hold.
func CheckTimes(ts ...time.Time) error {
	for _, t := range ts {
		if y := t.UTC().Year(); y < 0 || y > 9999 {
			return secret.Errorf(secret.Invalid, "a time is out of range")
		}
	}
	return nil
}

// CheckDraftTimes is CheckTimes for a draft.
func CheckDraftTimes(d *secret.Draft) error {
	return CheckTimes(d.NotBefore, d.Expires, d.Created, d.Updated)
}

// CheckPatchTimes is CheckTimes for a patch.
func CheckPatchTimes(p *secret.Patch) error {
	for _, t := range []*time.Time{p.NotBefore, p.Expires} {
		if t != nil {
			if err := CheckTimes(*t); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckSecretTimes is CheckTimes for a secret that is imported.
func CheckSecretTimes(s *secret.Secret) error {
	all := []time.Time{s.Created, s.Updated}
	for i := range s.Versions {
		v := &s.Versions[i]
		all = append(all, v.Created, v.Updated, v.NotBefore, v.Expires)
	}
	return CheckTimes(all...)
}
