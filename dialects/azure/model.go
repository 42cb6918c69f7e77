package azure

import (
	"encoding/base64"
	"time"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/secret"
)

// The objects of the API. The order of fields is that of the wire, and what
// is absent is absent, never null. previousVersion always is: it tells of the
// certificate behind a secret, and there are none here; inferred.
type (
	bundle struct {
		Value       *string           `json:"value,omitempty"`
		ContentType string            `json:"contentType,omitempty"`
		ID          string            `json:"id"`
		KID         string            `json:"kid,omitempty"`
		Managed     bool              `json:"managed,omitempty"`
		Attributes  attributes        `json:"attributes"`
		Tags        map[string]string `json:"tags,omitzero"` // {} once somebody set {}
	}
	attributes struct {
		Enabled         bool   `json:"enabled"`
		NotBefore       *int64 `json:"nbf,omitempty"`
		Expires         *int64 `json:"exp,omitempty"`
		Created         int64  `json:"created"`
		Updated         int64  `json:"updated"`
		RecoveryLevel   string `json:"recoveryLevel"`
		RecoverableDays *int   `json:"recoverableDays,omitempty"`
	}
	deleted struct {
		RecoveryID     string `json:"recoveryId"`
		Deleted        int64  `json:"deletedDate"`
		ScheduledPurge int64  `json:"scheduledPurgeDate"`
		bundle
	}
	page[T wire.Appender] struct {
		Value    []T     `json:"value"`
		NextLink *string `json:"nextLink"` // null on the last page
	}
	failure struct {
		Error failureInfo `json:"error"`
	}
	failureInfo struct {
		Code    string        `json:"code"`
		Message string        `json:"message"`
		Inner   *innerFailure `json:"innererror,omitempty"`
	}
	innerFailure struct {
		Code string `json:"code"`
	}
)

func errorBody(s shape) failure {
	f := failure{Error: failureInfo{Code: s.code, Message: s.message}}
	if s.inner != "" {
		f.Error.Inner = &innerFailure{Code: s.inner}
	}
	return f
}

// Content types of values that are no text, where their writer set none.
const (
	typeBinary = "application/octet-stream;base64"
	typeFields = "application/json"
)

// Content types that a client may ask a certificate's secret to be shown as.
const (
	typePFX = "application/x-pkcs12"
	typePEM = "application/x-pem-file"
)

// Marks of a secret that a certificate manages.
const (
	extraManaged = "azure.managed"
	extraKID     = "azure.kid"
)

// bundleOf shows one version of s without its value, under the id of the
// secret; withVersion makes that the version's.
func (q *request) bundleOf(s *secret.Secret, v *secret.Version) bundle {
	b := bundle{
		ContentType: v.ContentType, ID: q.base + "/secrets/" + wireName(q.inside(s.Name), s.Extra),
		KID: v.Extra.Text(extraKID), Tags: s.ShownTags(v),
		Attributes: attributes{
			Enabled: !v.Disabled, NotBefore: seconds(v.NotBefore), Expires: seconds(v.Expires),
			Created: v.Created.Unix(), Updated: v.Updated.Unix(), RecoveryLevel: q.level,
		},
	}
	if q.version.days {
		b.Attributes.RecoverableDays = &q.days
	}
	if raw, ok := v.Extra[extraManaged]; ok {
		b.Managed = string(raw) == "true"
	}
	if b.ContentType == "" {
		b.ContentType = natural(v.Value.Form())
	}
	return b
}

// deletedOf is bundleOf for what is in the trash.
func (q *request) deletedOf(s *secret.Secret, v *secret.Version) deleted {
	b := deleted{bundle: q.bundleOf(s, v)}
	b.RecoveryID = q.base + "/deletedsecrets/" + wireName(q.inside(s.Name), s.Extra)
	if s.Deleted != nil {
		b.Deleted, b.ScheduledPurge = span(s.Deleted)
	}
	return b
}

// span is whole days, as the service's is, also where two clocks read its ends.
func span(d *secret.Deletion) (from, to int64) {
	const day = 24 * time.Hour
	from, to = d.At.Unix(), d.Purge.Unix()
	if days := d.Purge.Sub(d.At).Round(day); d.Purge.Sub(d.At.Add(days)).Abs() < time.Minute {
		to = from + int64(days/time.Second)
	}
	return from, to
}

func (b bundle) withVersion(v *secret.Version) bundle {
	b.ID += "/" + v.UID.String()
	return b
}

// withValue discloses v's value: text as it is, bytes as base64.
func (b bundle) withValue(v *secret.Version) bundle {
	var s string
	if raw := v.Value.Reveal(); v.Value.Form() == secret.Binary {
		s = base64.StdEncoding.EncodeToString(raw)
	} else {
		s = string(raw)
	}
	b.Value = &s
	return b
}

func natural(f secret.Form) string {
	switch f {
	case secret.Binary:
		return typeBinary
	case secret.Fields:
		return typeFields
	case secret.None, secret.Text:
	}
	return ""
}

func seconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

// String keeps a bundle's value out of logs, whoever prints one.
func (bundle) String() string { return secret.Redacted }
