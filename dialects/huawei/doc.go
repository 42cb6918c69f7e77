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
//   - A twenty-first version recycles nothing: the gateway never deletes what
//     it was not told to delete. The store's own limit counts.
//   - Versions that hold no value any more (destroyed or deleted by native
//     tools) are not listed. create_time is made to rise with the number of
//     the version, for clients take the highest for the newest.
//   - kms_key_id, enterprise_project_id: kept, shown and backed up, without
//     effect. Rotation and event subscriptions are refused: they would not
//     happen.
//   - A request with a signature is judged by the signature alone, whatever
//     X-Auth-Token it bears besides.
//   - Signatures are SDK-HMAC-SHA256 or, with a derived key, V11-HMAC-SHA256,
//     whose region and service are the client's to choose. A body must be
//     signed. The scheme signs a%2Fb as a/b, so no name, id or label here may
//     hold a slash: a signature for one path must do nothing on another.
//   - Operations that are known but not served answer 400, never 404: clients
//     such as Terraform take 404 for "gone".
//   - Unknown members of a body are refused.
package huawei
