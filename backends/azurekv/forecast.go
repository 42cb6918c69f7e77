package azurekv

import (
	"cmp"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecast implements backends.Backend.
func (b *Backend) Forecast(s *secret.Secret) []secret.Loss {
	wire, err := naming.Encode(s.Name)
	if err != nil {
		return nil // Import refuses the name itself
	}
	_, losses := plan(wire, s, importMark(""), b.now(), b.room.most())
	return losses
}

// plan is an import, decided before anything is written: the writes in their
// order, and what they leave out. It is all that Forecast knows, so what that
// says is what Import does.
//
// The version that is to be current is written last, whatever its ordinal,
// for the product takes the newest as current. The tags keep the true order.
func plan(wire string, s *secret.Secret, mark string, now time.Time, room int) ([]*versionBody, []secret.Loss) {
	losses := []secret.Loss{{Grade: secret.Trace, What: loss.Created, Why: "Key Vault stamps its own times; the gateway keeps these beside the version"}}
	for i := range s.Versions {
		losses = append(losses, unholdable(s, &s.Versions[i])...)
	}
	left := loss.Apply(s, losses)
	if len(left.Versions) == 0 {
		return nil, losses
	}
	newest := left.Newest().Ordinal
	last := newest
	if mark != "" { // else it stands, as it was written
		last = cmp.Or(left.Current, newest)
	}
	switch {
	case left.Current == 0:
		losses = append(losses, secret.Loss{Grade: secret.Meaning, What: loss.Current, Why: "Key Vault's own tools take the version that is written last for the current one"})
	case last != newest:
		losses = append(losses, secret.Loss{Grade: secret.Trace, What: loss.Current, Why: "Key Vault's own tools take the version that is written last for the current one; the gateway keeps the role and the order"})
	}
	var bodies []*versionBody
	for i := range left.Versions {
		v := &left.Versions[i]
		frame := tagSidecar{Version: sidecar.Version{Form: formOf[v.Value.Form()]}, Import: mark, Written: sidecar.Time{Time: now.Truncate(time.Second)}}
		var of *secret.Secret
		if v.Ordinal == last {
			of, frame.Import, frame.Last = left, "", mark
			if n := s.Newest().Ordinal; n != newest {
				frame.Secret = &sidecar.Secret{Highest: n}
			}
		}
		body, lost := layOut(wire, v, of, frame, room)
		if frame.Form != "" {
			lost = append(lost, secret.Loss{Grade: secret.Trace, Version: v.Ordinal, What: loss.Form, Why: natively[frame.Form].why})
		}
		bodies, losses = append(bodies, body), append(losses, lost...)
	}
	slices.SortStableFunc(bodies, func(a, b *versionBody) int { return cmp.Compare(a.tag.Last, b.tag.Last) })
	return bodies, losses
}

// unholdable is the loss of a whole version, or nothing.
//
// A version whose value is gone already (Destroyed) leaves a gap in the
// numbers and nothing that anybody could read: a trace, unless it holds a
// role. One that the source could not read (Deleted, Unreadable) was consented
// to when it was exported; that it existed at all is what is lost here.
func unholdable(s *secret.Secret, v *secret.Version) []secret.Loss {
	l := secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Version}
	switch why := tooLarge(v.Value); {
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
	return []secret.Loss{l}
}
