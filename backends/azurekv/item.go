package azurekv

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// item is what the product says of one version, without its value.
type item struct {
	id, name      string // of the product
	disabled      bool
	managed       bool
	contentType   string
	tags          map[string]string // less ours; perhaps those of the secret: see own
	notBefore     time.Time
	expires       time.Time
	created       time.Time // whole seconds, as all of the product's times
	updated       time.Time
	tag           *tagSidecar // nil: native tools wrote the version
	unrecoverable bool        // the vault says that what it deletes is gone for good
	protected     bool        // the vault says that nobody can purge what is deleted
	days          int         // that the vault keeps what it deletes; zero: it does not say
	deleted       *secret.Deletion
	opened        time.Time   // it is disabled by its mark alone: see ExportHidden
	bare          *tagSidecar // a tag of ours that says no more than that
}

// newItem reads a list entry. Of a list of secrets the id has no version. The
// vault may tell nothing else: of old secrets it does not say when they were
// made, and they count as older than all others.
func newItem(p *azsecrets.SecretProperties) (item, error) {
	if p == nil || p.ID == nil {
		return item{}, kit.ErrMalformed
	}
	name, version, ok := parseID(string(*p.ID))
	if !ok {
		return item{}, kit.ErrMalformed
	}
	a := deref(p.Attributes)
	level := deref(a.RecoveryLevel)
	it := item{
		id: version, name: name, disabled: a.Enabled != nil && !*a.Enabled, managed: deref(p.Managed), contentType: deref(p.ContentType),
		notBefore: instant(a.NotBefore), expires: instant(a.Expires), created: history.OrTime(instant(a.Created), longAgo), updated: instant(a.Updated),
		unrecoverable: level == "Purgeable", protected: level != "" && !strings.Contains(level, "Purgeable"), days: int(deref(a.RecoverableDays)),
	}
	it.setTags(p.Tags)
	return it, nil
}

// longAgo is when a version was made of which the product does not say.
var longAgo = time.Unix(0, 0).UTC()

// instant is the product's time, which may be any second; zero: it says none.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return secret.AtSecond(t.Unix())
}

// deref is zero for nil.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// itemOf reads an answer about one version.
func itemOf(s *azsecrets.Secret) (item, error) {
	return newItem(&azsecrets.SecretProperties{ID: s.ID, Attributes: s.Attributes, ContentType: s.ContentType, Tags: s.Tags, Managed: s.Managed})
}

// setTags takes our tag out. One that does not decode is somebody else's.
func (it *item) setTags(tags map[string]*string) {
	if tags == nil {
		return
	}
	it.tags = make(map[string]string, len(tags))
	t := decodeTag(deref(tags[sidecarTag]))
	for k, v := range tags {
		switch {
		case t == nil:
			it.tags[k] = deref(v)
		case k != sidecarTag:
			it.tags[modelName(k)] = deref(v)
		}
	}
	it.tag = t
	if t != nil && len(it.tags) == 0 && t.Tags == nil {
		it.tags = nil
	}
	if t != nil && !t.Opened.IsZero() { // what the mark of an opened version says is true
		it.disabled, it.opened, t.Opened = true, t.Opened.Time, sidecar.Time{}
	}
	if t != nil && t.Bare {
		it.tag, it.bare = nil, t
	}
}

// own are the tags of the version itself.
func (it *item) own() map[string]string {
	if it.tag != nil && it.tag.Shared {
		return nil
	}
	return it.tags
}

// ofSecret are the tags of the secret, where the version's tag speaks for it.
func (it *item) ofSecret() map[string]string {
	switch t := it.tag; {
	case !t.Shared:
		return t.Secret.Tags
	case it.tags == nil: // native tools removed them one by one
		return map[string]string{}
	}
	return it.tags
}

func (it *item) isOpened() bool { return !it.opened.IsZero() }

// version is the model's view, without the ordinal and what else other
// versions have a say in.
func (it *item) version() secret.Version {
	v := secret.Version{
		ContentType: it.contentType, Tags: it.own(), Disabled: it.disabled,
		NotBefore: it.notBefore, Expires: it.expires, Created: it.created, Updated: history.OrTime(it.updated, it.created),
	}
	if it.disabled {
		v.Missing = secret.Unreadable // the product shows no such value to anybody
	}
	if t := it.tag; t != nil {
		it.overlay(&v, t)
	}
	if it.managed {
		v.Extra = history.PatchExtra(v.Extra, map[string]json.RawMessage{extraManaged: json.RawMessage("true")})
	}
	return v
}

// overlay adds what the tag knows better than the product.
func (it *item) overlay(v *secret.Version, t *tagSidecar) {
	t.Overlay(v, nativeAttributes)
	if it.touched() {
		v.Updated = it.updated
	}
	if t.Endless.Start() && v.NotBefore.Equal(it.created) {
		v.NotBefore = time.Time{}
	}
	if t.Endless.End() && v.Expires.Equal(noEnd) {
		v.Expires = time.Time{}
	}
	if t.OurType && v.ContentType == natively[t.Form].contentType {
		v.ContentType = ""
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

// suffices reports whether the version, being the newest, says all that there
// is to show of the current one, so that the others need not be listed.
func (it *item) suffices() bool {
	t := it.tag
	if t == nil || t.Secret == nil || t.Import != "" {
		return false
	}
	current := t.Secret.Roles.Current
	return (current == t.Ordinal || current == 0) && it.written().Sub(it.created).Abs() <= skew
}

// value is the model's view of what the product holds; it takes text over. A tag
// that does not fit the text was copied from another version.
func (it *item) value(text []byte) secret.Value {
	if it.tag != nil {
		switch it.tag.Form {
		case sidecar.FormBytes:
			b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
			if n, err := base64.StdEncoding.Strict().Decode(b, text); err == nil {
				return secret.BinaryValue(b[:n])
			}
		case sidecar.FormObject:
			if json.Valid(text) && strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
				return secret.FieldsValue(text)
			}
		}
	}
	return secret.TextBytes(text)
}
