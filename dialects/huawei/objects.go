package huawei

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/secret"
)

// Members of Extra, by the vendor's names.
const (
	extraKey     = "huawei.kms_key_id"
	extraType    = "huawei.secret_type"
	extraProject = "huawei.enterprise_project_id"
	extraEvents  = events.ExtraSubscriptions
)

// Defaults of what clients do not say.
const (
	typeCommon     = "COMMON"
	defaultProject = "0"
)

const (
	sysCurrent  = "SYSCURRENT"
	sysPrevious = "SYSPREVIOUS"

	stateEnabled  = "ENABLED"
	stateDisabled = "DISABLED"
	statePending  = "PENDING_DELETE"
)

// secretObject is a secret as CSMS shows it. It never holds a value.
type secretObject struct {
	ID                  string   `json:"id"`
	Name                string   `json:"name"`
	State               string   `json:"state"`
	KMSKeyID            string   `json:"kms_key_id"`
	Description         string   `json:"description"`
	CreateTime          int64    `json:"create_time"`
	UpdateTime          int64    `json:"update_time"`
	ScheduledDeleteTime *int64   `json:"scheduled_delete_time"` // null: none
	SecretType          string   `json:"secret_type"`
	AutoRotation        bool     `json:"auto_rotation"`
	EventSubscriptions  []string `json:"event_subscriptions"`
	EnterpriseProjectID string   `json:"enterprise_project_id"`
}

type versionMetadata struct {
	ID            string   `json:"id"`
	CreateTime    int64    `json:"create_time"`
	ExpireTime    *int64   `json:"expire_time,omitempty"`
	KMSKeyID      string   `json:"kms_key_id"`
	SecretName    string   `json:"secret_name"`
	VersionStages []string `json:"version_stages"`
}

type versionObject struct {
	Metadata versionMetadata `json:"version_metadata"`
	String   *string         `json:"secret_string,omitempty"`
	Binary   *string         `json:"secret_binary,omitempty"`
}

// The envelopes.
type (
	secretAnswer struct {
		Secret secretObject `json:"secret"`
	}
	secretsAnswer struct {
		Secrets  []secretObject `json:"secrets"`
		PageInfo pageInfo       `json:"page_info"`
	}
	versionAnswer struct {
		Version versionObject `json:"version"`
	}
	metadataAnswer struct {
		Metadata versionMetadata `json:"version_metadata"`
	}
	metadatasAnswer struct {
		Metadatas []versionMetadata `json:"version_metadatas"`
		PageInfo  pageInfo          `json:"page_info"`
	}
	blobBody struct {
		Blob blobText `json:"secret_blob"`
	}
)

// blobText is a string on the wire: bytes, for it is copied often enough.
type blobText []byte

// MarshalText implements encoding.TextMarshaler.
func (b blobText) MarshalText() ([]byte, error) { return b, nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *blobText) UnmarshalText(text []byte) error {
	*b = bytes.Clone(text)
	return nil
}

// renderSecret fails only where CSMS cannot spell the name.
func (a *api) renderSecret(store string, s *secret.Secret) (secretObject, error) {
	name, err := WireName(s.Name)
	if err != nil {
		return secretObject{}, err
	}
	return secretObject{
		ID: a.ids.of(store, s.Name), Name: name, State: state(s), KMSKeyID: keyOf(store, s),
		ScheduledDeleteTime: scheduled(s.Deleted),
		Description:         s.Description, CreateTime: millis(s.Created), UpdateTime: max(millis(s.Updated), millis(s.Created)),
		SecretType:          cmp.Or(s.Extra.Text(extraType), typeCommon),
		EventSubscriptions:  subscribedEvents(s),
		EnterpriseProjectID: cmp.Or(s.Extra.Text(extraProject), defaultProject),
	}, nil
}

func state(s *secret.Secret) string {
	if s.Deleted != nil {
		return statePending
	}
	if v := s.Find(secret.Current); v != nil && v.Disabled {
		return stateDisabled
	}
	return stateEnabled
}

// scheduled is nil for what is live, or goes never by itself.
func scheduled(d *secret.Deletion) *int64 {
	if d == nil || d.Purge.IsZero() {
		return nil
	}
	t := millis(d.Purge)
	return &t
}

// subscribedEvents is never nil: the wire has [] for none.
func subscribedEvents(s *secret.Secret) []string {
	names := []string{}
	if raw, ok := s.Extra[extraEvents]; !ok || json.Unmarshal(raw, &names) != nil || names == nil {
		return []string{}
	}
	return names
}

// renderMetadata fails only where CSMS cannot spell the name.
func renderMetadata(store string, s *secret.Secret, v *secret.Version) (versionMetadata, error) {
	name, err := WireName(s.Name)
	if err != nil {
		return versionMetadata{}, err
	}
	m := versionMetadata{
		ID: versionID(v.Ordinal), CreateTime: millis(v.Created), KMSKeyID: keyOfVersion(store, s, v.Ordinal),
		SecretName: name, VersionStages: stagesOf(s, v),
	}
	if !v.Expires.IsZero() {
		t := millis(v.Expires)
		m.ExpireTime = &t
	}
	return m, nil
}

// stagesOf puts the roles first. It is never nil. A label that is spelled like a
// role came from elsewhere, and must not pass for it.
func stagesOf(s *secret.Secret, v *secret.Version) []string {
	stages := []string{}
	if v.Ordinal == s.Current {
		stages = append(stages, sysCurrent)
	}
	if v.Ordinal == s.Previous {
		stages = append(stages, sysPrevious)
	}
	for _, label := range v.Stages {
		if !isRole(label) {
			stages = append(stages, label)
		}
	}
	return stages
}

func renderVersion(store string, s *secret.Secret, v *secret.Version) (versionObject, error) {
	m, err := renderMetadata(store, s, v)
	if err != nil {
		return versionObject{}, err
	}
	o := versionObject{Metadata: m}
	if v.Value.Form() == secret.Binary {
		b := base64.StdEncoding.EncodeToString(v.Value.Reveal())
		o.Binary = &b
		return o, nil
	}
	text := string(v.Value.Reveal()) // text, or the JSON of fields
	o.String = &text
	return o, nil
}

// millis is 0 for a time that is unset.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
