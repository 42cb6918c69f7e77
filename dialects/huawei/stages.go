package huawei

import (
	"slices"

	"github.com/vaultferry/vaultferry/gateway"
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
	case len(stages) == 0:
		return secret.Errorf(secret.Invalid, "version_stages holds 1 to %d stages", maxStages)
	case len(stages) > maxStages:
		return &vendorError{stagesOverQuota, secret.Errorf(secret.Invalid, "version_stages holds 1 to %d stages", maxStages)}
	case len(slices.Compact(slices.Clone(stages))) != len(stages):
		return secret.Errorf(secret.Invalid, "version_stages holds a stage twice")
	case slices.ContainsFunc(stages, func(s string) bool { return checkStage(s) != nil }):
		return checkStage("")
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

// admit completes the draft of a new version: nothing is added to a secret
// that is not enabled, nor stages that would make too many, and the
// twenty-first version recycles one.
func admit(have *secret.Secret, d *secret.Draft) error {
	if err := admitAll(have, d); err != nil {
		return err
	}
	if past, one := recycle(have, d); one {
		d.MergeExtra = extraText(extraRecycled, past.String())
	}
	return nil
}

// admitAll is admit without recycling.
func admitAll(have *secret.Secret, d *secret.Draft) error {
	if err := enabled(have); err != nil {
		return err
	}
	return roomFor(have, d.Stages...)
}

func enabled(s *secret.Secret) error {
	if state(s) == stateDisabled {
		return &secret.Error{Kind: secret.Disabled}
	}
	return nil
}

// roomFor refuses stages that would make too many. A secret that has more
// already, from elsewhere, keeps them.
func roomFor(have *secret.Secret, stages ...string) error {
	all := map[string]bool{sysCurrent: true, sysPrevious: true}
	for i := range have.Versions {
		for _, s := range have.Versions[i].Stages {
			all[s] = true
		}
	}
	before := len(all)
	for _, s := range stages {
		all[s] = true
	}
	if len(all) > max(before, maxStages) {
		return &vendorError{tooManyStages, secret.Errorf(secret.Invalid, "a secret has at most %d stages", maxStages)}
	}
	return nil
}

type stageBody struct {
	VersionID string `json:"version_id"`
}

type newStageBody struct {
	Name      string `json:"name"`
	VersionID string `json:"version_id"`
}

type stageObject struct {
	Name       string `json:"name"`
	UpdateTime int64  `json:"update_time"`
	SecretName string `json:"secret_name"`
	VersionID  string `json:"version_id"`
}

type stageAnswer struct {
	Stage stageObject `json:"stage"`
}

func (a *api) showStage(r *request) (any, error) {
	ref, stage, err := r.stage()
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.DescribeWithTrash(r.Context(), r.call, ref, func(s *secret.Secret) error {
		if holder(s, stage) == nil {
			return noSuchStage()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return renderStage(sec, stage, holder(sec, stage))
}

// createStage moves a stage that another version holds, as updateStage makes
// one that none holds.
func (a *api) createStage(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	var body newStageBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	return a.setStage(r, ref, body.Name, body.VersionID)
}

func (a *api) updateStage(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	var body stageBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	return a.setStage(r, ref, r.Vars["stage_name"], body.VersionID)
}

func (a *api) setStage(r *request, ref gateway.Ref, stage, version string) (any, error) {
	if err := checkStage(stage); err != nil {
		return nil, err
	}
	o, err := ordinal(version)
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.Edit(r.Context(), r.write(), ref, func(have *secret.Secret) (*gateway.Change, error) {
		// v0 names no version, and would select the current one
		if v := have.Find(secret.ByOrdinal(o)); o == 0 || v == nil || versionID(o) != version || gone(recycled(have), v) {
			return nil, secret.Errorf(secret.NotFound, "no such version")
		}
		if err := roomFor(have, custom(stage)...); err != nil {
			return nil, err
		}
		return &gateway.Change{Of: secret.ByOrdinal(o), Patch: stagePatch(stage)}, nil
	})
	if err != nil {
		return nil, err
	}
	return renderStage(sec, stage, sec.Find(secret.ByOrdinal(o)))
}

func custom(stage string) []string {
	if isRole(stage) {
		return nil
	}
	return []string{stage}
}

func stagePatch(stage string) secret.Patch {
	switch stage {
	case sysCurrent:
		return secret.Patch{MakeCurrent: true}
	case sysPrevious:
		return secret.Patch{MakePrevious: true}
	}
	return secret.Patch{AddStages: []string{stage}}
}

func (a *api) deleteStage(r *request) (any, error) {
	ref, stage, err := r.stage()
	if err != nil {
		return nil, err
	}
	if isRole(stage) {
		return nil, &vendorError{systemStage, secret.Errorf(secret.Invalid, "%s is built in", stage)}
	}
	_, err = a.svc.Edit(r.Context(), r.write(), ref, func(have *secret.Secret) (*gateway.Change, error) {
		v := holder(have, stage)
		if v == nil {
			return nil, noSuchStage()
		}
		return &gateway.Change{Of: secret.ByOrdinal(v.Ordinal), Patch: secret.Patch{DropStages: []string{stage}}}, nil
	})
	return nil, err
}

// stage reads the path.
func (r *request) stage() (gateway.Ref, string, error) {
	ref, err := r.ref()
	if err != nil {
		return ref, "", err
	}
	stage := r.Vars["stage_name"]
	return ref, stage, checkStage(stage)
}

func checkStage(stage string) error {
	if !label(stage, "-_.") {
		return secret.Errorf(secret.Invalid, "a stage is 1 to 64 letters, digits, hyphens, underscores and dots")
	}
	return nil
}

// holder returns the version that holds the stage, or nil.
func holder(s *secret.Secret, stage string) *secret.Version {
	for i := range s.Versions {
		if v := &s.Versions[i]; slices.Contains(stagesOf(s, v), stage) {
			return v
		}
	}
	return nil
}

func noSuchStage() *secret.Error {
	return secret.Errorf(secret.NotFound, "no version holds this stage")
}

// renderStage says of a stage that it was updated when its version was: products
// keep no time for a label alone.
func renderStage(s *secret.Secret, stage string, v *secret.Version) (any, error) {
	name, err := WireName(s.Name)
	return stageAnswer{stageObject{
		Name: stage, UpdateTime: max(millis(v.Updated), millis(v.Created)), SecretName: name, VersionID: versionID(v.Ordinal),
	}}, err
}
