package azurekv

import (
	"cmp"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// plan is an import, decided before anything is written: the writes in their
// order, and what they leave out. It is all that Forecast knows, so what that
// says is what Import does.
//
// The version that is to be current is written last, whatever its ordinal,
// for the product takes the newest as current. The tags keep the true order.
func plan(wire string, s *secret.Secret, marker string, now time.Time) ([]*sheet, []secret.Loss) {
	losses := []secret.Loss{{Grade: secret.Trace, What: loss.Created, Why: "Key Vault stamps its own times; the gateway keeps these beside the version"}}
	var stands []*secret.Version
	for i := range s.Versions {
		v := &s.Versions[i]
		if l := unholdable(s, v); l != nil {
			losses = append(losses, *l)
			continue
		}
		stands = append(stands, v)
	}
	if len(stands) == 0 {
		return nil, losses
	}
	last := stands[len(stands)-1].Ordinal
	switch {
	case !holds(stands, s.Current):
		losses = append(losses, secret.Loss{Grade: secret.Meaning, What: loss.Current, Why: "Key Vault's own tools take the version that is written last for the current one"})
	case s.Current != last:
		losses = append(losses, secret.Loss{Grade: secret.Trace, What: loss.Current, Why: "Key Vault's own tools take the version that is written last for the current one; the gateway keeps the role and the order"})
		last = s.Current
	}
	var sheets []*sheet
	for _, v := range stands {
		tag := identity(v)
		tag.Import, tag.Written.Time = marker, now.Truncate(time.Second)
		if v.Ordinal == last {
			tag.ofSecret(s, stands)
		}
		sh, l := newSheet(v, tag)
		losses = append(losses, l...)
		if sh.tag.Form != "" {
			losses = append(losses, secret.Loss{Grade: secret.Trace, Version: v.Ordinal, What: loss.Form, Why: "Key Vault holds text: its own tools see " + formWords[sh.tag.Form]})
		}
		if v.Ordinal == last {
			losses = append(losses, sh.addSecret(wire, &secret.Attributes{Description: s.Description, Tags: s.Tags, Extra: s.Extra})...)
		}
		sheets = append(sheets, sh)
	}
	slices.SortStableFunc(sheets, func(a, b *sheet) int { return cmp.Compare(lastOf(a), lastOf(b)) })
	return sheets, losses
}

var formWords = map[string]string{formBinary: "the bytes as base64", formFields: "the fields as JSON"}

func lastOf(s *sheet) int {
	if s.tag.Last {
		return 1
	}
	return 0
}

// unholdable returns the loss of a whole version, or nil.
//
// A version whose value is gone already (Destroyed) leaves a gap in the
// numbers and nothing that anybody could read: a trace, unless it holds a
// role. One that the source could not read (Deleted, Unreadable) was consented
// to when it was exported; that it existed at all is what is lost here.
func unholdable(s *secret.Secret, v *secret.Version) *secret.Loss {
	l := &secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Version}
	switch _, why := valueProblem(v.Value); {
	case string(v.Extra[extraManaged]) == "true":
		l.Why = "a certificate manages this version; it is never imported"
	case v.Missing == secret.Destroyed && v.Ordinal != s.Current && v.Ordinal != s.Previous:
		l.Grade, l.Why = secret.Trace, "Key Vault holds no version without a value; the number stays unused"
	case v.Missing != "":
		l.Grade, l.Why = secret.Meaning, "Key Vault holds no version without a value"
	case why != "":
		l.Why = why
	default:
		return nil
	}
	return l
}

// identity begins the tag of a version.
func identity(v *secret.Version) reserved {
	r := reserved{V: tagVersion, UID: shortUID(v.UID), Ordinal: v.Ordinal}
	r.Created.Time = v.Created
	if !v.Updated.Equal(v.Created) {
		r.Updated.Time = v.Updated
	}
	return r
}

// ofSecret makes r the tag of the version that is written last.
func (r *reserved) ofSecret(s *secret.Secret, stands []*secret.Version) {
	var previous secret.Ordinal
	if holds(stands, s.Previous) {
		previous = s.Previous
	}
	r.Last, r.Previous = true, &previous
	r.NoCurrent = !holds(stands, s.Current)
	if newest := s.Versions[len(s.Versions)-1].Ordinal; newest != stands[len(stands)-1].Ordinal {
		r.Highest = newest
	}
	r.setTimes(s.Created, s.Updated)
}

// setTimes keeps the times of the secret where they are not the version's.
func (r *reserved) setTimes(created, updated time.Time) {
	if !created.Equal(r.Created.Time) {
		r.SecretCreated.Time = created
	}
	if !updated.Equal(history.OrTime(r.Updated.Time, r.Created.Time)) {
		r.SecretUpdated.Time = updated
	}
}

func holds(stands []*secret.Version, o secret.Ordinal) bool {
	return slices.ContainsFunc(stands, func(v *secret.Version) bool { return v.Ordinal == o })
}
