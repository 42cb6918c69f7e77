package azure

import (
	"net/http"

	"github.com/vaultferry/vaultferry/secret"
)

const (
	codeBadParameter = "BadParameter"
	codeUnauthorized = "Unauthorized"
	codeForbidden    = "Forbidden"
	codeConflict     = "Conflict"
	codeNotFound     = "SecretNotFound"
	codeNotSupported = "NotSupported"
	codeBlob         = "Malformed backup blob"
	codeInternal     = "InternalServerError"
	codeUnavailable  = "ServiceUnavailable"
)

// evidence tells how the real service's answer is known.
type evidence uint8

const (
	recorded evidence = iota + 1 // seen in recorded exchanges
	reported                     // quoted by users of the service, or in its documentation
	inferred                     // unknown: our choice
)

// shape is an error as clients see it. Words in braces are filled in from the
// request; see Dialect.fill.
type shape struct {
	status  int
	code    string
	inner   string // innererror.code; empty: no innererror
	message string
	known   evidence
}

// Errors that the dialect finds itself.
var (
	noToken = shape{http.StatusUnauthorized, codeUnauthorized, "", "AKV10000: Request is missing a Bearer or PoP token.", recorded}
	// The service goes on to quote the token's header; ours need not have one.
	badToken = shape{http.StatusUnauthorized, codeUnauthorized, "", "AKV10046: Unable to resolve the key used for signature validation.", reported}

	expiredToken = shape{http.StatusUnauthorized, codeUnauthorized, "", "[TokenExpired] Error validating token: 'S2S12086'.", reported}

	wrongProperty  = shape{http.StatusBadRequest, codeBadParameter, "", messageInvalid, reported}
	wrongMethod    = shape{http.StatusMethodNotAllowed, "MethodNotAllowed", "", "HTTP {method} not allowed", recorded}
	wrongOperation = shape{http.StatusBadRequest, codeBadParameter, "", "Method {method} does not allow operation '{operation}'", reported} // of keys
	wrongName      = shape{http.StatusBadRequest, codeBadParameter, "", "The request URI contains an invalid name: {name}", reported}
	wrongVersion   = shape{http.StatusBadRequest, codeBadParameter, "", "The specified version ({api-version}) is not recognized. Consider using the latest supported version (" + newestStable + ").", reported}
	noVersion      = shape{http.StatusBadRequest, codeBadParameter, "", "The request URI has no api-version parameter.", inferred}
	wrongPath      = shape{http.StatusNotFound, "NotFound", "", "The requested resource was not found.", inferred}
	otherObjects   = shape{http.StatusBadRequest, codeNotSupported, "", "Operations on {kind} are not enabled for this vault: it serves /secrets and /deletedsecrets.", inferred}
	wrongOutput    = shape{http.StatusBadRequest, codeBadParameter, "", "The outContentType is neither " + typePFX + " nor " + typePEM + ".", inferred}
	largeBody      = shape{http.StatusRequestEntityTooLarge, codeBadParameter, "", "The request body is too large.", inferred}
	// The service has no words for these: the message is the gateway's.
	cloudBlob = shape{http.StatusBadRequest, codeBlob, "", "", inferred}
	rawBlob   = shape{http.StatusBadRequest, codeBlob, "", "The value is a backup blob as it is: its base64url form is wanted.", inferred}
	wrongBlob = shape{http.StatusBadRequest, codeBlob, "", "Backup blob contains invalid or corrupt version.", recorded}
)

// messageInvalid is what the service says of nearly every broken rule: two
// spaces, for it names no property.
const messageInvalid = "Property  has invalid value\r\n"

const messageAbsent = "was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"

// shapes has a row for every kind. A detail takes the place of the message
// where details says so.
var shapes = map[secret.Kind]shape{
	secret.Internal:        {http.StatusInternalServerError, codeInternal, "", "The service encountered an internal error. Please retry the request.", inferred},
	secret.NotFound:        {http.StatusNotFound, codeNotFound, "", "A secret with (name/id) {id} " + messageAbsent, recorded}, // with a version: inferred
	secret.Trashed:         {http.StatusConflict, codeConflict, "ObjectIsDeletedButRecoverable", "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.", reported},
	secret.AlreadyExists:   {http.StatusConflict, codeConflict, "", "Secret {name} exists.", inferred},
	secret.Disabled:        {http.StatusForbidden, codeForbidden, "SecretDisabled", "Operation get is not allowed on a disabled secret.", recorded},
	secret.Invalid:         {http.StatusBadRequest, codeBadParameter, "", messageInvalid, reported},
	secret.TooLarge:        {http.StatusBadRequest, codeBadParameter, "", messageInvalid, reported},
	secret.Unauthenticated: noToken,
	secret.Denied:          {http.StatusForbidden, codeForbidden, "ForbiddenByPolicy", "The user, group or application 'appid={caller};oid={caller};numgroups=0;iss={authority}/' does not have secrets {permission} permission on key vault '{vault};location=" + region + "'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287", reported},
	secret.Conflict:        {http.StatusConflict, codeConflict, "", "The secret was changed by another operation at the same time. Please retry the request.", inferred},
	secret.Unsupported:     {http.StatusBadRequest, codeNotSupported, "", "The operation is not enabled for this vault.", inferred},
	secret.Throttled:       {http.StatusTooManyRequests, "Throttled", "", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached", reported},
	secret.Unavailable:     {http.StatusServiceUnavailable, codeUnavailable, "", "The service is unavailable. Please retry the request.", inferred},
	secret.Unknown:         {http.StatusServiceUnavailable, codeUnavailable, "", "The outcome of the request is not known. Please retry the request.", inferred},
	secret.Partial:         {http.StatusServiceUnavailable, codeUnavailable, "", "The request was carried out in part. Please retry the request.", inferred},
	secret.Upstream:        {http.StatusInternalServerError, codeInternal, "", "The service behind this vault refused the request.", inferred},
	secret.Corrupt:         {http.StatusBadRequest, codeBlob, "", "Backup blob is corrupt.", recorded},
	secret.Lossy:           {http.StatusBadRequest, codeBadParameter, "", "The secret cannot be held here without loss.", inferred},
	// The message is what the Azure CLI printed of a blob of another geography
	// (MicrosoftDocs/azure-docs#107520, Azure/azure-cli#8767). That its code is
	// the one of all bad blobs is told by another report of such a restore.
	secret.NoKey: {http.StatusBadRequest, codeBlob, "", "Cannot decrypt backup blob.", reported},
}

// details are the kinds whose detail tells a client more than the row does.
var details = map[secret.Kind]bool{
	secret.Invalid: true, secret.TooLarge: true, secret.Lossy: true, secret.Unsupported: true, secret.Partial: true,
}

// special rows go before those of shapes, for the operation alone.
var special = map[string]map[secret.Kind]shape{
	opGetDeleted: {secret.NotFound: absentDeleted},
	opPurge:      {secret.NotFound: purgeAbsent, secret.Conflict: beingDeleted},
	opRecover:    {secret.Conflict: beingDeleted},
	opRestore:    {secret.Trashed: restoreConflict, secret.AlreadyExists: restoreConflict},
}

var (
	absentDeleted = shape{http.StatusNotFound, codeNotFound, "", "Deleted Secret not found: {name}", recorded}
	purgeAbsent   = shape{http.StatusNotFound, codeNotFound, "", absentDeleted.message, inferred}
	beingDeleted  = shape{http.StatusConflict, codeConflict, "ObjectIsBeingDeleted", "Secret is currently being deleted.", reported}
	// Recorded over a live, a deleted and a purging secret alike.
	restoreConflict = shape{http.StatusConflict, codeConflict, "", "There was a conflict restoring the secret '{url}'. This can happen if either: a second secret with the same name was created after the first secret was deleted; thus trying to restore a secret whose name is already in use. To fix this, rename the second secret to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the secret. To avoid this error, perform operations against a secret in a sequential manner.", recorded}
	purgeProtected  = shape{http.StatusForbidden, codeForbidden, "ForbiddenByPolicy", "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.\r\nVault: {vault};location=" + region, reported} // the inner code is inferred
	readOnly        = shape{http.StatusForbidden, codeForbidden, "ForbiddenByPolicy", "Operation \"{permission}\" is not allowed because this vault is read-only.\r\nVault: {vault};location=" + region, inferred}
)
