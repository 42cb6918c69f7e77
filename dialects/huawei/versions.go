package huawei

import (
	"errors"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

type createVersionBody struct {
	SecretString  *string   `json:"secret_string"`
	SecretBinary  *string   `json:"secret_binary"`
	VersionStages *[]string `json:"version_stages"`
	ExpireTime    *int64    `json:"expire_time"`
}

func (b *createVersionBody) draft() (secret.Draft, error) {
	var d secret.Draft
	var err error
	if d.Value, err = readValue(b.SecretString, b.SecretBinary); err != nil {
		return d, err
	}
	if d.Expires, err = readExpire(b.ExpireTime); err != nil {
		return d, err
	}
	return d, applyStages(&d, b.VersionStages)
}

func (a *api) createVersion(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	var body createVersionBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	d, err := body.draft()
	if err != nil {
		return nil, err
	}
	made, err := a.append(r, ref, d)
	if err != nil {
		return nil, err
	}
	m, err := renderMetadata(r.store, made, made.Newest())
	return metadataAnswer{m}, err
}

// append adds a version. Where the product has no room to keep which versions
// are recycled, none is: one more in the lists is better than none that can be
// added.
func (a *api) append(r *request, ref gateway.Ref, d secret.Draft) (*secret.Secret, error) {
	recycles := false
	made, err := a.svc.Append(r.Context(), r.write(), ref, d, func(have *secret.Secret, d *secret.Draft) error {
		err := admit(have, d)
		recycles = d.MergeExtra != nil
		return err
	})
	if recycles && (errors.Is(err, secret.Invalid) || errors.Is(err, secret.Lossy)) {
		return a.svc.Append(r.Context(), r.write(), ref, d, admitAll)
	}
	return made, err
}

func (a *api) showVersion(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	sel, err := selector(r.Vars["version_id"])
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.Get(r.Context(), r.call, ref, sel, func(s *secret.Secret) error {
		if recycled(s).has(s.Newest().Ordinal) {
			return secret.Errorf(secret.NotFound, "the version was recycled")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	v, err := renderVersion(r.store, sec, sec.Newest())
	return versionAnswer{v}, err
}

type updateVersionBody struct {
	ExpireTime *int64 `json:"expire_time"`
}

func (a *api) updateVersion(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	sel, err := selector(r.Vars["version_id"])
	if err != nil {
		return nil, err
	}
	var body updateVersionBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if body.ExpireTime == nil {
		return nil, secret.Errorf(secret.Invalid, "expire_time is missing")
	}
	expires, err := readExpire(body.ExpireTime)
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.Edit(r.Context(), r.write(), ref, func(have *secret.Secret) (*gateway.Change, error) {
		if v := have.Find(sel); v == nil || gone(recycled(have), v) {
			return nil, secret.Errorf(secret.NotFound, "no such version")
		}
		return &gateway.Change{Of: sel, Patch: secret.Patch{Expires: &expires}}, enabled(have)
	})
	if err != nil {
		return nil, err
	}
	m, err := renderMetadata(r.store, sec, sec.Newest())
	return metadataAnswer{m}, err
}
