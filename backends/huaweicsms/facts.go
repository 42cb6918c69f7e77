package huaweicsms

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// facts are what the product says of one secret, without values.
type facts struct {
	secretFact
	tags     map[string]string // as they stand there
	versions []versionFact     // by number
}

// secretFact is what the product's list says.
type secretFact struct {
	id, wire    string
	state       string
	description string
	kind        string // secret_type
	created     time.Time
	updated     time.Time
	scheduled   time.Time // zero: not to be deleted
	subscribes  bool      // to an event of the product's own
}

// versionFact is one version, without its value.
type versionFact struct {
	number  int64
	created time.Time // milliseconds, rising
	expires time.Time // whole seconds
	stages  []string  // the roles among them
}

// newFacts are those of a secret that is not there yet.
func newFacts(wire string) *facts {
	return &facts{secretFact: secretFact{wire: wire, kind: kindCommon}}
}

// States and stages of the product.
const (
	stateEnabled = "ENABLED"
	statePending = "PENDING_DELETE"

	sysCurrent  = "SYSCURRENT"
	sysPrevious = "SYSPREVIOUS"
	// keepStage is on a new version that is not to become current and has no
	// other label: the product makes a version that is told none the current one.
	keepStage = "vaultferry"

	kindCommon = "COMMON"
)

func (s *secretFact) pending() bool { return s.state == statePending }

// readable reports whether the product shows values, and takes new versions.
func (s *secretFact) readable() bool { return s.state == stateEnabled }

// longAgo is when a secret was made of which the product does not
// say.
var longAgo = time.Unix(0, 0).UTC()

// newListFact is newSecretFact for the product's list, where no secret is to
// hide another: it may be without a name.
func newListFact(s *model.Secret) (*secretFact, error) {
	f, err := newSecretFact(s)
	switch {
	case err == nil:
		return &f, nil
	case s == nil:
		return &secretFact{}, nil
	}
	return &secretFact{
		wire: orEmpty(s.Name), state: orEmpty(s.State), description: orEmpty(s.Description), kind: kindCommon,
		created: history.OrTime(millis(s.CreateTime), longAgo), updated: millis(s.UpdateTime), scheduled: millis(s.ScheduledDeleteTime),
	}, nil
}

func newSecretFact(s *model.Secret) (secretFact, error) {
	if s == nil || s.Id == nil || s.Name == nil || s.State == nil || *s.Id == "" {
		return secretFact{}, kit.ErrMalformed
	}
	f := secretFact{
		id: *s.Id, wire: *s.Name, state: *s.State, description: orEmpty(s.Description), kind: kindCommon,
		created: history.OrTime(millis(s.CreateTime), longAgo), updated: millis(s.UpdateTime), scheduled: millis(s.ScheduledDeleteTime),
	}
	if s.SecretType != nil && s.SecretType.Value() != "" {
		f.kind = s.SecretType.Value()
	}
	f.subscribes = s.EventSubscriptions != nil && slices.ContainsFunc(*s.EventSubscriptions, func(name string) bool { return name != "" })
	return f, nil
}

func newVersionFact(m *model.VersionMetadata) (versionFact, error) {
	if m == nil || m.Id == nil || m.CreateTime == nil {
		return versionFact{}, kit.ErrMalformed
	}
	n, ok := parseNumber(*m.Id)
	if !ok {
		return versionFact{}, kit.ErrMalformed
	}
	v := versionFact{number: n, created: millis(m.CreateTime), expires: millis(m.ExpireTime)}
	if m.VersionStages != nil {
		v.stages = slices.DeleteFunc(slices.Clone(*m.VersionStages), func(s string) bool { return s == "" })
	}
	return v, nil
}

var versionID = regexp.MustCompile(`^v[1-9][0-9]{0,9}$`)

func parseNumber(id string) (int64, bool) {
	if !versionID.MatchString(id) {
		return 0, false
	}
	n, err := strconv.ParseInt(id[1:], 10, 64)
	return n, err == nil
}

func idOf(number int64) string { return "v" + strconv.FormatInt(number, 10) }

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func millis(ms *int64) time.Time {
	if ms == nil || *ms == 0 {
		return time.Time{}
	}
	return secret.Held(time.UnixMilli(*ms))
}

// content is a value as the product holds it.
type content struct {
	text   []byte
	binary bool
	hidden bool // the product shows it to nobody
}

// newContent takes either member; the product may leave the other out, or say
// null or "" for it. With both empty nobody can tell bytes from text but the
// trailer.
func newContent(v *model.Version) (content, error) {
	switch {
	case v == nil || v.SecretString == nil && v.SecretBinary == nil:
		return content{}, kit.ErrMalformed
	case v.SecretString != nil && *v.SecretString != "", v.SecretBinary == nil:
		return content{text: []byte(*v.SecretString)}, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(*v.SecretBinary)
	if err != nil {
		return content{}, kit.ErrMalformed
	}
	return content{text: b, binary: len(b) > 0 || v.SecretString == nil}, nil
}

// value is the model's view of it. form is what the trailer says.
func (c *content) value(form sidecar.Form) secret.Value {
	switch {
	case c.binary, form == sidecar.FormBytes && len(c.text) == 0:
		return secret.BinaryValue(c.text)
	case form == sidecar.FormObject && json.Valid(c.text) && bytes.HasPrefix(bytes.TrimSpace(c.text), []byte("{")):
		return secret.FieldsValue(c.text)
	}
	return secret.TextBytes(c.text)
}

func (f *facts) highest() int64 {
	if len(f.versions) == 0 {
		return 0
	}
	return f.versions[len(f.versions)-1].number
}

// version returns the one of that number, or nil.
func (f *facts) version(number int64) *versionFact {
	i, found := slices.BinarySearchFunc(f.versions, number, func(v versionFact, n int64) int { return cmp.Compare(v.number, n) })
	if !found {
		return nil
	}
	return &f.versions[i]
}

// holder returns the number of the version that holds the stage, zero if none.
func (f *facts) holder(stage string) int64 {
	for i := range f.versions {
		if slices.Contains(f.versions[i].stages, stage) {
			return f.versions[i].number
		}
	}
	return 0
}

func (f *facts) roles() roles { return roles{f.holder(sysCurrent), f.holder(sysPrevious)} }

// labels are those of all versions, the roles and ours among them.
func (f *facts) labels() map[string]bool {
	all := map[string]bool{}
	for i := range f.versions {
		for _, l := range f.versions[i].stages {
			all[l] = true
		}
	}
	return all
}

// add puts in a version that was just made: it takes its labels from whoever
// held them. By default it becomes current, and leaves the former holder the
// previous role.
func (f *facts) add(v versionFact, byDefault bool) {
	former := f.holder(sysCurrent)
	for _, stage := range v.stages {
		f.unlabel(stage)
	}
	f.versions = append(f.versions, v)
	if byDefault && former != 0 {
		f.label(sysPrevious, former)
	}
}

func (f *facts) label(stage string, number int64) {
	f.unlabel(stage)
	if v := f.version(number); v != nil {
		v.stages = append(v.stages, stage)
	}
}

func (f *facts) unlabel(stage string) {
	for i := range f.versions {
		f.versions[i].stages = slices.DeleteFunc(slices.Clone(f.versions[i].stages), func(s string) bool { return s == stage })
	}
}

func (f *facts) retag(action string, tags map[string]string) {
	all := map[string]string{}
	maps.Copy(all, f.tags)
	for k, v := range tags {
		if all[k] = v; action == tagsDelete {
			delete(all, k)
		}
	}
	f.tags = all
}
