package huaweicsms

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"

	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

func (r remote) write(what string) kit.Op {
	o := r.op(what)
	o.Write = true
	return o
}

// done is the reading of an answer that says nothing.
func done[A any](*A) (struct{}, error) { return struct{}{}, nil }

// members splits a value as the product takes it.
func members(v secret.Value) (plain, binary *string) {
	if v.Form() == secret.Binary {
		return nil, new(base64.StdEncoding.EncodeToString(v.Reveal()))
	}
	return new(string(v.Reveal())), nil
}

// create makes the secret with its first version. The product refuses a name
// that is taken, with a code that no document names.
func (r remote) create(ctx context.Context, v secret.Value, description string) (secretFact, error) {
	body := &model.CreateSecretRequestBody{
		Name: r.wire, Description: optional(description), KmsKeyId: optional(r.key), EnterpriseProjectId: optional(r.project),
	}
	body.SecretString, body.SecretBinary = members(v)
	return call(ctx, r.client, r.write("create"), (*csms.CsmsClient).CreateSecret, &model.CreateSecretRequest{Body: body},
		func(a *model.CreateSecretResponse) (secretFact, error) { return newSecretFact(a.Secret) })
}

// append adds a version. Without stages it becomes current.
func (r remote) append(ctx context.Context, v secret.Value, expires int64, stages []string) (versionFact, error) {
	body := &model.CreateSecretVersionRequestBody{}
	body.SecretString, body.SecretBinary = members(v)
	if expires != 0 {
		body.ExpireTime = &expires
	}
	if len(stages) > 0 {
		body.VersionStages = &stages
	}
	return call(ctx, r.client, r.write("append"), (*csms.CsmsClient).CreateSecretVersion, &model.CreateSecretVersionRequest{SecretName: r.wire, Body: body},
		func(a *model.CreateSecretVersionResponse) (versionFact, error) {
			return newVersionFact(a.VersionMetadata)
		})
}

// writer changes what the versions of a secret share, and keeps account of it in
// the facts.
type writer struct {
	remote
	facts *facts
}

func (w writer) describe(ctx context.Context, description string) error {
	q := &model.UpdateSecretRequest{SecretName: w.wire, Body: &model.UpdateSecretRequestBody{Description: &description}}
	_, err := call(ctx, w.client, w.write("update"), (*csms.CsmsClient).UpdateSecret, q,
		func(a *model.UpdateSecretResponse) (secretFact, error) { return newSecretFact(a.Secret) })
	if err == nil {
		w.facts.description = description
	}
	return err
}

func (w writer) expire(ctx context.Context, number, at int64) error {
	q := &model.UpdateVersionRequest{SecretName: w.wire, VersionId: idOf(number), Body: &model.UpdateVersionRequestBody{ExpireTime: at}}
	_, err := call(ctx, w.client, w.write("expire"), (*csms.CsmsClient).UpdateVersion, q,
		func(a *model.UpdateVersionResponse) (versionFact, error) { return newVersionFact(a.VersionMetadata) })
	if err == nil {
		w.facts.version(number).expires = millis(&at)
	}
	return err
}

// label moves the stage to the version; one that is nowhere is made.
func (w writer) label(ctx context.Context, stage string, number int64) error {
	q := &model.UpdateSecretStageRequest{SecretName: w.wire, StageName: stage, Body: &model.UpdateSecretStageRequestBody{VersionId: idOf(number)}}
	_, err := call(ctx, w.client, w.write("stage"), (*csms.CsmsClient).UpdateSecretStage, q,
		func(a *model.UpdateSecretStageResponse) (struct{}, error) {
			if a.Stage == nil || orEmpty(a.Stage.VersionId) != idOf(number) {
				return struct{}{}, kit.ErrMalformed
			}
			return struct{}{}, nil
		})
	if err == nil {
		w.facts.label(stage, number)
	}
	return err
}

// unlabel takes the stage away. One that is nowhere any more is no error.
func (w writer) unlabel(ctx context.Context, stage string) error {
	q := &model.DeleteSecretStageRequest{SecretName: w.wire, StageName: stage}
	_, err := call(ctx, w.client, w.write("unstage"), (*csms.CsmsClient).DeleteSecretStage, q, done)
	if err = unlessAbsent(err); err == nil {
		w.facts.unlabel(stage)
	}
	return err
}

// The actions on tags.
const (
	tagsCreate = "create"
	tagsDelete = "delete"
)

func (w writer) retag(ctx context.Context, action string, tags map[string]string) error {
	body := &model.BatchCreateOrDeleteTagsRequestBody{Action: action}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		body.Tags = append(body.Tags, model.TagItem{Key: k, Value: new(tags[k])})
	}
	q := &model.BatchCreateOrDeleteTagsRequest{SecretId: w.facts.id, Body: body}
	_, err := call(ctx, w.client, w.write("tag"), (*csms.CsmsClient).BatchCreateOrDeleteTags, q, done)
	if err == nil {
		w.facts.retag(action, tags)
	}
	return err
}

// schedule lets the product delete the secret after some days.
func (r remote) schedule(ctx context.Context, days int) (secretFact, error) {
	q := &model.DeleteSecretForScheduleRequest{
		SecretName: r.wire, Body: &model.DeleteSecretForScheduleRequestBody{RecoveryWindowInDays: int32(days)},
	}
	return call(ctx, r.client, r.write("delete"), (*csms.CsmsClient).DeleteSecretForSchedule, q,
		func(a *model.DeleteSecretForScheduleResponse) (secretFact, error) { return inTrash(a.Secret, true) })
}

// cancel takes back what schedule said.
func (r remote) cancel(ctx context.Context) (secretFact, error) {
	return call(ctx, r.client, r.write("recover"), (*csms.CsmsClient).RestoreSecret, &model.RestoreSecretRequest{SecretName: r.wire},
		func(a *model.RestoreSecretResponse) (secretFact, error) { return inTrash(a.Secret, false) })
}

func inTrash(s *model.Secret, want bool) (secretFact, error) {
	f, err := newSecretFact(s)
	if err == nil && (f.pending() != want || want && f.scheduled.IsZero()) {
		err = kit.ErrMalformed
	}
	return f, err
}

func (r remote) destroy(ctx context.Context) error {
	_, err := call(ctx, r.client, r.write("purge"), (*csms.CsmsClient).DeleteSecret, &model.DeleteSecretRequest{SecretName: r.wire}, done)
	return err
}
