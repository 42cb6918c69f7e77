package connection

import (
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

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
