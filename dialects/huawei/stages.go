package huawei

import (
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// maxStages bounds the stages of one secret, the two roles included.
const maxStages = 12

// applyStages reads version_stages into d. Without them the new version
// becomes current; with them it holds those alone.
func applyStages(d *secret.Draft, given *[]string) error {
	if given == nil {
		return nil
	}
	stages := slices.Clone(*given)
	slices.Sort(stages)
	switch {
	case len(stages) == 0 || len(stages) > maxStages:
		return secret.Errorf(secret.Invalid, "version_stages holds 1 to %d stages", maxStages)
	case len(slices.Compact(slices.Clone(stages))) != len(stages):
		return secret.Errorf(secret.Invalid, "version_stages holds a stage twice")
	case slices.ContainsFunc(stages, func(s string) bool { return !label(s, "-_.") }):
		return secret.Errorf(secret.Invalid, "a stage is 1 to 64 letters, digits, hyphens, underscores and dots")
	}
	current, previous := slices.Contains(stages, sysCurrent), slices.Contains(stages, sysPrevious)
	if current && previous {
		return secret.Errorf(secret.Invalid, "one version cannot be %s and %s", sysCurrent, sysPrevious)
	}
	d.KeepCurrent, d.TakePrevious = !current, previous
	d.Stages = slices.DeleteFunc(stages, isRole)
	return nil
}

func isRole(stage string) bool { return stage == sysCurrent || stage == sysPrevious }

// roomFor refuses what cannot be added: anything to a secret that is not
// enabled, and stages that would make too many.
func roomFor(d *secret.Draft) func(*secret.Secret) error {
	return func(have *secret.Secret) error {
		if state(have) == stateDisabled {
			return &secret.Error{Kind: secret.Disabled}
		}
		all := map[string]bool{sysCurrent: true, sysPrevious: true}
		for i := range have.Versions {
			for _, s := range have.Versions[i].Stages {
				all[s] = true
			}
		}
		before := len(all)
		for _, s := range d.Stages {
			all[s] = true
		}
		if len(all) > max(before, maxStages) {
			return &vendorError{tooManyStages, secret.Errorf(secret.Invalid, "a secret has at most %d stages", maxStages)}
		}
		return nil
	}
}
