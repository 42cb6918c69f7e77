package huawei

import "github.com/vaultferry/vaultferry/gateway/access"

// actions is what each operation needs the right to: whoever has it may know
// why a request of that operation is refused. What stands behind no right, or
// is not served, is not in it.
var actions = map[string]access.Action{
	via + ".CreateSecret": access.Set, via + ".BatchImportSecrets": access.Set, via + ".CreateSecretVersion": access.Set,

	via + ".BatchShowSecretVersion": access.Get, via + ".ShowSecretVersion": access.Get,

	via + ".ListSecrets": access.List, via + ".ShowSecret": access.List, via + ".ListSecretVersions": access.List,
	via + ".ShowSecretStage": access.List, via + ".ListProjectSecretsTags": access.List, via + ".ListResourceInstances": access.List,
	via + ".ListSecretTags": access.List, via + ".ListSecretEvents": access.List, via + ".ShowSecretEvent": access.List,
	via + ".ListNotificationRecords": access.List,

	via + ".UpdateSecret": access.Update, via + ".UpdateVersion": access.Update, via + ".CreateSecretStage": access.Update,
	via + ".UpdateSecretStage": access.Update, via + ".DeleteSecretStage": access.Update, via + ".CreateSecretTag": access.Update,
	via + ".BatchCreateOrDeleteTags": access.Update, via + ".DeleteSecretTag": access.Update, via + ".CreateSecretEvent": access.Update,
	via + ".UpdateSecretEvent": access.Update, via + ".DeleteSecretEvent": access.Update,

	via + ".DeleteSecret": access.Delete, via + ".DeleteSecretForSchedule": access.Delete, via + ".BatchDeleteSecrets": access.Delete,
	via + ".RestoreSecret": access.Recover, via + ".DownloadSecretBlob": access.Backup, via + ".UploadSecretBlob": access.Restore,
}
