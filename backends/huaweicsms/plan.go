package huaweicsms

import (
	"cmp"
	"slices"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// plan is an import, decided before anything is written: what stands in the
// end, and what it leaves out. It is all that Forecast knows, so what that says
// is what Import does.
//
// Versions are written in their order, from number one, less the surplus. Their
// entries are in the description before they are there.
type plan struct {
	wire    string
	mark    string // of the import until it is finished
	losses  []secret.Loss
	tags    map[string]string // as the product spells them
	shifts  sidecar.Shifts
	surplus []int64
	*stored      // what is left; nil: nothing
	cramped bool // the ids and times alone may be too long
}

// attributes are the kinds for which there may be no room, the least
// dispensable first.
var attributes = []sidecar.Kind{
	{What: loss.Description, OfSecret: true},
	{What: loss.Extra, OfSecret: true},
	{What: loss.NotBefore},
	{What: loss.ContentType},
	{What: loss.Tags},
	{What: loss.Extra},
	{What: loss.ExpiresFraction},
}

// spare is more than another mark may cost. The final trailer is shorter: it has
// no mark.
const spare = 13

func newPlan(wire string, s *secret.Secret) *plan {
	p := &plan{wire: wire, mark: noMark}
	last := s.Newest() // the next version is above it, whether it stands or not
	lose := func(losses ...secret.Loss) {
		p.losses = append(p.losses, losses...)
		if slices.ContainsFunc(losses, loss.TakesAway) {
			s = loss.Apply(s, losses)
		}
	}
	lose(secret.Loss{Grade: secret.Trace, What: loss.Created, Why: "CSMS sets times by itself; the gateway keeps those of the source"})
	lose(withoutValue(s)...)
	lose(tooMany(s)...)
	if len(s.Versions) == 0 {
		return p
	}
	if offset := int64(last.Ordinal) - int64(len(s.Versions)); offset > 0 {
		p.shifts = sidecar.Shifts{{1, offset}}
	}
	lose(lostRoles(s)...)
	lose(lostLabels(s)...)
	lose(notNative(s)...)
	var why string
	if p.tags, why = spellTags(s.Tags); why != "" {
		lose(secret.Loss{Grade: secret.Meaning, What: loss.Tags, Why: why})
	}
	kinds := attributes
	if len(s.Tags) == 0 { // an empty set has no other place
		kinds = append([]sidecar.Kind{{What: loss.Tags, OfSecret: true}}, kinds...)
	}
	s, lost := sidecar.Fit(s, kinds, noRoom, func(s *secret.Secret) bool {
		h := p.layOut(s)
		fits := h.fits(&h.trailer, spare)
		if fits { // the last one is what is kept
			p.stored = h
		}
		return fits
	})
	if p.losses = append(p.losses, lost...); p.stored == nil {
		p.stored, p.cramped = p.layOut(s), true
	}
	return p
}

// withoutValue are the versions whose value the product cannot hold.
//
// A version whose value is gone already (Destroyed) leaves a gap in the numbers
// and nothing that anybody could read: a trace, unless it holds a role. One that
// the source could not read (Deleted, Unreadable) was consented to when it was
// exported; that it existed at all is what is lost here.
func withoutValue(s *secret.Secret) (lost []secret.Loss) {
	for i := range s.Versions {
		v := &s.Versions[i]
		l := secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Version, Why: valueProblem(v.Value)}
		switch {
		case v.Missing == secret.Destroyed && v.Ordinal != s.Current && v.Ordinal != s.Previous:
			l.Grade, l.Why = secret.Trace, "CSMS holds no version without a value; the number stays unused"
		case v.Missing != "":
			l.Grade, l.Why = secret.Meaning, "CSMS holds no version without a value"
		}
		if l.Why != "" {
			lost = append(lost, l)
		}
	}
	return lost
}

// tooMany are the oldest versions, those with a label last.
func tooMany(s *secret.Secret) (lost []secret.Loss) {
	for _, labelled := range []bool{false, true} {
		for i := range s.Versions {
			v := &s.Versions[i]
			role := v.Ordinal == s.Current || v.Ordinal == s.Previous
			if len(s.Versions)-len(lost) > maxVersions && !role && len(v.Stages) > 0 == labelled {
				lost = append(lost, secret.Loss{
					Grade: secret.Data, Version: v.Ordinal, What: loss.Version, Why: "CSMS holds 20 versions; the oldest go first, and those with a stage last",
				})
			}
		}
	}
	return lost
}

// lostRoles: the product always has a current version, and from the second one
// on a previous one. It gives them to the newest.
func lostRoles(s *secret.Secret) (lost []secret.Loss) {
	shown := s.Current
	if shown == 0 {
		shown = s.Newest().Ordinal
		lost = append(lost, secret.Loss{
			Grade: secret.Trace, What: loss.Current, Why: "CSMS always has a current version; the gateway knows that there is none",
		})
	}
	if s.Previous == 0 && len(s.Versions) > 1 || s.Previous == shown {
		lost = append(lost, secret.Loss{
			Grade: secret.Trace, What: loss.Previous, Why: "CSMS gives the previous role to a version by itself; the gateway knows which has it",
		})
	}
	return lost
}

// lostLabels gives room to those of the newest versions first.
func lostLabels(s *secret.Secret) (lost []secret.Loss) {
	taken := map[string]bool{}
	for _, v := range slices.Backward(s.Versions) {
		if why := labelsProblem(taken, v.Stages); why != "" {
			lost = append(lost, secret.Loss{Grade: secret.Meaning, Version: v.Ordinal, What: loss.Stages, Why: why})
			continue
		}
		for _, l := range v.Stages {
			taken[l] = true
		}
	}
	return lost
}

// notNative is what needs no room and yet is not quite held.
func notNative(s *secret.Secret) (lost []secret.Loss) {
	for i := range s.Versions {
		v := &s.Versions[i]
		lose := func(g secret.Grade, what, why string) {
			lost = append(lost, secret.Loss{Grade: g, Version: v.Ordinal, What: what, Why: why})
		}
		if why := expiresProblem(v.Expires); why != "" {
			lose(secret.Meaning, loss.Expires, why)
		}
		if v.Disabled {
			lose(secret.Data, loss.Disabled, "CSMS cannot disable a version")
		}
		if formOf(v.Value) == sidecar.FormObject {
			lose(secret.Trace, loss.Form, "CSMS holds text, which is the fields as JSON")
		}
	}
	return lost
}

// layOut is s once all is done, and the trailer of the import until then.
func (p *plan) layOut(s *secret.Secret) *stored {
	h := &stored{Secret: *s, writer: writer{facts: newFacts(p.wire)}}
	for n := int64(1); len(h.numbers) < len(s.Versions); n++ {
		if !slices.Contains(p.surplus, n) {
			h.numbers = append(h.numbers, n)
		}
	}
	t := trailer{Surplus: p.surplus}
	t.Import, t.Shifts, t.Created.Time, t.Updated.Time = p.mark, p.shifts, s.Created, s.Updated
	n := int64(len(s.Versions)) // no version has the next number yet, so there is room for roles, which say nothing so far
	h.trailer = h.layOut(t, roles{n + 1, n}, h.Versions)
	return h
}

// newest is the last number.
func (p *plan) newest() int64 { return int64(len(p.Versions) + len(p.surplus)) }

// skip leaves a number out, which is above those that were left out before.
// What was planned for it, and for those after it, moves on by one.
func (p *plan) skip(number int64) {
	p.surplus = append(slices.Clone(p.surplus), number)
	p.stored = p.layOut(&p.Secret)
}

// wanted is what the secret is to be once its versions are there, but for the
// description.
func (p *plan) wanted() wanted {
	h := p.stored
	x := wanted{tags: p.tags, labels: map[string]int64{}, expires: map[int64]int64{}, last: true}
	for i := range h.Versions {
		v := &h.Versions[i]
		x.expires[h.numbers[i]] = expiry(v.Expires)
		for _, l := range v.Stages {
			x.labels[l] = h.numbers[i]
		}
	}
	current, previous := h.number(h.Current), h.number(h.Previous)
	if x.labels[sysCurrent] = current; previous != cmp.Or(current, p.newest()) { // else the product has no place for it
		x.labels[sysPrevious] = previous
	}
	return x
}

// final is the description in the end. The product shows who holds the roles.
func (p *plan) final(f *facts) string {
	t := p.trailer
	t.Import = ""
	p.keepRoles(&t, f.roles())
	return p.join(&t)
}
