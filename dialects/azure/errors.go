package azure

import (
	"errors"
	"net/http"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// refusal is an error whose shape is known where it arises.
type refusal struct {
	shape
	cause error // for the audit; nil: the shape says it all
}

func (r refusal) Error() string { return r.message }
func (r refusal) Unwrap() error { return r.cause }

// refuse returns an error of the shape s. The message is the shape's; why goes
// where the reason goes, and may be empty.
func refuse(k secret.Kind, s shape, why string) error {
	return &secret.Error{Kind: k, Detail: why, Err: refusal{shape: s}}
}

// refuseFor is refuse because of cause, which nobody but the audit is told.
func refuseFor(k secret.Kind, s shape, cause error) error {
	return &secret.Error{Kind: k, Detail: access.Reason(cause), Err: refusal{s, cause}}
}

// Error implements wire.Edge.
func (d *Dialect) Error(r *wire.Request, err error) wire.Reply {
	if errors.Is(err, wire.ErrNoRoute) && otherKind(r.URL.Path) != "" {
		err = refuse(secret.Unsupported, otherObjects, "path: only /secrets and /deletedsecrets are served")
	}
	s := d.site(originOf(r.Host))
	if s == nil {
		s = &site{}
	}
	ref := gateway.Ref{Store: s.store}
	ref.Name, _ = s.model(r.Vars["name"]) // a name that is none stays out of the audit
	call := d.call(r)
	if call.Op == "" {
		call.Op = "azure.Unknown"
	}
	if lost := d.service.Reject(r.Context(), call, ref, err); lost != nil {
		err = lost
	}
	reason := d.service.Reason(call, access.Action(d.permissions[r.Op]), ref, err)
	if reason == "" {
		err = withoutDetail(err)
	}
	e := d.describe(r, err)
	rep := wire.Reply{Status: e.status, Header: d.errorHeader(r, e, err), Body: errorBody(e)}
	if reason != "" {
		rep.Header.Set(wire.ReasonHeader, reason)
	}
	return rep
}

// withoutDetail hides the Detail of err from the message: who may not know the
// reason is told the service's words.
func withoutDetail(err error) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || !details[e.Kind] || e.Detail == "" {
		return err
	}
	return &secret.Error{Kind: e.Kind, Name: e.Name, RetryAfter: e.RetryAfter, Err: err}
}

func (d *Dialect) errorHeader(r *wire.Request, s shape, err error) http.Header {
	h := jsonHeader.Clone()
	if s.status == http.StatusUnauthorized {
		h["WWW-Authenticate"] = []string{d.challenge(r)}
	}
	if wait := wire.RetryAfter(err); wait != "" && s.status >= http.StatusTooManyRequests {
		h.Set("Retry-After", wait)
	}
	return h
}

// describe finds the shape of err. It never looks at a cause but one of its
// own or wire's: those of others may quote a product.
func (d *Dialect) describe(r *wire.Request, err error) shape {
	s, detail := find(r, err)
	if detail != "" {
		s.message = detail
	} else {
		s.message = d.fill(r, err, s.message)
	}
	return s
}

func find(r *wire.Request, err error) (s shape, detail string) {
	var own refusal
	switch {
	case errors.As(err, &own):
		return own.shape, ""
	case errors.Is(err, wire.ErrMethod):
		return wrongMethod, ""
	case errors.Is(err, wire.ErrNoRoute):
		return wrongPath, ""
	case errors.Is(err, wire.ErrBodySize):
		return largeBody, ""
	}
	kind := secret.KindOf(err)
	detail = secret.DetailOf(err)
	if kind == secret.Denied {
		switch detail {
		case gateway.PurgeProtected:
			return purgeProtected, ""
		case gateway.ReadOnly:
			return readOnly, ""
		}
	}
	if s, ok := special[r.Op][kind]; ok {
		return s, ""
	}
	s, ok := shapes[kind]
	switch {
	case !ok:
		return shapes[secret.Internal], ""
	case !details[kind]:
		detail = ""
	}
	return s, detail
}

// fill puts facts of the request in the place of the words in braces.
func (d *Dialect) fill(r *wire.Request, err error, message string) string {
	if !strings.Contains(message, "{") {
		return message
	}
	id := r.Vars["name"]
	if v := r.Vars["version"]; v != "" {
		id += "/" + v
	}
	o := originOf(r.Host)
	vault, _, _ := strings.Cut(o.host, ".")
	return strings.NewReplacer(
		"{name}", r.Vars["name"], "{id}", id, "{method}", r.Method, "{operation}", r.Vars["operation"],
		"{api-version}", param(parameters(r), "api-version"), "{kind}", otherKind(r.URL.Path),
		"{caller}", r.Caller.ID, "{authority}", d.authorityFor(r), "{permission}", d.permissions[r.Op],
		"{vault}", vault, "{url}", d.conflictURL(o, err),
	).Replace(message)
}

// conflictURL names the version that a restore would have made current.
func (d *Dialect) conflictURL(o origin, err error) string {
	url := o.base() + "/secrets"
	var e *secret.Error
	site := d.site(o)
	if site == nil || !errors.As(err, &e) || e.Name == "" {
		return url
	}
	url += "/" + spell(site.inside(e.Name))
	var taken *gateway.TakenError
	if errors.As(err, &taken) && !taken.Current.IsZero() {
		url += "/" + taken.Current.String()
	}
	return url
}

// otherKind is the word for what Key Vault or a Managed HSM serves beside
// secrets, if the path asks for it, else empty.
func otherKind(path string) string {
	first, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	return otherKinds[strings.ToLower(first)]
}

// otherKinds are the first segments of all other paths of the data plane, by
// its specification, and what an error calls them.
var otherKinds = map[string]string{
	"keys": "keys", "deletedkeys": "keys",
	"certificates": "certificates", "deletedcertificates": "certificates",
	"storage": "storage", "deletedstorage": "storage",
	"rng": "random numbers", "settings": "settings", "ekm": "external keys",
	"securitydomain": "security domains", "security": "security domains",
	"backup": "whole backups", "prebackup": "whole backups", "restore": "whole backups", "prerestore": "whole backups",
	"providers": "roles",
}
