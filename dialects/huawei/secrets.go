package huawei

import (
	"cmp"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

type createSecretBody struct {
	Name                string   `json:"name"`
	KMSKeyID            string   `json:"kms_key_id"`
	Description         string   `json:"description"`
	SecretString        *string  `json:"secret_string"`
	SecretBinary        *string  `json:"secret_binary"`
	SecretType          string   `json:"secret_type"`
	AutoRotation        bool     `json:"auto_rotation"`
	RotationPeriod      string   `json:"rotation_period"`
	RotationConfig      string   `json:"rotation_config"`
	RotationFuncURN     string   `json:"rotation_func_urn"`
	EventSubscriptions  []string `json:"event_subscriptions"`
	EnterpriseProjectID string   `json:"enterprise_project_id"`
}

func (a *api) createSecret(r *request) (any, error) {
	var body createSecretBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	made, err := a.create(r, &body)
	if err != nil {
		return nil, err
	}
	return a.answerSecret(r, made)
}

// create makes the secret that a body asks for.
func (a *api) create(r *request, body *createSecretBody) (*secret.Secret, error) {
	name, err := ModelName(body.Name)
	if err != nil {
		return nil, err
	}
	attrs, err := body.attributes()
	if err != nil {
		return nil, err
	}
	if attrs.Extra, err = subscribe(attrs.Extra, body.EventSubscriptions); err != nil {
		return nil, err
	}
	value, err := readValue(body.SecretString, body.SecretBinary)
	if err != nil {
		return nil, err
	}
	return a.svc.Put(r.Context(), r.write(), gateway.Ref{Store: r.store, Name: name},
		secret.Draft{Value: value, OnlyIfAbsent: true, OfSecret: attrs})
}

// subscribe adds the subscriptions of a new secret to its extra attributes.
func subscribe(extra secret.Extra, names []string) (secret.Extra, error) {
	raw, err := subscriptions(names)
	if err != nil || raw == nil {
		return extra, err
	}
	if extra = extra.Clone(); extra == nil {
		extra = secret.Extra{}
	}
	extra[extraEvents] = raw
	return extra, nil
}

const maxProject = 36

// attributes refuses what the gateway would take and not do.
func (b *createSecretBody) attributes() (*secret.Attributes, error) {
	switch {
	case cmp.Or(b.SecretType, typeCommon) != typeCommon:
		return nil, secret.Errorf(secret.Invalid, "secret_type must be %s: nothing rotates here", typeCommon)
	case b.AutoRotation || b.RotationPeriod != "" || b.RotationConfig != "" || b.RotationFuncURN != "":
		return nil, noRotation()
	case len(b.EnterpriseProjectID) > maxProject:
		return nil, secret.Errorf(secret.Invalid, "enterprise_project_id is longer than %d characters", maxProject)
	}
	if err := errors.Join(checkDescription(b.Description), checkKey(b.KMSKeyID)); err != nil {
		return nil, err
	}
	out := &secret.Attributes{Description: b.Description}
	if b.KMSKeyID != "" {
		out.Extra = out.Extra.WithText(extraKey, b.KMSKeyID)
	}
	if b.EnterpriseProjectID != "" && b.EnterpriseProjectID != defaultProject {
		out.Extra = out.Extra.WithText(extraProject, b.EnterpriseProjectID)
	}
	return out, nil
}

func noRotation() error {
	return secret.Errorf(secret.Invalid, "rotation is not served by this gateway")
}

func checkDescription(s string) error {
	if len(s) > maxDescription {
		return secret.Errorf(secret.Invalid, "description is longer than %d bytes", maxDescription)
	}
	return nil
}

func checkKey(id string) error {
	if id != "" && !isUUID(id) {
		return secret.Errorf(secret.Invalid, "kms_key_id is not a UUID")
	}
	return nil
}

func (a *api) showSecret(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.DescribeWithTrash(r.Context(), r.call, ref, nil)
	if err != nil {
		return nil, err
	}
	return a.answerSecret(r, sec)
}

func (a *api) answerSecret(r *request, s *secret.Secret) (any, error) {
	o, err := a.renderSecret(r.store, s)
	return secretAnswer{o}, err
}

func (a *api) listSecrets(r *request) (any, error) {
	q, err := parsePage(r)
	if err != nil {
		return nil, err
	}
	var after secret.Name
	if q.marker != "" {
		if after, err = ModelName(q.marker); err != nil {
			return nil, err
		}
	}
	out := secretsAnswer{Secrets: []secretObject{}}
	done := func(more bool) (any, error) {
		out.PageInfo = pageOf(out.Secrets, more, func(o secretObject) string { return o.Name })
		return out, nil
	}
	for ask := q.limit; ; ask = min(2*ask, maxLimit) { // where few are wanted, not a call for each that is not
		page, err := a.svc.List(r.Context(), r.call, r.store, secret.Query{After: after, Limit: ask, WithTrash: true})
		if err != nil {
			return nil, err
		}
		for _, s := range page.Secrets {
			o, err := a.renderSecret(r.store, s)
			switch {
			case err != nil, q.event != "" && !slices.Contains(o.EventSubscriptions, q.event):
			case len(out.Secrets) == q.limit:
				return done(true)
			default:
				out.Secrets = append(out.Secrets, o)
			}
		}
		if page.Next == "" || len(out.Secrets) == q.limit {
			return done(page.Next != "")
		}
		after = page.Next
	}
}
