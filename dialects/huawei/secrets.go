package huawei

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/uuid"

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
	raw, err := r.Body()
	if err != nil {
		return nil, err
	}
	var body createSecretBody
	if err := decode(raw, &body); err != nil {
		return nil, err
	}
	name, err := naming.Decode(body.Name)
	if err != nil {
		return nil, err
	}
	attrs, err := body.attributes()
	if err != nil {
		return nil, err
	}
	value, err := readValue(body.SecretString, body.SecretBinary)
	if err != nil {
		return nil, err
	}
	made, err := a.svc.Put(r.Context(), r.write(), gateway.Ref{Store: r.store, Name: name},
		secret.Draft{Value: value, OnlyIfAbsent: true, OfSecret: attrs})
	if err != nil {
		return nil, err
	}
	return answerSecret(r.store, made)
}

const maxProject = 36

// attributes refuses what the gateway would take and not do.
func (b *createSecretBody) attributes() (*secret.Attributes, error) {
	switch {
	case len(b.Description) > maxDescription:
		return nil, secret.Errorf(secret.Invalid, "description is longer than %d bytes", maxDescription)
	case cmp.Or(b.SecretType, typeCommon) != typeCommon:
		return nil, secret.Errorf(secret.Invalid, "secret_type must be %s: nothing rotates here", typeCommon)
	case b.AutoRotation || b.RotationPeriod != "" || b.RotationConfig != "" || b.RotationFuncURN != "":
		return nil, secret.Errorf(secret.Invalid, "rotation is not served by this gateway")
	case slices.ContainsFunc(b.EventSubscriptions, func(s string) bool { return s != "" }):
		return nil, secret.Errorf(secret.Invalid, "event_subscriptions names an event that does not exist")
	case len(b.EnterpriseProjectID) > maxProject:
		return nil, secret.Errorf(secret.Invalid, "enterprise_project_id is longer than %d characters", maxProject)
	}
	out := &secret.Attributes{Description: b.Description}
	if b.KMSKeyID != "" {
		if uuid.Validate(b.KMSKeyID) != nil || len(b.KMSKeyID) != maxProject {
			return nil, secret.Errorf(secret.Invalid, "kms_key_id is not a UUID")
		}
		out.Extra = out.Extra.WithText(extraKey, b.KMSKeyID)
	}
	if b.EnterpriseProjectID != "" && b.EnterpriseProjectID != defaultProject {
		out.Extra = out.Extra.WithText(extraProject, b.EnterpriseProjectID)
	}
	return out, nil
}

func (a *api) showSecret(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.Describe(r.Context(), r.call, ref)
	if err != nil {
		return nil, err
	}
	return answerSecret(r.store, sec)
}

func answerSecret(store string, s *secret.Secret) (any, error) {
	o, err := renderSecret(store, s)
	return secretAnswer{o}, err
}

func (a *api) listSecrets(r *request) (any, error) {
	q, err := parsePage(r)
	if err != nil {
		return nil, err
	}
	var after secret.Name
	if q.marker != "" {
		if after, err = naming.Decode(q.marker); err != nil {
			return nil, err
		}
	}
	out := secretsAnswer{Secrets: []secretObject{}}
	for {
		page, err := a.svc.List(r.Context(), r.call, r.store, secret.Query{After: after, Limit: q.limit - len(out.Secrets)})
		if err != nil {
			return nil, err
		}
		for _, s := range page.Secrets {
			o, err := renderSecret(r.store, s)
			if err == nil && (q.event == "" || slices.Contains(o.EventSubscriptions, q.event)) {
				out.Secrets = append(out.Secrets, o)
			}
		}
		if page.Next == "" || len(out.Secrets) >= q.limit {
			out.PageInfo = pageOf(out.Secrets, page.Next != "", func(o secretObject) string { return o.Name })
			return out, nil
		}
		after = page.Next
	}
}

// pageOf describes a page: the next marker is the last item, and absent where
// no more follow.
func pageOf[T any](items []T, more bool, id func(T) string) pageInfo {
	p := pageInfo{CurrentCount: len(items)}
	if more && len(items) > 0 {
		last := id(items[len(items)-1])
		p.NextMarker = &last
	}
	return p
}

// Pages hold 50 items unless the client says otherwise.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

type page struct {
	limit  int
	marker string // exclusive; empty: from the start
	event  string
}

func parsePage(r *request) (page, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return page{}, secret.Errorf(secret.Invalid, "the query is malformed")
	}
	for _, k := range []string{"limit", "marker", "event_name"} {
		if len(values[k]) > 1 {
			return page{}, secret.Errorf(secret.Invalid, "%s is given twice", k)
		}
	}
	p := page{limit: defaultLimit, marker: values.Get("marker"), event: values.Get("event_name")}
	if s := values.Get("limit"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n < 1 || n > maxLimit {
			return page{}, secret.Errorf(secret.Invalid, "limit is not between 1 and %d", maxLimit)
		}
		p.limit = int(n)
	}
	return p, nil
}
