package huawei

import (
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// TestVendorActions: a rule that allows Huawei's action for an operation allows
// the operation.
func TestVendorActions(t *testing.T) {
	t.Parallel()
	for operation, words := range map[string][]string{
		"CreateSecret": {"csms:secret:create"}, "UploadSecretBlob": {"csms:secret:create"},
		"ShowSecret": {"csms:secret:get"}, "DownloadSecretBlob": {"csms:secret:get"},
		"ListSecrets": {"csms:secret:list"}, "UpdateSecret": {"csms:secret:update"}, "DeleteSecret": {"csms:secret:delete"},
		"DeleteSecretForSchedule": {"csms:secret:scheduleDeletion", "csms:secret:deleteScheduled"},
		"RestoreSecret":           {"csms:secret:restoreSecret", "csms:secret:deleteCancelled"},
		"CreateSecretVersion":     {"csms:secret:createVersion", "csms:secretVersion:create"},
		"ShowSecretVersion":       {"csms:secret:getVersion", "csms:secretVersion:get"},
		"BatchShowSecretVersion":  {"csms:secret:batchGetSecretValue", "csms:secretVersion:batchGetSecretValue"},
		"ListSecretVersions":      {"csms:secret:listVersion", "csms:secretVersion:list"},
		"UpdateVersion":           {"csms:secret:updateVersion", "csms:secretVersion:update"},
		"ShowSecretStage":         {"csms:secret:getStage", "csms:secretStage:get"},
		"CreateSecretStage":       {"csms:secret:createStage", "csms:secretStage:create"},
		"UpdateSecretStage":       {"csms:secret:updateStage", "csms:secretStage:update"},
		"DeleteSecretStage":       {"csms:secret:deleteStage", "csms:secretStage:delete"},
		"CreateSecretTag":         {"csms:secret:createTag", "csms:tag:create"},
		"DeleteSecretTag":         {"csms:secret:deleteTag", "csms:tag:delete"},
		"BatchCreateOrDeleteTags": {"csms:secret:batchCreateOrDeleteTags", "csms:tag:batch"},
		"ListSecretTags":          {"csms:secret:listTags", "csms:tag:getBySecret"},
		"ListResourceInstances":   {"csms:secret:getSecretsByTag", "csms:tag:getSecretByTag"},
		"CreateSecretEvent":       {"csms::createEvent", "csms:event:create"},
	} {
		for _, word := range words {
			if want, ok := actions[via+"."+operation]; !ok || !slices.Contains(access.Meaning(word), want) {
				t.Errorf("%s means %v, and %s needs %q", word, access.Meaning(word), operation, want)
			}
		}
	}
}
