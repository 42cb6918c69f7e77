package huawei

import (
	"net/http"

	"github.com/vaultferry/vaultferry/dialects/wire"
)

const (
	projectPath = "/v1/{project_id}"
	namedPath   = projectPath + "/secrets/{secret_name}"
	stagePath   = namedPath + "/stages/{stage_name}"
	versionPath = namedPath + "/versions/{version_id}"
	csmsPath    = projectPath + "/csms"
	taggedPath  = csmsPath + "/{secret_id}/tags"

	smallBody   = 64 << 10
	valueBody   = 1 << 20 // 32 KiB of value may be six times as long in JSON escapes
	restoreBody = -1      // bounded by Options.MaxBlob
)

// row is one documented operation.
type row struct {
	op, method, path string
	maxBody          int64
	handle           operation                                     // nil: answers Unsupported
	status           int                                           // of a success; zero: 200
	nested           bool                                          // errors come inside "error"
	large            bool                                          // the answer may have megabytes
	slash            bool                                          // the path may end in one
	iam              func(*api, *wire.Request) (wire.Reply, error) // instead of handle: an operation of IAM's
}

// operations are all that the vendor documents. Of two paths that match, the
// first counts: fixed segments stand before variables.
func operations() []row {
	get, post, put, del := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	return []row{
		{op: "CreateSecret", method: post, path: projectPath + "/secrets", maxBody: valueBody, handle: (*api).createSecret},
		{op: "ListSecrets", method: get, path: projectPath + "/secrets", handle: (*api).listSecrets},
		{op: "UploadSecretBlob", method: post, path: projectPath + "/secrets/restore", maxBody: restoreBody, handle: (*api).uploadBlob},
		{op: "BatchImportSecrets", method: post, path: projectPath + "/secrets/batch-import", maxBody: restoreBody, handle: (*api).importSecrets},
		{op: "BatchDeleteSecrets", method: post, path: projectPath + "/secrets/batch-delete", handle: (*api).deleteSecrets},
		{op: "BatchShowSecretVersion", method: post, path: projectPath + "/secrets/batch-get-secret-value", maxBody: valueBody, handle: (*api).showVersions, large: true},
		{op: "ShowSecret", method: get, path: namedPath, handle: (*api).showSecret},
		{op: "UpdateSecret", method: put, path: namedPath, handle: (*api).updateSecret},
		{op: "DeleteSecret", method: del, path: namedPath, handle: (*api).deleteSecret},
		{op: "DeleteSecretForSchedule", method: post, path: namedPath + "/scheduled-deleted-tasks/create", handle: (*api).scheduleDeletion},
		{op: "RestoreSecret", method: post, path: namedPath + "/scheduled-deleted-tasks/cancel", handle: (*api).cancelDeletion},
		{op: "DownloadSecretBlob", method: post, path: namedPath + "/backup", handle: (*api).downloadBlob, large: true},
		{op: "RotateSecret", method: post, path: namedPath + "/rotate", nested: true},

		{op: "CreateSecretVersion", method: post, path: namedPath + "/versions", maxBody: valueBody, handle: (*api).createVersion},
		{op: "ListSecretVersions", method: get, path: namedPath + "/versions", handle: (*api).listVersions, slash: true},
		{op: "ShowSecretVersion", method: get, path: versionPath, handle: (*api).showVersion},
		{op: "UpdateVersion", method: put, path: versionPath, handle: (*api).updateVersion},

		{op: "CreateSecretStage", method: post, path: namedPath + "/stages", handle: (*api).createStage},
		{op: "ShowSecretStage", method: get, path: stagePath, handle: (*api).showStage},
		{op: "UpdateSecretStage", method: put, path: stagePath, handle: (*api).updateStage},
		{op: "DeleteSecretStage", method: del, path: stagePath, handle: (*api).deleteStage, status: http.StatusNoContent},

		{op: "ListProjectSecretsTags", method: get, path: csmsPath + "/tags", handle: (*api).listProjectTags, nested: true, slash: true},
		{op: "ListResourceInstances", method: post, path: csmsPath + "/resource_instances/action", handle: (*api).listInstances, nested: true},
		{op: "CreateSecretTag", method: post, path: taggedPath, handle: (*api).createTag, status: http.StatusNoContent, nested: true},
		{op: "ListSecretTags", method: get, path: taggedPath, handle: (*api).listTags, nested: true, slash: true},
		{op: "BatchCreateOrDeleteTags", method: post, path: taggedPath + "/action", handle: (*api).changeTags, status: http.StatusNoContent, nested: true},
		{op: "DeleteSecretTag", method: del, path: taggedPath + "/{key}", handle: (*api).deleteTag, status: http.StatusNoContent, nested: true},

		{op: "CreateSecretEvent", method: post, path: csmsPath + "/events", handle: (*api).createEvent, nested: true},
		{op: "ListSecretEvents", method: get, path: csmsPath + "/events", handle: (*api).listEvents, nested: true, slash: true},
		{op: "ShowSecretEvent", method: get, path: csmsPath + "/events/{event_name}", handle: (*api).showEvent, nested: true},
		{op: "UpdateSecretEvent", method: put, path: csmsPath + "/events/{event_name}", handle: (*api).updateEvent, nested: true},
		{op: "DeleteSecretEvent", method: del, path: csmsPath + "/events/{event_name}", handle: (*api).deleteEvent, status: http.StatusNoContent, nested: true},
		{op: "ListNotificationRecords", method: get, path: csmsPath + "/notification-records", handle: (*api).listRecords, nested: true, slash: true},
		{op: "ListSecretTask", method: get, path: csmsPath + "/tasks", handle: (*api).listTasks, slash: true},

		{op: "GenerateRandomPassword", method: post, path: csmsPath + "/generate-password", handle: (*api).generatePassword},
		{op: "CheckSecrets", method: post, path: projectPath + "/secrets/checker/check"},
		{op: "ShowSecretsConfig", method: get, path: projectPath + "/secrets/checker/config"},
		{op: "UpdateSecretsConfig", method: post, path: projectPath + "/secrets/checker/config"},
		{op: "CreateGrants", method: post, path: csmsPath + "/grants"},
		{op: "UpdateGrant", method: put, path: csmsPath + "/grants"},
		{op: "ListGrants", method: get, path: csmsPath + "/grants"},
		{op: "DeleteGrant", method: del, path: csmsPath + "/grants"},

		{op: "KeystoneCreateUserToken", method: post, path: "/v3/auth/tokens", maxBody: iamBody, iam: (*api).createToken},
		{op: "KeystoneValidateToken", method: get, path: "/v3/auth/tokens", iam: (*api).showToken},
		{op: "KeystoneListProjects", method: get, path: "/v3/projects", iam: (*api).listProjects},
		{op: "KeystoneListAuthProjects", method: get, path: "/v3/auth/projects", iam: (*api).listProjects},
		{op: "KeystoneListAuthDomains", method: get, path: "/v3/auth/domains", iam: (*api).listDomains},
		{op: "KeystoneShowCatalog", method: get, path: "/v3/auth/catalog", iam: (*api).showCatalog},
		{op: "CreateTemporaryAccessKeyByToken", method: post, path: "/v3.0/OS-CREDENTIAL/securitytokens", maxBody: iamBody, iam: (*api).createCredential},

		{op: "ShowSecretFunctionTemplates", method: get, path: "/v1/csms/function-templates"},
		{op: "ShowAgency", method: get, path: "/v1/csms/agencies"},
		{op: "CreateAgency", method: post, path: "/v1/csms/agencies"},
		{op: "ListUsers", method: get, path: "/v1/csms/users"},
		{op: "ShowUserDetail", method: get, path: "/v1/csms/users/{user_id}"},
		{op: "UpdateUserPassword", method: post, path: "/v1/csms/users/change-password"},
	}
}

// ofIAM holds the operations of IAM.
var ofIAM = func() map[string]bool {
	all := map[string]bool{}
	for _, o := range operations() {
		all[via+"."+o.op] = o.iam != nil
	}
	return all
}()

// nested holds the operations whose errors come inside "error".
var nested = func() map[string]bool {
	all := map[string]bool{}
	for _, o := range operations() {
		all[via+"."+o.op] = o.nested
	}
	return all
}()
