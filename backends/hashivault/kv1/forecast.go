package kv1

import (
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecast implements backends.Backend.
func (s *Store) Forecast(in *secret.Secret) []secret.Loss {
	kept := s.kept(in)
	var losses []secret.Loss
	for i := range in.Versions {
		if v := &in.Versions[i]; v.Ordinal != kept {
			grade, why := secret.Data, "KV version 1 holds one version"
			if v.Value.IsNone() {
				grade, why = gradeOfGap(in, v), "KV version 1 holds no version without a value"
			} else if !s.fits(v) {
				why = connection.WhyTooLong
			}
			losses = append(losses, secret.Loss{Grade: grade, Version: v.Ordinal, What: loss.Version, Why: why})
		}
	}
	if kept == 0 {
		return losses
	}
	out, room := sidecar.Fit(loss.Apply(in, losses), kinds, "Vault has no room for so many attributes", func(s *secret.Secret) bool { return sizeOf(s) <= maxEntry })
	losses = append(losses, room...)
	v := &out.Versions[0]
	_, form, _ := encode(s.Field, v.Value)
	losses = append(losses, connection.NativeLosses(v, form)...)
	if out.Current != v.Ordinal {
		losses = append(losses, secret.Loss{Grade: secret.Meaning, What: loss.Current, Why: "Vault's own tools take the one version for the current one"})
	}
	return append(losses, secret.Loss{Grade: secret.Trace, What: loss.Created, Why: "KV version 1 keeps no time"})
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
func (s *Store) kept(in *secret.Secret) secret.Ordinal {
	var newest secret.Ordinal
	for i := range in.Versions {
		v := &in.Versions[i]
		if v.Value.IsNone() || !s.fits(v) {
			continue
		}
		if newest = v.Ordinal; newest == in.Current {
			break
		}
	}
	return newest
}

func (s *Store) fits(v *secret.Version) bool {
	_, _, err := encode(s.Field, v.Value)
	return err == nil
}

// kinds are what a sidecar has room for, in this order.
var kinds = []sidecar.Kind{
	{What: loss.ContentType},
	{What: loss.Description, OfSecret: true},
	{What: loss.Stages},
	{What: loss.Tags, OfSecret: true},
	{What: loss.Tags},
	{What: loss.Extra, OfSecret: true},
	{What: loss.Extra},
}

// sizeOf is what the sidecar of a secret with one version takes at most.
func sizeOf(in *secret.Secret) int {
	known := &history.State{Head: *history.Of(in, sidecar.MaxOrdinal), Versions: in.Versions}
	e := entryOf(known, sidecar.FormObject, (&sidecars{Salt: "x"}).digest(nil))
	return e.size()
}
