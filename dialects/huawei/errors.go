package huawei

import (
	"errors"
	"net/http"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// What no document of the vendor names. No client that we know of branches on
// these; replace them when a real answer has been seen.
const (
	inventedNameTaken  = "CSMS.0101"
	inventedInternal   = "CSMS.0001"
	inventedDeniedText = "The request is not permitted."
)

// problem is one answer that is an error. Messages are the vendor's, word for
// word, its misspellings included.
type problem struct {
	status int
	code   string // APIGW codes come in the API gateway's shape
	msg    string
	detail bool // the error's Detail follows the message: in parentheses, or after its colon
}

var (
	invalidParameter = problem{http.StatusBadRequest, "CSMS.0002", "The value of parameter is invalid.", true}
	invalidRequest   = problem{http.StatusBadRequest, "CSMS.0003", "The request is invalid.", true}
	wrongFormat      = problem{http.StatusBadRequest, "CSMS.0004", "The requested body format is wrong.", true}
	noResource       = problem{http.StatusNotFound, "CSMS.0005", "The resource does not exist.", false}
	systemStage      = problem{http.StatusBadRequest, "CSMS.0105", "Can not delete the system internal stage.", false}
	scheduledAlready = problem{http.StatusBadRequest, "CSMS.0107", "The secret is in schedule delete state.", false}
	notScheduled     = problem{http.StatusBadRequest, "CSMS.0108", "The secret is not in schedule delete state.", false}
	tooManyStages    = problem{http.StatusBadRequest, "CSMS.0203", "The number of stage has reached the upper limit.", false}
	stagesOverQuota  = problem{http.StatusBadRequest, "CSMS.0204", "The number of stage is greater than the quota limit.", false}
	eventTaken       = problem{http.StatusBadRequest, inventedNameTaken, "The event name already exists.", false}
	noAPI            = problem{http.StatusNotFound, "APIGW.0101", "The API does not exist or has not been published in the environment.", false}
	bodyTooLarge     = problem{http.StatusRequestEntityTooLarge, "APIGW.0201", "Request entity too large.", false}
)

// problems has a row for every kind.
var problems = map[secret.Kind]problem{
	secret.Internal:        {http.StatusInternalServerError, inventedInternal, "Internal service error.", false},
	secret.NotFound:        {http.StatusNotFound, "CSMS.0106", "The secret name not found int the db.", false},
	secret.Trashed:         {http.StatusBadRequest, "CSMS.0103", "The secret is in the scheduled deletion state.", false},
	secret.AlreadyExists:   {http.StatusBadRequest, inventedNameTaken, "The secret name already exists.", false},
	secret.Disabled:        {http.StatusForbidden, "CSMS.0109", "The secret state is not enabled.", false},
	secret.Invalid:         invalidParameter,
	secret.TooLarge:        invalidParameter,
	secret.Unauthenticated: {http.StatusUnauthorized, "APIGW.0301", "Incorrect IAM authentication information:", true},
	secret.Denied:          {http.StatusForbidden, "CSMS.0302", inventedDeniedText, true},
	secret.Conflict:        invalidRequest,
	secret.Unsupported:     invalidRequest, // not 404: see the package's comment
	secret.Throttled:       {http.StatusTooManyRequests, "APIGW.0308", "The throttling threshold has been reached.", false},
	secret.Unavailable:     {http.StatusBadGateway, "APIGW.0201", "Backend unavailable.", true},
	secret.Unknown:         {http.StatusGatewayTimeout, "APIGW.0201", "Backend timeout.", true},
	secret.Partial:         {http.StatusInternalServerError, inventedInternal, "Internal service error.", true},
	secret.Upstream:        {http.StatusBadGateway, "APIGW.0201", "Backend unavailable.", false},
	secret.Corrupt:         invalidParameter,
	secret.Lossy:           invalidRequest,
	secret.NoKey:           invalidParameter,
}

// exceptions are what an operation says of a kind instead. What the vendor's
// documents do not tell, which of two codes that mean the same goes with which
// operation, is ours.
var exceptions = map[string]map[secret.Kind]problem{
	"ShowSecretVersion":       {secret.NotFound: noResource}, // the version is missing, or the secret
	"UpdateVersion":           {secret.NotFound: noResource},
	"CreateSecretStage":       {secret.NotFound: noResource},
	"ShowSecretStage":         {secret.NotFound: noResource},
	"UpdateSecretStage":       {secret.NotFound: noResource},
	"DeleteSecretStage":       {secret.NotFound: noResource},
	"CreateSecretTag":         {secret.NotFound: noResource},
	"ListSecretTags":          {secret.NotFound: noResource},
	"BatchCreateOrDeleteTags": {secret.NotFound: noResource},
	"DeleteSecretTag":         {secret.NotFound: noResource},
	"CreateSecretEvent":       {secret.AlreadyExists: eventTaken},
	"ShowSecretEvent":         {secret.NotFound: noResource},
	"UpdateSecretEvent":       {secret.NotFound: noResource},
	"DeleteSecretEvent":       {secret.NotFound: noResource},
	"DeleteSecretForSchedule": {secret.Trashed: scheduledAlready},
	"RestoreSecret":           {secret.AlreadyExists: notScheduled},
}

// vendorError is an error whose answer is not that of its kind.
type vendorError struct {
	problem
	err *secret.Error
}

func (e *vendorError) Error() string { return e.err.Error() }
func (e *vendorError) Unwrap() error { return e.err }

// badFormat refuses a body. It takes no cause: what a decoder says may quote
// the body.
func badFormat(detail string) error {
	return &vendorError{wrongFormat, secret.Errorf(secret.Invalid, "%s", detail)}
}

// problemOf picks the answer to err from an operation.
func problemOf(op string, err error) problem {
	var own *vendorError
	var hidden unseen
	switch kind := secret.KindOf(err); {
	case errors.As(err, &hidden):
		return noResource
	case errors.As(err, &own):
		return own.problem
	case errors.Is(err, wire.ErrNoRoute), errors.Is(err, wire.ErrMethod):
		return noAPI
	case errors.Is(err, wire.ErrBodySize):
		return bodyTooLarge
	case errors.Is(err, wire.ErrBodyRead):
		return wrongFormat
	default:
		if p, ok := exceptions[strings.TrimPrefix(op, via+".")][kind]; ok {
			return p
		}
		return problems[kind]
	}
}

// maxMessage is the longest message that the vendor's shape allows.
const maxMessage = 512

func (p problem) message(detail string) string {
	if !p.detail || detail == "" {
		return p.msg
	}
	before, after := " (", ")"
	if strings.HasSuffix(p.msg, ":") {
		before, after = " ", ""
	}
	if room := maxMessage - len(p.msg+before+after); len(detail) > room {
		detail = strings.ToValidUTF8(detail[:room-3], "") + "..."
	}
	return p.msg + before + detail + after
}

// The shapes of an error's body.
type (
	flatError struct {
		Code string `json:"error_code"`
		Msg  string `json:"error_msg"`
	}
	nestedError struct {
		Error flatError `json:"error"`
	}
	gatewayError struct {
		Msg       string `json:"error_msg"`
		Code      string `json:"error_code"`
		RequestID string `json:"request_id"`
	}
)

// refOf is what a request is about, as far as its path tells.
func (a *api) refOf(r *wire.Request) gateway.Ref {
	ref := gateway.Ref{Store: a.stores[r.Vars["project_id"]]}
	if name, bad := ModelName(r.Vars["secret_name"]); bad == nil {
		ref.Name = name
	}
	if event := r.Vars["event_name"]; checkEventName(event) == nil {
		ref.Event = event
	}
	return ref
}

// Error answers err and sees to its audit line.
func (a *api) Error(r *wire.Request, err error) wire.Reply {
	ref := a.refOf(r)
	if auditErr := a.svc.Reject(r.Context(), call(r), ref, err); auditErr != nil {
		err = auditErr
	}
	rep := shaped(r, err)
	if reason := a.svc.Reason(call(r), actions[r.Op], ref, err); reason != "" {
		rep.Header.Set(wire.ReasonHeader, reason)
	}
	return rep
}

func shaped(r *wire.Request, err error) wire.Reply {
	var own *vendorError
	if ofIAM[r.Op] && !errors.As(err, &own) {
		return answerIAM(err)
	}
	return answer(r.Op, r.ID, err)
}

// answer shapes err. It shows the kind and the Detail, never a cause.
func answer(op, id string, err error) wire.Reply {
	p := problemOf(op, err)
	rep := wire.Reply{Status: p.status, Header: jsonHeader()}
	if s := wire.RetryAfter(err); s != "" {
		rep.Header.Set("Retry-After", s)
	}
	flat := flatError{Code: p.code, Msg: p.message(secret.DetailOf(err))}
	switch {
	case strings.HasPrefix(p.code, "APIGW."):
		rep.Body = gatewayError{flat.Msg, flat.Code, id}
	case nested[op]:
		rep.Body = nestedError{flat}
	default:
		rep.Body = flat
	}
	return rep
}
