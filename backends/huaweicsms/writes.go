package huaweicsms

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"

	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/secret"
)

// writer makes the changes of one secret.
type writer struct {
	client
	name secret.Name
	wire string
}

func write[T any](ctx context.Context, w writer, what string, f func(*csms.CsmsClient) (T, error)) (T, error) {
	return call(ctx, w.client, op{name: w.name, what: what, write: true}, f)
}

// members splits a value as the product takes it.
func members(v secret.Value) (plain, binary *string) {
	if v.Form() == secret.Binary {
		return nil, new(base64.StdEncoding.EncodeToString(v.Reveal()))
	}
	return new(string(v.Reveal())), nil
}

// create makes the secret with its first version. The product refuses a name
// that is taken, with a code that no document names.
func (w writer) create(ctx context.Context, v secret.Value, description, key, project string) (head, error) {
	body := &model.CreateSecretRequestBody{
		Name: w.wire, Description: optional(description), KmsKeyId: optional(key), EnterpriseProjectId: optional(project),
	}
	body.SecretString, body.SecretBinary = members(v)
	return write(ctx, w, "create", func(sdk *csms.CsmsClient) (head, error) {
		r, err := sdk.CreateSecret(&model.CreateSecretRequest{Body: body})
		if err != nil {
			return head{}, err
		}
		return newHead(r.Secret)
	})
}

// append adds a version. Without stages it becomes current.
func (w writer) append(ctx context.Context, v secret.Value, expires int64, stages []string) (versionFact, error) {
	body := &model.CreateSecretVersionRequestBody{}
	body.SecretString, body.SecretBinary = members(v)
	if expires != 0 {
		body.ExpireTime = &expires
	}
	if len(stages) > 0 {
		body.VersionStages = &stages
	}
	return write(ctx, w, "append", func(sdk *csms.CsmsClient) (versionFact, error) {
		r, err := sdk.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: w.wire, Body: body})
		if err != nil {
			return versionFact{}, err
		}
		return newVersion(r.VersionMetadata)
	})
}

func (w writer) describe(ctx context.Context, description string) error {
	_, err := write(ctx, w, "update", func(sdk *csms.CsmsClient) (head, error) {
		r, err := sdk.UpdateSecret(&model.UpdateSecretRequest{SecretName: w.wire, Body: &model.UpdateSecretRequestBody{Description: &description}})
		if err != nil {
			return head{}, err
		}
		return newHead(r.Secret)
	})
	return err
}

func (w writer) expire(ctx context.Context, number, at int64) error {
	_, err := write(ctx, w, "expire", func(sdk *csms.CsmsClient) (versionFact, error) {
		r, err := sdk.UpdateVersion(&model.UpdateVersionRequest{
			SecretName: w.wire, VersionId: idOf(number), Body: &model.UpdateVersionRequestBody{ExpireTime: at},
		})
		if err != nil {
			return versionFact{}, err
		}
		return newVersion(r.VersionMetadata)
	})
	return err
}

// label moves the stage to the version; one that is nowhere is made.
func (w writer) label(ctx context.Context, stage string, number int64) error {
	_, err := write(ctx, w, "stage", func(sdk *csms.CsmsClient) (struct{}, error) {
		r, err := sdk.UpdateSecretStage(&model.UpdateSecretStageRequest{
			SecretName: w.wire, StageName: stage, Body: &model.UpdateSecretStageRequestBody{VersionId: idOf(number)},
		})
		if err == nil && (r.Stage == nil || text(r.Stage.VersionId) != idOf(number)) {
			err = errMalformed
		}
		return struct{}{}, err
	})
	return err
}

// unlabel takes the stage away. One that is nowhere any more is no error.
func (w writer) unlabel(ctx context.Context, stage string) error {
	_, err := write(ctx, w, "unstage", func(sdk *csms.CsmsClient) (struct{}, error) {
		_, err := sdk.DeleteSecretStage(&model.DeleteSecretStageRequest{SecretName: w.wire, StageName: stage})
		return struct{}{}, err
	})
	if is(err, secret.NotFound) {
		return nil
	}
	return err
}

// The actions on tags.
const (
	tagsCreate = "create"
	tagsDelete = "delete"
)

func (w writer) retag(ctx context.Context, id, action string, tags map[string]string) error {
	body := &model.BatchCreateOrDeleteTagsRequestBody{Action: action}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		body.Tags = append(body.Tags, model.TagItem{Key: k, Value: new(tags[k])})
	}
	_, err := write(ctx, w, "tag", func(sdk *csms.CsmsClient) (struct{}, error) {
		_, err := sdk.BatchCreateOrDeleteTags(&model.BatchCreateOrDeleteTagsRequest{SecretId: id, Body: body})
		return struct{}{}, err
	})
	return err
}

// schedule lets the product delete the secret after some days.
func (w writer) schedule(ctx context.Context, days int) (head, error) {
	return write(ctx, w, "delete", func(sdk *csms.CsmsClient) (head, error) {
		r, err := sdk.DeleteSecretForSchedule(&model.DeleteSecretForScheduleRequest{
			SecretName: w.wire, Body: &model.DeleteSecretForScheduleRequestBody{RecoveryWindowInDays: int32(days)},
		})
		if err != nil {
			return head{}, err
		}
		h, err := newHead(r.Secret)
		if err == nil && (!h.pending() || h.scheduled.IsZero()) {
			err = errMalformed
		}
		return h, err
	})
}

func (w writer) cancel(ctx context.Context) (head, error) {
	return write(ctx, w, "recover", func(sdk *csms.CsmsClient) (head, error) {
		r, err := sdk.RestoreSecret(&model.RestoreSecretRequest{SecretName: w.wire})
		if err != nil {
			return head{}, err
		}
		h, err := newHead(r.Secret)
		if err == nil && h.pending() {
			err = errMalformed
		}
		return h, err
	})
}

func (w writer) destroy(ctx context.Context) error {
	_, err := write(ctx, w, "purge", func(sdk *csms.CsmsClient) (struct{}, error) {
		_, err := sdk.DeleteSecret(&model.DeleteSecretRequest{SecretName: w.wire})
		return struct{}{}, err
	})
	return err
}
