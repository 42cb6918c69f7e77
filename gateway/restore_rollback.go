package gateway

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// rollback adds the current version of sec as a new one, unless the target's
// current value is the same. It touches nothing else: stages stay where they are.
// It is bound to mark as appendVersions is.
func (s *Service) rollback(ctx context.Context, j *job, mark secret.Mark, sec *secret.Secret, left []secret.Loss, o RestoreOptions, out *Outcome) (*Outcome, error) {
	was := sec.Only(sec.Current)
	if len(was.Versions) == 0 || was.Versions[0].Value.IsNone() {
		return nil, &secret.Error{Kind: secret.Unsupported, Name: sec.Name, Detail: "the backup holds no current value to go back to"}
	}
	have, err := j.Backend.Export(ctx, sec.Name)
	if err != nil {
		return nil, err
	}
	if sameCurrentValue(have, was) {
		out.Secret, out.Skipped = have.WithoutValues(), true
		j.entry.Versions, j.entry.Result = nil, audit.Skipped
		return out, nil
	}
	v := &was.Versions[0]
	v.UID, v.Created, v.Updated, v.Stages, was.Previous = secret.UID{}, time.Time{}, time.Time{}, nil, 0
	out.Versions, out.Appended = map[secret.Ordinal]secret.Ordinal{}, true
	return s.addVersions(ctx, j, have, mark, was, []*secret.Version{v}, left, o, out)
}

// sameCurrentValue compares as inventories do: products keep the same fields in
// several forms.
func sameCurrentValue(a, b *secret.Secret) bool {
	k := inventory.NewKey()
	digest := func(s *secret.Secret) (inventory.State, inventory.Digest) {
		only := s.Only(s.Current)
		if len(only.Versions) == 0 {
			return "", ""
		}
		v := k.EntryOf(only, "same", time.Time{}).Versions[0]
		return v.State, v.Value
	}
	stateA, valueA := digest(a)
	stateB, valueB := digest(b)
	return valueA != "" && valueA == valueB && stateA == stateB
}
