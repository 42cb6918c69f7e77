package azurekv

import (
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// edit is one version's share in an update.
type edit struct {
	*entry
	v      secret.Version // as it is to be
	target bool           // the update is of this version
	newest bool           // the current one, to native tools
	head   *secret.Secret // goes into its tag; nil: what is there stays
	body   azsecrets.UpdateSecretPropertiesParameters
}

// write lays the edit out as the product takes it.
func (u *updating) write(e *edit) error {
	if e.target {
		e.attributes(u.p)
	}
	if e.tag == nil && !e.wantsTag() {
		return e.bare(u.p)
	}
	tag := e.base()
	tag.Touched.Time = u.now.Truncate(time.Second)
	if e.head != nil {
		tag.ofHead(e.ordinal, e.head)
	}
	s, losses := layOut(&e.v, tag)
	if e.head != nil {
		losses = append(losses, s.addSecret(u.wire, &secret.Attributes{Description: e.head.Description, Tags: e.head.Tags, Extra: e.head.Extra})...)
	}
	if len(losses) > 0 {
		if e.head != nil && u.promotes() { // what stood is in the way
			losses[0].What = loss.Current
		}
		return lossy(losses[0].What, losses[0].Why)
	}
	if !s.tag.fits() {
		return lossy(loss.Updated, noRoom)
	}
	full := s.parameters()
	e.body.Tags = full.Tags
	if e.body.ContentType != nil && full.ContentType != nil {
		e.body.ContentType = full.ContentType // ours, where there is none
	}
	return nil
}

// attributes sets those that the product has, if the patch names them.
func (e *edit) attributes(p *secret.Patch) {
	e.body.ContentType = p.ContentType
	if p.Disabled == nil && p.NotBefore == nil && p.Expires == nil {
		return
	}
	a := &azsecrets.SecretAttributes{}
	if p.Disabled != nil {
		a.Enabled = new(!*p.Disabled)
	}
	if p.NotBefore != nil {
		a.NotBefore = seconds(e.v.NotBefore)
		if e.hidesNotBefore() {
			a.NotBefore = &e.created
		}
	}
	if p.Expires != nil {
		a.Expires = seconds(e.v.Expires)
		if e.hidesExpires() {
			a.Expires = new(time.Unix(maxSeconds, 0).UTC())
		}
	}
	e.body.SecretAttributes = a
}

// A time that the product has and the version has not: native tools see a
// version good since it was made, or until the year 9999.
func (e *edit) hidesNotBefore() bool { return e.v.NotBefore.IsZero() && !e.notBefore.IsZero() }
func (e *edit) hidesExpires() bool   { return e.v.Expires.IsZero() && !e.expires.IsZero() }

// wantsTag reports whether a native version can stay without our tag.
func (e *edit) wantsTag() bool {
	return e.head != nil || len(e.v.Stages) > 0 || e.hidesNotBefore() || e.hidesExpires() ||
		e.v.NotBefore.Nanosecond() != 0 || e.v.Expires.Nanosecond() != 0
}

// base is the tag as it is, less what layOut and ofHead set anew. A native
// version gets the identity that it goes by.
func (e *edit) base() reserved {
	r := reserved{V: tagVersion, UID: shortUID(e.uid), Ordinal: e.ordinal, Created: stamp{Time: e.created}}
	if e.tag != nil {
		r = *e.tag
	}
	r.Updated, r.NotBefore, r.Expires, r.Stages, r.Extra = stamp{}, stamp{}, stamp{}, nil, nil
	if !e.v.Updated.Equal(e.v.Created) {
		r.Updated.Time = e.v.Updated
	}
	r.NoNotBefore, r.NoExpires = e.hidesNotBefore(), e.hidesExpires()
	return r
}

// ofHead makes r the tag of version own, which speaks for the secret.
func (r *reserved) ofHead(own secret.Ordinal, s *secret.Secret) {
	r.setRoles(own, s.Current, s.Previous)
	r.SecretCreated, r.SecretUpdated = stamp{}, stamp{}
	r.setTimes(s.Created, s.Updated)
	r.Description, r.SecretTags, r.SecretExtra = "", nil, nil
}

// bare writes no tag of ours: the product's own facts say all.
func (e *edit) bare(p *secret.Patch) error {
	switch {
	case p.ContentType != nil && characters(*p.ContentType) > maxContentType:
		return lossy(loss.ContentType, "Key Vault holds content types of at most 255 characters")
	case p.Tags == nil:
		return nil
	case len(e.v.Tags) > maxTags:
		return lossy(loss.Tags, "Key Vault holds at most 15 tags")
	}
	if why := tagTextProblem(e.v.Tags); why != "" {
		return lossy(loss.Tags, why)
	}
	e.body.Tags = make(map[string]*string, len(e.v.Tags))
	for k, t := range e.v.Tags {
		e.body.Tags[k] = new(t)
	}
	return nil
}
