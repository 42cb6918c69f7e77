package hashivault

import (
	"context"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Import implements backends.Backend. The one value that is written last makes
// all of it visible; until then there is nothing.
func (f *Flat) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	done := new(backends.Imported)
	h, v, err := f.reduced(in)
	if err == nil {
		err = f.changing(ctx, in.Name, func(st *flatState) error {
			switch {
			case st.exists && st.trash != nil:
				return &secret.Error{Kind: secret.Trashed}
			case st.exists:
				return &secret.Error{Kind: secret.AlreadyExists}
			}
			data, form, err := encodeFlat(f.field, v.Value)
			if err != nil {
				return err
			}
			return f.replace(ctx, st, h, v, data, form)
		})
	}
	if err != nil {
		return done, as(err, "import", in.Name)
	}
	done.Secret, done.Stands = h.View(*v).WithoutValues(), []secret.Ordinal{v.Ordinal}
	return done, nil
}

// reduced is what stays of in, less the losses.
func (f *Flat) reduced(in *secret.Secret) (*history.Head, *secret.Version, error) {
	h, err := history.HeadOf(in)
	if err != nil {
		return nil, nil, err
	}
	if err := checkTimes(in.Created, in.Updated); err != nil {
		return nil, nil, err
	}
	for i := range in.Versions {
		v := &in.Versions[i]
		if err := checkTimes(v.Created, v.Updated, v.NotBefore, v.Expires); err != nil {
			return nil, nil, err
		}
	}
	out := loss.Apply(in, f.Forecast(in))
	if len(out.Versions) == 0 {
		return nil, nil, secret.Errorf(secret.Lossy, "no version of the secret fits into Vault")
	}
	v := out.Versions[0]
	h.Secret.Current, h.Secret.Previous = out.Current, out.Previous
	h.Secret.Description, h.Secret.Tags, h.Secret.Extra = out.Description, out.Tags, out.Extra
	clear(h.Stages)
	for _, label := range v.Stages {
		h.Stages[label] = v.Ordinal
	}
	return h, &v, nil
}

const oneVersion = "KV version 1 holds one version"

// Forecast implements backends.Backend.
func (f *Flat) Forecast(in *secret.Secret) []secret.Loss {
	kept := f.kept(in)
	var losses []secret.Loss
	for i := range in.Versions {
		if v := &in.Versions[i]; v.Ordinal != kept {
			grade, why := secret.Data, oneVersion
			if v.Value.IsNone() {
				grade, why = gradeOfGap(in, v), "KV version 1 holds no version without a value"
			} else if _, _, err := encodeFlat(f.field, v.Value); err != nil {
				why = "longer than Vault takes"
			}
			losses = append(losses, secret.Loss{Grade: grade, Version: v.Ordinal, What: loss.Version, Why: why})
		}
	}
	if kept == 0 {
		return losses
	}
	losses = append(losses, roomInAccount(loss.Apply(in, losses))...)
	return append(losses, f.nativeLosses(loss.Apply(in, losses))...)
}

// gradeOfGap is the grade of losing a version without a value: a trace where it
// was destroyed and holds no role, as only a gap in the numbers tells of it.
func gradeOfGap(in *secret.Secret, v *secret.Version) secret.Grade {
	if v.Missing == secret.Destroyed && v.Ordinal != in.Current && v.Ordinal != in.Previous {
		return secret.Trace
	}
	return secret.Meaning
}

// kept is the version that stays: the current one, or, where that has no value
// that fits, the newest that has. Zero: there is none.
func (f *Flat) kept(in *secret.Secret) secret.Ordinal {
	var newest secret.Ordinal
	for i := range in.Versions {
		v := &in.Versions[i]
		if v.Value.IsNone() {
			continue
		}
		if _, _, err := encodeFlat(f.field, v.Value); err != nil {
			continue
		}
		if newest = v.Ordinal; newest == in.Current {
			break
		}
	}
	return newest
}

// roomInAccount gives up what does not fit beside the value, the largest kinds
// first. In holds the one version that stays.
func roomInAccount(in *secret.Secret) []secret.Loss {
	var out []secret.Loss
	v := in.Versions[0].Ordinal
	for _, l := range []secret.Loss{
		{Version: v, What: loss.Extra},
		{What: loss.Extra},
		{Version: v, What: loss.Tags},
		{What: loss.Tags},
		{Version: v, What: loss.Stages},
		{What: loss.Description},
		{Version: v, What: loss.ContentType},
	} {
		l.Grade, l.Why = secret.Meaning, "Vault has no room for so many attributes"
		now := loss.Apply(in, out)
		size := sizeOfAccount(now)
		if size <= maxAccount {
			break
		}
		if sizeOfAccount(loss.Apply(now, []secret.Loss{l})) < size {
			out = append(out, l)
		}
	}
	return out
}

func sizeOfAccount(in *secret.Secret) int {
	h, err := history.HeadOf(in)
	if err != nil {
		return 0
	}
	n := accountOf(h, &in.Versions[0], formFieldsText, (&accounts{Salt: "x"}).print(nil), nil)
	n.Last = 1 << 62 // or whatever the source has: no digit more
	return n.size()
}

// nativeLosses: what the gateway keeps and native tools see differently.
func (f *Flat) nativeLosses(in *secret.Secret) []secret.Loss {
	v := &in.Versions[0]
	var out []secret.Loss
	if v.Disabled {
		out = append(out, secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Disabled, Why: "Vault knows no disabled version: its own tools can read this one"})
	}
	switch _, form, _ := encodeFlat(f.field, v.Value); form {
	case formBinary:
		out = append(out, secret.Loss{Grade: secret.Trace, Version: v.Ordinal, What: loss.Form, Why: "Vault's own tools see the bytes as base64"})
	case formFieldsText:
		out = append(out, secret.Loss{Grade: secret.Trace, Version: v.Ordinal, What: loss.Form, Why: "Vault would change how these fields are written: its own tools see the JSON as one text"})
	}
	if in.Current != v.Ordinal {
		out = append(out, secret.Loss{Grade: secret.Meaning, What: loss.Current, Why: "Vault's own tools take the one version for the current one"})
	}
	return append(out, secret.Loss{Grade: secret.Trace, What: loss.Created, Why: "KV version 1 keeps no time"})
}
