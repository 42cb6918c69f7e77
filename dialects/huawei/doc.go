// Package huawei speaks Huawei Cloud's Cloud Secret Management Service (CSMS,
// API version 1) in front of the gateway's stores.
//
// The project id in the path picks the store. A version is shown as v and its
// ordinal, the roles as the stages SYSCURRENT and SYSPREVIOUS. Where Huawei's
// documents are silent, this package chose:
//
//   - Names that CSMS cannot spell appear escaped (secret.Naming). One whose
//     escape is too long is left out of lists, and a backup that holds it is
//     refused before anything is written.
//   - A secret is DISABLED while its current version is disabled: that is what
//     `latest` would answer. No version is added then, as the service has it.
//   - The twenty-first version recycles the oldest that has no label: from then
//     on CSMS's clients find it gone. The gateway deletes nothing that it was
//     not told to delete: it is in every backup, and Key Vault's clients go on
//     reading it. Versions that came from elsewhere are never recycled for
//     their number alone: each new version recycles one at most.
//   - Versions that hold no value any more (destroyed or deleted by native
//     tools) are not listed. create_time is made to rise with the number of
//     the version, for clients take the highest for the newest.
//   - SYSPREVIOUS follows SYSCURRENT to its former holder. A stage was updated
//     when the version that holds it was. CreateSecretStage moves a stage that
//     is there, as UpdateSecretStage makes one that is not. Twelve stages are
//     counted with both roles, whether SYSPREVIOUS has a holder or not.
//   - A secret's id follows from the keyring, the store and the name: every
//     gateway with the keyring shows the same, and a secret that takes a name
//     again has its id. Nobody without the keyring makes up an id that is looked
//     for. One that a gateway has forgotten, or another one gave out, is looked
//     for through the store; where that serves nobody, it is done once in 30
//     seconds, and other such ids are answered 429 meanwhile.
//   - A scheduled deletion is the gateway's soft delete, whoever made it. It
//     answers CSMS.0107 to another schedule and CSMS.0103 to all else; its name
//     is taken; cancelling it leads back to ENABLED; DeleteSecret makes it
//     final. With purge protection a schedule is never shorter than the store's
//     own, and DeleteSecret is refused (403).
//   - A secret without tags shows those of its current version, which clients of
//     Key Vault set (secret.ShownTags). A tag that is there gets the new value;
//     deleting one that is not there is 404 by itself and nothing in a batch.
//     What a change makes of the tags shown is the secret's own. Instances are found by a part of
//     their name, whatever its case, and count while their deletion is pending.
//   - A batch that reads values fails as a whole where one cannot be read. A
//     batch import goes on; BatchDeleteSecrets deletes what belongs to another
//     service's instance, which here is nothing. 1000 secrets each, at most,
//     and about 32 MB of values.
//   - An operation by a secret's id answers where the caller may not use the
//     secret as for an id that is nobody's, and after the same time: 404.
//   - kms_key_id, enterprise_project_id: kept, shown and backed up, without
//     effect; another key counts for the versions made afterwards. Rotation is
//     refused: it would not happen. There are no password policies.
//   - What happens to a secret that subscribes to an event is recorded, and
//     nobody is notified: every record says FAIL, and why. SECRET_DELETED is
//     also what a scheduled deletion is at once; SECRET_VERSION_EXPIRED is
//     recorded once for each version and expiry, under the time of the expiry.
//     Records come newest first and all at once. The list of tasks is empty,
//     for nothing rotates.
//   - IAM's users are the callers' clients. Without a scope a token is for the
//     domain, and opens nothing of CSMS; the temporary keys made of it open
//     every project of the caller. An unknown project and one that the caller
//     may not use are refused alike (401), and so is a locked user: clients
//     answer 429 by waiting. A token made of a token ends with it, and is for
//     its project if it has one: asked for another, or for the domain, it is
//     refused as an unknown project is. Roles are
//     empty; the catalog leads kms, csms and iam to this gateway, in the region
//     of the project, or without one in each of the caller's. Several
//     methods at once, agencies, and a policy for temporary keys are refused.
//     X-Security-Token beside a configured key says nothing.
//   - A request with a signature is judged by the signature alone, whatever
//     X-Auth-Token it bears besides.
//   - Signatures are SDK-HMAC-SHA256 or, with a derived key, V11-HMAC-SHA256,
//     whose region and service are the client's to choose. A body must be
//     signed. The scheme signs a%2Fb as a/b, so no name, id or label here may
//     hold a slash: a signature for one path must do nothing on another.
//   - A list below a secret, or below csms, is the same with a slash at the end
//     of its path: the scheme signs both alike, and clients such as Terraform
//     would take a 404 for "gone". Nothing but such a list is.
//   - What bears the marks of Huawei's clients is answered as Huawei's API
//     gateway does, at every path but Key Vault's own; what is signed, there
//     too. Where there is no API the answer is 404 APIGW.0101, whatever the
//     credentials: the vendor's gateway finds the API first, and with it how it
//     is protected. KMS is not served.
//   - Operations that are known but not served answer 400, never 404: clients
//     such as Terraform take 404 for "gone".
//   - Unknown members of a body are refused.
package huawei
