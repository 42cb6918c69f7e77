package azure

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	codeBadParameter = "BadParameter"
	codeUnauthorized = "Unauthorized"
	codeForbidden    = "Forbidden"
	codeConflict     = "Conflict"
	codeNotFound     = "SecretNotFound"
	codeInternal     = "InternalServerError"
	codeUnavailable  = "ServiceUnavailable"
)

// shape is an error as clients see it.
type shape struct {
	status  int
	code    string
	inner   string // innererror.code; empty: no innererror
	message string
}

// messageInvalid is what the service says of nearly every broken rule: two
// spaces, for it names no property.
const messageInvalid = "Property  has invalid value\r\n"

// shapes has a row for every kind. A row's message is what is said where
// describe knows nothing better. Where the service's own answer is unknown the
// row is inferred: Conflict, Unavailable, Unknown, Partial, Upstream, Lossy.
var shapes = map[secret.Kind]shape{
	secret.Internal:        {http.StatusInternalServerError, codeInternal, "", "The service encountered an internal error. Please retry the request."},
	secret.NotFound:        {http.StatusNotFound, codeNotFound, "", "The secret was not found in this key vault."},
	secret.Trashed:         {http.StatusConflict, codeConflict, "ObjectIsDeletedButRecoverable", "The secret is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged."},
	secret.AlreadyExists:   {http.StatusConflict, codeConflict, "", "A secret of this name exists."},
	secret.Disabled:        {http.StatusForbidden, codeForbidden, "SecretDisabled", "Operation get is not allowed on a disabled secret."},
	secret.Invalid:         {http.StatusBadRequest, codeBadParameter, "", messageInvalid},
	secret.TooLarge:        {http.StatusBadRequest, codeBadParameter, "", messageInvalid},
	secret.Unauthenticated: noToken,
	secret.Denied:          {http.StatusForbidden, codeForbidden, "ForbiddenByPolicy", "The caller does not have the permission on this key vault."},
	secret.Conflict:        {http.StatusConflict, codeConflict, "", "The secret was changed by another operation at the same time. Please retry the request."},
	secret.Unsupported:     {http.StatusBadRequest, "NotSupported", "", "The operation is not enabled for this vault."},
	secret.Throttled:       {http.StatusTooManyRequests, "Throttled", "", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"},
	secret.Unavailable:     {http.StatusServiceUnavailable, codeUnavailable, "", "The service is unavailable. Please retry the request."},
	secret.Unknown:         {http.StatusServiceUnavailable, codeUnavailable, "", "The outcome of the request is not known. Please retry the request."},
	secret.Partial:         {http.StatusServiceUnavailable, codeUnavailable, "", "The request was carried out in part. Please retry the request."},
	secret.Upstream:        {http.StatusInternalServerError, codeInternal, "", "The service behind this vault refused the request."},
	secret.Corrupt:         {http.StatusBadRequest, "Malformed backup blob", "", "Backup blob is corrupt."},
	secret.Lossy:           {http.StatusBadRequest, codeBadParameter, "", "The secret cannot be held here without loss."},
}

// refusal is an error whose shape is known where it arises.
type refusal struct{ shape }

func (r refusal) Error() string { return r.message }

func refuse(k secret.Kind, s shape) error { return &secret.Error{Kind: k, Err: refusal{s}} }

// Error implements wire.Edge.
func (d *Dialect) Error(r *wire.Request, err error) wire.Reply {
	store := ""
	if s := d.site(originOf(r.Host)); s != nil {
		store = s.store
	}
	call := d.call(r)
	if call.Op == "" {
		call.Op = "azure.Unknown"
	}
	name, _ := modelName(r.Vars["name"]) // a name that is none stays out of the audit
	if lost := d.service.Reject(call, gateway.Ref{Store: store, Name: name}, err); lost != nil {
		err = lost
	}
	s := d.describe(r, err)
	return wire.Reply{Status: s.status, Header: d.errorHeader(r, s, err), Body: errorBody(s)}
}

func (d *Dialect) errorHeader(r *wire.Request, s shape, err error) http.Header {
	h := jsonHeader.Clone()
	if s.status == http.StatusUnauthorized {
		h["WWW-Authenticate"] = []string{d.challenge(r)}
	}
	var e *secret.Error
	if errors.As(err, &e) && e.RetryAfter > 0 && s.status >= http.StatusTooManyRequests {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	return h
}

// describe finds the shape of err. It never looks at a cause but one of its
// own or wire's: those of others may quote a product.
func (d *Dialect) describe(r *wire.Request, err error) shape {
	var own refusal
	switch {
	case errors.As(err, &own):
		return own.shape
	case errors.Is(err, wire.ErrMethod):
		return shape{http.StatusMethodNotAllowed, "MethodNotAllowed", "", "HTTP " + r.Method + " not allowed"}
	case errors.Is(err, wire.ErrNoRoute):
		return unknownPath
	case errors.Is(err, wire.ErrBodySize): // inferred
		return shape{http.StatusRequestEntityTooLarge, codeBadParameter, "", "The request body is too large."}
	}
	kind := secret.KindOf(err)
	s, ok := shapes[kind]
	if !ok {
		return shapes[secret.Internal]
	}
	s.message = d.message(r, kind, err, s.message)
	if kind == secret.Trashed && r.Op == opRestore {
		s.inner = "" // so recorded
	}
	return s
}

// unknownPath and unknownVault are inferred: no client ever asks.
var (
	unknownPath  = shape{http.StatusNotFound, "NotFound", "", "The requested resource was not found."}
	unknownVault = shape{http.StatusNotFound, "VaultNotFound", "", "The vault was not found."}
)

// message fills in what the row alone cannot know.
func (d *Dialect) message(r *wire.Request, k secret.Kind, err error, otherwise string) string {
	name, detail := r.Vars["name"], secret.DetailOf(err)
	switch k {
	case secret.NotFound:
		if name == "" {
			return otherwise
		}
		if v := r.Vars["version"]; v != "" { // inferred for versions
			name += "/" + v
		}
		return "A secret with (name/id) " + name + " was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
	case secret.AlreadyExists, secret.Trashed:
		if r.Op == opRestore {
			return restoreConflict(r, err)
		}
		return strings.Replace(otherwise, "The secret", "Secret "+name, 1)
	case secret.Denied:
		return d.denied(r)
	case secret.Invalid, secret.TooLarge, secret.Lossy, secret.Unsupported, secret.Partial:
		if detail != "" {
			return detail
		}
	}
	return otherwise
}

// restoreConflict names the secret as the service does, but for the version,
// which only the blob knows.
func restoreConflict(r *wire.Request, err error) string {
	id := originOf(r.Host).base() + "/secrets"
	var e *secret.Error
	if errors.As(err, &e) && e.Name != "" {
		id += "/" + spell(e.Name)
	}
	return "There was a conflict restoring the secret '" + id + "'. This can happen if either: a second secret with the same name was created after the first secret was deleted; thus trying to restore a secret whose name is already in use. To fix this, rename the second secret to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the secret. To avoid this error, perform operations against a secret in a sequential manner."
}

func (d *Dialect) denied(r *wire.Request) string {
	vault, _, _ := strings.Cut(originOf(r.Host).host, ".")
	return "The user, group or application 'appid=" + r.Caller.ID + ";oid=" + r.Caller.ID + ";numgroups=0;iss=" + d.authority +
		"/' does not have secrets " + d.permissions[r.Op] + " permission on key vault '" + vault + ";location=" + region +
		"'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
}
