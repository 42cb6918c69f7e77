package huawei

import "net/http"

const (
	projectPath = "/v1/{project_id}"
	namedPath   = "/secrets/{secret_name}"

	smallBody   = 64 << 10
	valueBody   = 1 << 20 // 32 KiB of value may be six times as long in JSON escapes
	restoreBody = -1      // bounded by Options.MaxBlob
)

// served are the operations with a handler. Paths are below the project.
var served = []struct {
	op, method, path string
	maxBody          int64
	handle           operation
}{
	{"CreateSecret", http.MethodPost, "/secrets", valueBody, (*api).createSecret},
	{"ListSecrets", http.MethodGet, "/secrets", smallBody, (*api).listSecrets},
	{"UploadSecretBlob", http.MethodPost, "/secrets/restore", restoreBody, (*api).uploadBlob},
	{"ShowSecret", http.MethodGet, namedPath, smallBody, (*api).showSecret},
	{"DownloadSecretBlob", http.MethodPost, namedPath + "/backup", smallBody, (*api).downloadBlob},
	{"CreateSecretVersion", http.MethodPost, namedPath + "/versions", valueBody, (*api).createVersion},
	{"ListSecretVersions", http.MethodGet, namedPath + "/versions", smallBody, (*api).listVersions},
	{"ShowSecretVersion", http.MethodGet, namedPath + "/versions/{version_id}", smallBody, (*api).showVersion},
}

// notServed are the documented operations that answer Unsupported.
var notServed = []struct {
	op, method, path string
	nested           bool // errors of this operation come inside "error"
}{
	{"UpdateSecret", http.MethodPut, projectPath + namedPath, false},
	{"DeleteSecret", http.MethodDelete, projectPath + namedPath, false},
	{"DeleteSecretForSchedule", http.MethodPost, projectPath + namedPath + "/scheduled-deleted-tasks/create", false},
	{"RestoreSecret", http.MethodPost, projectPath + namedPath + "/scheduled-deleted-tasks/cancel", false},
	{"BatchImportSecrets", http.MethodPost, projectPath + "/secrets/batch-import", false},
	{"BatchDeleteSecrets", http.MethodPost, projectPath + "/secrets/batch-delete", false},
	{"BatchShowSecretVersion", http.MethodPost, projectPath + "/secrets/batch-get-secret-value", false},
	{"RotateSecret", http.MethodPost, projectPath + namedPath + "/rotate", true},
	{"UpdateVersion", http.MethodPut, projectPath + namedPath + "/versions/{version_id}", false},

	{"CreateSecretStage", http.MethodPost, projectPath + namedPath + "/stages", false},
	{"ShowSecretStage", http.MethodGet, projectPath + namedPath + "/stages/{stage_name}", false},
	{"UpdateSecretStage", http.MethodPut, projectPath + namedPath + "/stages/{stage_name}", false},
	{"DeleteSecretStage", http.MethodDelete, projectPath + namedPath + "/stages/{stage_name}", false},

	{"ListProjectSecretsTags", http.MethodGet, projectPath + "/csms/tags", true},
	{"ListResourceInstances", http.MethodPost, projectPath + "/csms/resource_instances/action", true},
	{"CreateSecretTag", http.MethodPost, projectPath + "/csms/{secret_id}/tags", true},
	{"ListSecretTags", http.MethodGet, projectPath + "/csms/{secret_id}/tags", true},
	{"BatchCreateOrDeleteTags", http.MethodPost, projectPath + "/csms/{secret_id}/tags/action", true},
	{"DeleteSecretTag", http.MethodDelete, projectPath + "/csms/{secret_id}/tags/{key}", true},

	{"CreateSecretEvent", http.MethodPost, projectPath + "/csms/events", true},
	{"ListSecretEvents", http.MethodGet, projectPath + "/csms/events", true},
	{"ShowSecretEvent", http.MethodGet, projectPath + "/csms/events/{event_name}", true},
	{"UpdateSecretEvent", http.MethodPut, projectPath + "/csms/events/{event_name}", true},
	{"DeleteSecretEvent", http.MethodDelete, projectPath + "/csms/events/{event_name}", true},
	{"ListNotificationRecords", http.MethodGet, projectPath + "/csms/notification-records", true},

	{"ListSecretTask", http.MethodGet, projectPath + "/csms/tasks", false},
	{"GenerateRandomPassword", http.MethodPost, projectPath + "/csms/generate-password", false},
	{"CheckSecrets", http.MethodPost, projectPath + "/secrets/checker/check", false},
	{"ShowSecretsConfig", http.MethodGet, projectPath + "/secrets/checker/config", false},
	{"UpdateSecretsConfig", http.MethodPost, projectPath + "/secrets/checker/config", false},
	{"CreateGrants", http.MethodPost, projectPath + "/csms/grants", false},
	{"UpdateGrant", http.MethodPut, projectPath + "/csms/grants", false},
	{"ListGrants", http.MethodGet, projectPath + "/csms/grants", false},
	{"DeleteGrant", http.MethodDelete, projectPath + "/csms/grants", false},

	{"ShowSecretFunctionTemplates", http.MethodGet, "/v1/csms/function-templates", false},
	{"ShowAgency", http.MethodGet, "/v1/csms/agencies", false},
	{"CreateAgency", http.MethodPost, "/v1/csms/agencies", false},
	{"ListUsers", http.MethodGet, "/v1/csms/users", false},
	{"ShowUserDetail", http.MethodGet, "/v1/csms/users/{user_id}", false},
	{"UpdateUserPassword", http.MethodPost, "/v1/csms/users/change-password", false},
}

// nests reports whether errors of the operation come inside "error".
func nests(op string) bool {
	for _, o := range notServed {
		if via+"."+o.op == op {
			return o.nested
		}
	}
	return false
}
