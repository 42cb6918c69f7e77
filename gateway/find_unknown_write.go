package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// chooseUID gives a draft the UID by which a repeat knows its version, where the
// product will not show the value to compare.
func chooseUID(j *job, d *secret.Draft) (chosen secret.UID) {
	if d.Disabled && d.UID.IsZero() && j.caps.HidesDisabled && j.call.Digest != [32]byte{} {
		d.UID = secret.NewUID()
		return d.UID
	}
	return secret.UID{}
}

// findUnknownWrite returns the version that j would write, if j repeats a write
// of unknown outcome and that version is there: the current one, or the newest
// if the draft takes no role. What it lacks is completed. Where it cannot find
// out, writing might be once too often, and it returns why.
func (s *Service) findUnknownWrite(ctx context.Context, j *job, d secret.Draft) (*secret.Secret, error) {
	a, ok := s.unknown.find(j)
	if !ok {
		return nil, nil
	}
	sec, err := readUnknownWrite(ctx, j, d, a)
	switch {
	case errors.Is(err, secret.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case sec == nil || sec.Newest() == nil:
		return nil, nil
	}
	v := sec.Newest()
	switch {
	case !a.torn && holdsDraft(v, d):
		return sec, nil
	case !a.torn && v.Created.Before(a.began), !v.Value.Equal(d.Value), len(d.Extra) > 0: // older than the write, or another
		return nil, nil
	}
	return completeTornWrite(ctx, j, d, sec)
}

// readUnknownWrite reads the version that d made if it landed and nothing came
// after.
func readUnknownWrite(ctx context.Context, j *job, d secret.Draft, a unknownWrite) (*secret.Secret, error) {
	sel := secret.Current
	if d.KeepCurrent || !a.uid.IsZero() {
		sec, err := j.Backend.Describe(ctx, j.ref.Name)
		if err != nil {
			return nil, err
		}
		if !a.uid.IsZero() {
			return withUID(sec, a.uid, d.Value), nil
		}
		if v := sec.Newest(); v != nil {
			sel = secret.ByOrdinal(v.Ordinal)
		}
	}
	sec, err := j.Backend.Get(ctx, j.ref.Name, sel)
	if err != nil || !sec.Created.IsZero() || sec.Newest() == nil {
		return sec, err
	}
	// A Get of current may leave out what the answer of a write tells.
	return j.Backend.Get(ctx, j.ref.Name, secret.ByOrdinal(sec.Newest().Ordinal))
}

// withUID is the secret with that one version, or nil. Nobody but the gateway
// knew the UID, so the version has the value.
func withUID(sec *secret.Secret, uid secret.UID, value secret.Value) *secret.Secret {
	v := sec.Find(secret.ByUID(uid))
	if v == nil {
		return nil
	}
	v.Value, v.Missing = value, ""
	return sec.Only(v.Ordinal)
}

func holdsDraft(v *secret.Version, d secret.Draft) bool {
	stages := slices.Sorted(slices.Values(d.Stages))
	return v.Value.Equal(d.Value) && v.ContentType == d.ContentType && secret.SameTags(v.Tags, d.Tags) &&
		v.Disabled == d.Disabled && v.NotBefore.Equal(d.NotBefore) && v.Expires.Equal(d.Expires) &&
		slices.Equal(v.Stages, stages) && v.Extra.Equal(d.Extra)
}

// completeTornWrite writes what a write that was torn left out of its one
// version in sec, or of the secret.
func completeTornWrite(ctx context.Context, j *job, d secret.Draft, sec *secret.Secret) (*secret.Secret, error) {
	v := sec.Newest()
	p := secret.Patch{
		ContentType: &d.ContentType, Disabled: &d.Disabled, NotBefore: &d.NotBefore, Expires: &d.Expires,
		AddStages: d.Stages, MakeCurrent: !d.KeepCurrent, MakePrevious: d.TakePrevious && sec.Current != v.Ordinal,
		Extra: map[string]json.RawMessage{},
	}
	if v.Tags != nil || d.Tags != nil {
		p.Tags = &d.Tags
	}
	if a := d.OfSecret; a != nil {
		p.Description, p.SecretTags = &a.Description, &a.Tags
		for k := range sec.Extra {
			p.Extra[k] = nil
		}
		maps.Copy(p.Extra, a.Extra)
	}
	if v.Ordinal == 1 { // the write made the secret
		maps.Copy(p.Extra, d.NewExtra)
	}
	maps.Copy(p.Extra, d.MergeExtra)
	made, err := j.Backend.Update(ctx, j.ref.Name, secret.ByOrdinal(v.Ordinal), p)
	if err != nil {
		return nil, err
	}
	if w := made.Newest(); w != nil {
		w.Value, w.Missing = d.Value, ""
	}
	return made, nil
}

// findUnknownImport is findUnknownWrite for an import that finds the name
// taken: by its own work, if every version that was to stand does so under its
// UID.
func findUnknownImport(ctx context.Context, j *job, sec *secret.Secret, taken error) (*backends.Imported, error) {
	have, err := j.Backend.Describe(ctx, sec.Name)
	switch {
	case retryable(err):
		return nil, err
	case err != nil:
		return nil, taken
	}
	for i := range sec.Versions {
		want := &sec.Versions[i]
		v := have.Find(secret.ByOrdinal(want.Ordinal))
		if v == nil || !want.UID.IsZero() && v.UID != want.UID { // zero: foretold to be another
			return nil, taken
		}
	}
	return &backends.Imported{Secret: have}, nil
}
