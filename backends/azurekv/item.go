package azurekv

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// item is what the product says of one version, without its value.
type item struct {
	id, name    string // of the product
	disabled    bool
	managed     bool
	contentType string
	tags        map[string]string // less ours
	notBefore   time.Time
	expires     time.Time
	created     time.Time // whole seconds, as all of the product's times
	updated     time.Time
	tag         *reserved // nil: native tools wrote the version
	hard        bool      // the vault says that what it deletes is gone for good
	days        int       // that the vault keeps what it deletes; zero: it does not say
	deleted     *secret.Deletion
	opened      time.Time // disabled is true of it only by its mark: see open.go
}

// newItem reads a list entry. Of a list of secrets the id has no version.
func newItem(p *azsecrets.SecretProperties) (item, error) {
	if p == nil || p.ID == nil || p.Attributes == nil {
		return item{}, kit.ErrMalformed
	}
	name, version, ok := parseID(string(*p.ID))
	a := p.Attributes
	if !ok || a.Created == nil {
		return item{}, kit.ErrMalformed
	}
	it := item{
		id: version, name: name, disabled: a.Enabled != nil && !*a.Enabled, managed: p.Managed != nil && *p.Managed,
		notBefore: timeOf(a.NotBefore), expires: timeOf(a.Expires), created: timeOf(a.Created), updated: timeOf(a.Updated),
	}
	if p.ContentType != nil {
		it.contentType = *p.ContentType
	}
	it.hard = a.RecoveryLevel != nil && *a.RecoveryLevel == noSoftDelete
	if a.RecoverableDays != nil {
		it.days = int(*a.RecoverableDays)
	}
	it.setTags(p.Tags)
	return it, nil
}

// itemOf reads an answer about one version.
func itemOf(s *azsecrets.Secret) (item, error) {
	return newItem(&azsecrets.SecretProperties{ID: s.ID, Attributes: s.Attributes, ContentType: s.ContentType, Tags: s.Tags, Managed: s.Managed})
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// setTags takes our tag out. One that does not decode is somebody else's.
func (it *item) setTags(tags map[string]*string) {
	if tags == nil {
		return
	}
	it.tags = make(map[string]string, len(tags))
	for k, v := range tags {
		if v == nil {
			v = new(string)
		}
		if k == reservedTag {
			if it.tag = decodeTag(*v); it.tag != nil {
				continue
			}
		}
		it.tags[k] = *v
	}
	if it.tag != nil && len(it.tags) == 0 && !it.tag.EmptyTags {
		it.tags = nil
	}
	it.seeMark()
}

// seeMark takes the mark of an open version for what it says.
func (it *item) seeMark() {
	t := it.tag
	if t == nil || t.Opened.IsZero() {
		return
	}
	it.disabled, it.opened = true, t.Opened.Time
	t.Opened = stamp{}
	if t.Bare {
		it.tag = nil
	}
}

// version is the model's view, without ordinal, UID and stages, which other
// versions have a say in.
func (it *item) version() secret.Version {
	v := secret.Version{
		ContentType: it.contentType, Tags: it.tags, Disabled: it.disabled,
		NotBefore: it.notBefore, Expires: it.expires, Created: it.created, Updated: it.updated,
	}
	if v.Updated.IsZero() {
		v.Updated = v.Created
	}
	if it.disabled {
		v.Missing = secret.Unreadable // the product shows no such value to anybody
	}
	if t := it.tag; t != nil {
		it.refine(&v, t)
	}
	if it.managed {
		v.Extra = v.Extra.Clone()
		if v.Extra == nil {
			v.Extra = secret.Extra{}
		}
		v.Extra[extraManaged] = json.RawMessage("true")
	}
	return v
}

// refine adds what the tag knows better than the product.
func (it *item) refine(v *secret.Version, t *reserved) {
	v.Created = history.OrTime(t.Created.Time, v.Created)
	if !it.touched() {
		v.Updated = history.OrTime(t.Updated.Time, v.Created)
	}
	v.NotBefore, v.Expires = exact(v.NotBefore, t.NotBefore.Time), exact(v.Expires, t.Expires.Time)
	if t.NoNotBefore && v.NotBefore.Equal(it.created) {
		v.NotBefore = time.Time{}
	}
	if t.NoExpires && v.Expires.Unix() == maxSeconds {
		v.Expires = time.Time{}
	}
	if t.OurType && v.ContentType == ourType(t.Form) {
		v.ContentType = ""
	}
	if t.Extra != nil {
		v.Extra = secret.Extra(t.Extra)
	}
}

// touched reports whether native tools changed attributes since a gateway last
// wrote the version: then the product's time of the change is the true one.
func (it *item) touched() bool {
	if t := it.tag; t != nil && !t.Touched.IsZero() && it.updated.Sub(t.Touched.Time) <= echo {
		return false
	}
	return it.updated.After(it.created)
}

// echo is how much later than the gateway's clock the product may say that the
// gateway's own change came. Native changes so soon after do not show in
// Updated.
const echo = time.Minute

// exact is the tag's time, as long as the product still agrees with it.
func exact(product, tag time.Time) time.Time {
	if !tag.IsZero() && tag.Unix() == product.Unix() {
		return tag
	}
	return product
}

// written is when the tag was made, by the clock of the gateway that did.
func (it *item) written() time.Time {
	if it.tag == nil {
		return it.created
	}
	return history.OrTime(it.tag.Written.Time, it.tag.Created.Time)
}

// skew is how far the gateway's clock may be from the product's for a tag to
// be believed without a look at the other versions. A native tool that copies
// a tag onto a new version so soon after gives that one, to a Get of current
// alone, the older one's identity; the value is the right one.
const skew = 5 * time.Minute

// whole reports whether the version, being the newest, says everything about
// the secret and is current, so that the others need not be listed.
func (it *item) whole() bool {
	t := it.tag
	return t != nil && t.Previous != nil && t.Current == 0 && (t.Import == "" || t.Last) && it.written().Sub(it.created).Abs() <= skew
}

// value is the model's view of what the product holds; it takes text over. A tag
// that does not fit the text was copied from another version.
func (it *item) value(text []byte) secret.Value {
	if it.tag != nil {
		switch it.tag.Form {
		case formBinary:
			b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
			if n, err := base64.StdEncoding.Strict().Decode(b, text); err == nil {
				return secret.BinaryValue(b[:n])
			}
		case formFields:
			if isObject(text) {
				return secret.FieldsValue(text)
			}
		}
	}
	return secret.TextBytes(text)
}

// ourType is the content type of a value whose source had none, for those who
// look with native tools.
func ourType(form string) string {
	switch form {
	case formBinary:
		return "application/octet-stream;base64"
	case formFields:
		return "application/json"
	}
	return ""
}
