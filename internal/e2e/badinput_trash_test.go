package e2e

import (
	"net/http"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
)

const (
	azTrashed = "is currently in a deleted but recoverable state, and its name cannot be reused"
	hwTrashed = "The secret is in the scheduled deletion state."
)

// badTrash: a deleted secret answers as absent and still holds its name.
var badTrash = []badRow{
	{
		"read", trashed(azAsked(httpGet, "/secrets/taken", "", 404, "SecretNotFound", azAbsent, reading("azure.GetSecret", "get", "main/taken", "not found"))),
		trashed(azAsked(httpGet, "/secrets/taken/versions/latest", "", 400, "CSMS.0103", hwTrashed, reading("huawei.ShowSecretVersion", "get", "main/taken", "deleted but recoverable"))),
	},
	{
		"backup", trashed(azAsked(httpPost, "/secrets/taken/backup", "", 404, "SecretNotFound", azAbsent, reading("azure.BackupSecret", "backup", "main/taken", "not found"))),
		trashed(azAsked(httpPost, "/secrets/taken/backup", "", 400, "CSMS.0103", hwTrashed, reading("huawei.DownloadSecretBlob", "backup", "main/taken", "deleted but recoverable"))),
	},
	{
		"write", trashed(azAsked(httpPut, "/secrets/taken", `{"value":"`+hush+`"}`, 409, "Conflict", azTrashed, writing("azure.SetSecret", "set", "main/taken", "deleted but recoverable"))).within("ObjectIsDeletedButRecoverable"),
		trashed(azAsked(httpPost, "/secrets", `{"name":"taken","secret_string":"`+hush+`"}`, 400, "CSMS.0103", hwTrashed, writing("huawei.CreateSecret", "set", "main/taken", "deleted but recoverable"))),
	},
	{
		"restore", afterDelete(azRestore("main", inWire(taken), 409, "Conflict", azConflict, restoring(opAzure, "main/taken", "deleted but recoverable"))),
		afterDelete(hwRestore("main", inJSONOf("secret_blob", taken), 400, "CSMS.0103", hwTrashed, restoring(opHuawei, "main/taken", "deleted but recoverable"))),
	},
	{"delete of nobody", azAsked(http.MethodDelete, "/secrets/nobody", "", 404, "SecretNotFound", azAbsent, writing("azure.DeleteSecret", "delete", "main/nobody", "not found")), nil},
	{"delete where it is read-only", azAsked(http.MethodDelete, "/secrets/nobody", "", 403, "Forbidden", "is not allowed because this vault is read-only.",
		reading("azure.DeleteSecret", "delete", "locked/nobody", "denied")).in("locked").within("ForbiddenByPolicy"), nil},
	{"delete of what is not ours", azAsked(http.MethodDelete, "/secrets/theirs", "", 403, "Forbidden", "does not have secrets delete permission",
		reading("azure.DeleteSecret", "delete", "private/theirs", "denied")).in("private").within("ForbiddenByPolicy"), nil},
	{"update of nobody", azAsked(http.MethodPatch, "/secrets/nobody", `{"attributes":{"enabled":false}}`, 404, "SecretNotFound", azAbsent,
		writing("azure.UpdateSecret", "update", "main/nobody", "not found")), nil},
	{"update cut in the middle", azAsked(http.MethodPatch, "/secrets/taken", `{"attributes":{"enabled":fal`, 400, "BadParameter", azNoObject,
		refusing("azure.UpdateSecret", "tester", "main/taken", "invalid")), nil},
	{"recover of nobody", azAsked(httpPost, "/deletedsecrets/nobody/recover", "", 404, "SecretNotFound", azAbsent,
		writing("azure.RecoverDeletedSecret", "recover", "main/nobody", "not found")), nil},
	{"purge of what is live", azAsked(http.MethodDelete, "/deletedsecrets/taken", "", 404, "SecretNotFound", "Deleted Secret not found: taken",
		writing("azure.PurgeDeletedSecret", "purge", "main/taken", "not found")), nil},
}

// TestBadInputOnTrash: see TestBadInput.
func TestBadInputOnTrash(t *testing.T) {
	t.Parallel()
	for _, r := range badTrash {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.azure.run(t, azureWire{})
			r.huawei.run(t, huaweiWire{})
		})
	}
}

func azAsked(method, path, body string, status int, code, message string, audit []string) *exchange {
	return &exchange{method: method, path: path, body: body, status: status, code: code, message: message, audit: audit}
}

func (x *exchange) within(inner string) *exchange {
	x.inner = inner
	return x
}

func (x *exchange) in(store string) *exchange {
	x.store = store
	return x
}

// trashed deletes "taken" before the request.
func trashed(x *exchange) *exchange {
	body := x.body
	x.made = func(*testing.T, *badWorld) string { return body }
	return afterDelete(x)
}

func afterDelete(x *exchange) *exchange {
	made := x.made
	x.made = func(t *testing.T, w *badWorld) string {
		body := made(t, w)
		if _, err := w.Service.Delete(t.Context(), owner, gateway.Ref{Store: "main", Name: "taken"}); err != nil {
			t.Fatal(err)
		}
		return body
	}
	return x
}
