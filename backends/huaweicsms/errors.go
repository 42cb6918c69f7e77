package huaweicsms

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

func op(what string, name secret.Name) kit.Op {
	return kit.Op{Backend: "huaweicsms", Product: "CSMS", What: what, Name: name}
}

// failed turns any error of the vendor's client into ours.
func failed(ctx context.Context, o kit.Op, t *kit.RequestTrace, err error) *secret.Error {
	if re, ok := errors.AsType[*sdkerr.ServiceResponseError](err); ok {
		if re.StatusCode >= 400 {
			a := kit.Answer{Status: re.StatusCode, Code: re.ErrorCode, RequestID: re.RequestId, After: t.RetryAfter()}
			a.Said = cmp.Or(t.Reason(), kit.Known(re.ErrorMessage, sentences...))
			return o.Answered(&a, meaning)
		}
		err = kit.ErrMalformed
	}
	return o.Unanswered(ctx, t.Sent(), err)
}

// Codes that several answers turn on.
const (
	codePending  = "CSMS.0103" // the secret is to be deleted
	codePending2 = "CSMS.0107"
	codeLive     = "CSMS.0108" // it is not
	codeState    = "CSMS.0109" // it is not enabled
)

// sentences are those that CSMS and its API gateway publish with their codes,
// and that hold nothing of a request.
var sentences = []string{
	"The value of parameter is invalid.",
	"The request is invalid.",
	"the request is invalud.", // so in the Chinese edition
	"The requested body format is wrong.",
	"The resource does not exist.",
	"The secret is in the scheduled deletion state.",
	"Can not delete the system internal stage.",
	"The secret name not found int the db.",
	"The secret is in schedule delete state.",
	"The secret is not in schedule delete state.",
	"The secret state is not enabled.",
	"The number of secret has reached the upper limit.",
	"The number of stage has reached the upper limit.",
	"The number of stage is greater than the quota limit.",
	"Invalid X-Auth-Token.",
	"Can not get the protected secret value using the provided KMS key.",
	"The API does not exist or has not been published in the environment.",
	"The backend does not exist.",
	"API request error.",
	"Request entity too large.",
	"Request URI too large.",
	"Request headers too large.",
	"Backend unavailable.",
	"Backend timeout.",
	"Incorrect IAM authentication information: decrypt token fail",
	"Incorrect IAM authentication information: x-auth-token not found",
	"Incorrect IAM authentication information: AK access failed to reach the limit,forbidden.",
}

// meaning knows what codes mean. The status counts first: codes may be missing,
// and one that says that a secret is missing comes with 404 or with 400.
func meaning(a *kit.Answer) (k secret.Kind, detail string, known bool) {
	switch {
	case a.Status == http.StatusNotFound && strings.HasPrefix(a.Code, "APIGW."):
		return secret.Upstream, "there is no CSMS at the store's endpoint", true
	case a.Status == http.StatusForbidden && a.Code == codeState:
		return secret.Disabled, "", true
	case a.Status == http.StatusBadRequest:
		return refused(a.Code)
	}
	return 0, "", false
}

// refused is what a 400 means.
func refused(code string) (k secret.Kind, detail string, known bool) {
	switch code {
	case "CSMS.0005", "CSMS.0106", codeLive:
		return secret.NotFound, "", true
	case codePending, codePending2:
		return secret.Trashed, "", true
	case codeState:
		return secret.Disabled, "", true
	case "CSMS.0202":
		return secret.TooLarge, "the account holds as many secrets as CSMS allows", true
	case "CSMS.0203", "CSMS.0204":
		return secret.TooLarge, tooManyLabels, true
	case "CSMS.0301":
		return secret.Upstream, "CSMS does not let the gateway do this", true
	}
	if code == "CSMS.0401" || strings.HasPrefix(code, "KMS.") {
		return secret.Upstream, "CSMS cannot use the key of the secret", true
	}
	return 0, "", false
}
