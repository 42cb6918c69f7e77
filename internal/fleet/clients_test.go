package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"
)

// client is one of a vendor's SDK, with the retries that the SDK has by itself. It
// makes one call at a time.
type client interface {
	call(name string, in input) answer
	// adds is the verb that adds a version: the first one of its secret, or another.
	adds(first bool) verb
	// shares are the verbs that a secret of many clients gets.
	shares() []verb
}

// answer is what a client says of one call, once it is done or has given up.
type answer struct {
	output
	err     error
	refused bool   // a gateway refused the last try, else it was cut
	tries   int    // how often the SDK sent the request
	request string // the id that the last answer has, as the audit does
}

var azureVerbs = []verb{doPut, doPut, doPut, doGet, doGet, doGet, doPut, doDelete, doRecover, doRecover, doPurge}

// ofAzure tells by the status of a refusal what came of a call.
func ofAzure(v verb, status int) output {
	switch {
	case v == doPut && status == http.StatusConflict:
		return output{result: trashed}
	case status == http.StatusNotFound, status == http.StatusConflict:
		return output{result: absent}
	}
	return output{result: unknown}
}

// azureClient is that of the SDK for Go.
type azureClient struct{ c *azsecrets.Client }

func (azureClient) adds(bool) verb { return doPut }
func (azureClient) shares() []verb { return azureVerbs }

func (c azureClient) call(name string, in input) (a answer) {
	var response *http.Response
	ctx, tries := countTries(context.Background())
	a.value, a.err = azureCall(policy.WithCaptureResponse(ctx, &response), c.c, name, in)
	a.tries = *tries
	if response != nil {
		a.request = response.Header.Get("X-Ms-Request-Id")
	}
	refusal, refused := errors.AsType[*azcore.ResponseError](a.err)
	switch a.refused = refused; {
	case a.err == nil:
		a.result = done
	case refused:
		a.output = ofAzure(in.verb, refusal.StatusCode)
	default:
		a.result = unknown
	}
	return a
}

func azureCall(ctx context.Context, c *azsecrets.Client, name string, in input) (value string, err error) {
	switch in.verb {
	case doPut:
		_, err = c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &in.value}, nil)
	case doGet:
		var got azsecrets.GetSecretResponse
		if got, err = c.GetSecret(ctx, name, "", nil); err == nil {
			value = *got.Value
		}
	case doDelete:
		_, err = c.DeleteSecret(ctx, name, nil)
	case doRecover:
		_, err = c.RecoverDeletedSecret(ctx, name, nil)
	case doPurge:
		_, err = c.PurgeDeletedSecret(ctx, name, nil)
	case doCreate, doAdd, doCurrent:
		err = errors.New("Azure's API has no such call")
	}
	return value, err
}

// huaweiClient is that of the SDK for Go, which tries once; its users try again.
type huaweiClient struct {
	c       *csms.CsmsClient
	request *string // the id that the last answer has
}

func (huaweiClient) adds(first bool) verb {
	if first {
		return doCreate
	}
	return doAdd
}

func (huaweiClient) shares() []verb {
	return []verb{doCreate, doCreate, doAdd, doAdd, doAdd, doGet, doGet, doGet, doDelete, doRecover, doRecover}
}

func (c huaweiClient) call(name string, in input) (a answer) {
	for a.tries < patience {
		a.tries++
		*c.request = ""
		a.value, a.err = huaweiCall(c.c, name, in)
		a.request = *c.request
		refusal, refused := errors.AsType[*sdkerr.ServiceResponseError](a.err)
		switch a.refused = refused; {
		case a.err == nil:
			a.result = done
			return a
		case refused && refusal.StatusCode < http.StatusInternalServerError && refusal.StatusCode != http.StatusTooManyRequests:
			a.output = ofHuawei(in.verb, refusal)
			return a
		}
		a.result = unknown
		<-time.After(firstPause << (a.tries - 1))
	}
	return a
}

// How often a user of Huawei's client tries, and how long he waits: as the clients
// of the other vendor do.
const (
	patience   = 4
	firstPause = 800 * time.Millisecond
)

// ofHuawei tells by the code of a refusal what came of a call.
func ofHuawei(v verb, refusal *sdkerr.ServiceResponseError) output {
	adds := v == doCreate || v == doAdd
	switch code := refusal.ErrorCode; {
	case code == "CSMS.0101" && v == doCreate:
		return output{result: taken}
	case code == "CSMS.0103" && adds:
		return output{result: trashed}
	case code == "CSMS.0103", code == "CSMS.0107", code == "CSMS.0108", refusal.StatusCode == http.StatusNotFound:
		return output{result: absent}
	}
	return output{result: unknown}
}

func huaweiCall(c *csms.CsmsClient, name string, in input) (value string, err error) {
	switch in.verb {
	case doCreate:
		_, err = c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: &in.value}})
	case doAdd:
		_, err = c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: name, Body: &model.CreateSecretVersionRequestBody{SecretString: &in.value}})
	case doGet:
		var got *model.ShowSecretVersionResponse
		if got, err = c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: "latest"}); err == nil {
			value = *got.Version.SecretString
		}
	case doDelete:
		_, err = c.DeleteSecretForSchedule(&model.DeleteSecretForScheduleRequest{SecretName: name, Body: &model.DeleteSecretForScheduleRequestBody{RecoveryWindowInDays: 7}})
	case doRecover:
		_, err = c.RestoreSecret(&model.RestoreSecretRequest{SecretName: name})
	case doPut, doPurge, doCurrent:
		err = fmt.Errorf("no %s", in.verb)
	}
	return value, err
}

// TestRefusals: what a vendor's refusal says of a call.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got  output
		want result
	}{
		{ofAzure(doPut, 409), trashed},
		{ofAzure(doDelete, 409), absent},
		{ofAzure(doGet, 404), absent},
		{ofAzure(doPut, 403), unknown},
		{ofHuawei(doCreate, &sdkerr.ServiceResponseError{StatusCode: 400, ErrorCode: "CSMS.0101"}), taken},
		{ofHuawei(doAdd, &sdkerr.ServiceResponseError{StatusCode: 400, ErrorCode: "CSMS.0103"}), trashed},
		{ofHuawei(doGet, &sdkerr.ServiceResponseError{StatusCode: 400, ErrorCode: "CSMS.0103"}), absent},
		{ofHuawei(doAdd, &sdkerr.ServiceResponseError{StatusCode: 404, ErrorCode: "CSMS.0106"}), absent},
		{ofHuawei(doAdd, &sdkerr.ServiceResponseError{StatusCode: 400, ErrorCode: "CSMS.0002"}), unknown},
	} {
		if c.got.result != c.want {
			t.Errorf("%s, want %s", c.got.result, c.want)
		}
	}
}
