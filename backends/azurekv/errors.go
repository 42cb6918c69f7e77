package azurekv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// readOp and writeOp name one call to the vault, for its errors.
func readOp(what string, name secret.Name) kit.Op {
	return kit.Op{Backend: "azurekv", Product: "Key Vault", What: what, Name: name}
}

func writeOp(what string, name secret.Name) kit.Op {
	o := readOp(what, name)
	o.Write = true
	return o
}

// failure turns any error of the client into ours. sent tells whether any of
// the call may have reached the vault with our token.
func failure(ctx context.Context, o kit.Op, sent bool, err error) *secret.Error {
	if ce, ok := errors.AsType[*credentialError](err); ok {
		return noToken(ctx, o, ce)
	}
	if re, ok := errors.AsType[*azcore.ResponseError](err); ok {
		e := o.Answered(answerOf(re), meaningOf)
		if re.StatusCode == http.StatusUnauthorized { // with a token: its own challenge the client answers itself
			e = kit.Dead(e)
		}
		return e
	}
	if strings.HasPrefix(err.Error(), undecodable) {
		err = kit.ErrMalformed // the text quotes the answer
	}
	return o.Unanswered(ctx, sent, err)
}

// undecodable begins the vendor's client's errors about an answer that came and
// does not decode. They have no type of their own.
const undecodable = "unmarshalling type "

func noToken(ctx context.Context, o kit.Op, ce *credentialError) *secret.Error {
	const detail = "the gateway cannot get a token for Key Vault"
	failed, answered := errors.AsType[*azidentity.AuthenticationFailedError](ce.err)
	switch {
	case ctx.Err() != nil:
		return o.Error(secret.Unavailable, detail, ctx.Err())
	case answered && failed.RawResponse != nil: // its text is the authority's page, kept out of logs
		status := failed.RawResponse.StatusCode
		e := o.Error(secret.Upstream, detail, fmt.Errorf("no token: the authority answered %d", status))
		if status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
			e = kit.Dead(e)
		}
		return e
	}
	return o.Error(secret.Upstream, detail, ce)
}

// errorBody is the body of an error answer. innererror holds the reason of a
// 403 or 409.
type errorBody struct {
	Error struct {
		Message string `json:"message"`
		Inner   struct {
			Code string `json:"code"`
		} `json:"innererror"`
	} `json:"error"`
}

func bodyOf(e *azcore.ResponseError) (body errorBody) {
	if e.RawResponse == nil {
		return body
	}
	if raw, err := runtime.Payload(e.RawResponse); err != nil || json.Unmarshal(raw, &body) != nil {
		return errorBody{}
	}
	return body
}

func answerOf(e *azcore.ResponseError) *kit.Answer {
	body := bodyOf(e)
	a := &kit.Answer{Status: e.StatusCode, Code: e.ErrorCode, Inner: body.Error.Inner.Code, Said: kit.Known(body.Error.Message, sentences...)}
	if e.RawResponse != nil {
		if why := kit.OurReason(e.RawResponse.Header.Get(kit.ReasonHeader)); why != "" { // the vault is another gateway
			a.Said = why
		}
		a.RequestID, a.After = e.RawResponse.Header.Get("x-ms-request-id"), kit.RetryAfter(e.RawResponse.Header)
	}
	return a
}

// sentences are those of Key Vault that hold nothing of a request: the whole
// message, or its first line.
var sentences = []string{
	"Property  has invalid value",
	"Backup blob is corrupt.",
	"Backup blob contains invalid or corrupt version.",
	"Cannot decrypt backup blob",
	"Cannot decrypt backup blob.",
	"Secret is currently being deleted.",
	`Operation "purge" is not enabled for this vault.`,
	`Operation "purge" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.`,
	"Caller is not authorized to perform action on resource.",
	"Client address is not authorized and caller is not a trusted service.",
	"Public network access is disabled and request is not from a trusted service nor via an approved private link.",
	"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
}

// meaningOf knows the answers whose status does not say it all.
func meaningOf(a *kit.Answer) (k secret.Kind, detail string, known bool) {
	switch {
	case a.Status == http.StatusForbidden && a.Inner == "SecretDisabled":
		return secret.Disabled, "", true
	case a.Status == http.StatusConflict && a.Inner == "ObjectIsDeletedButRecoverable":
		return secret.Trashed, "", true
	}
	return 0, "", false
}

// refuse is an error of the kind if there are losses.
func refuse(k secret.Kind, losses []secret.Loss) error {
	if len(losses) == 0 {
		return nil
	}
	return secret.Errorf(k, "%s: %s", losses[0].What, losses[0].Why)
}
