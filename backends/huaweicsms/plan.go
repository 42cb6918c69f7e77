package huaweicsms

import (
	"slices"
	"time"

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
	wire              string
	human             string
	t                 trailer           // Import is set
	versions          []*secret.Version // by number, less what is lost of them
	tags              map[string]string // of the secret, as spelt
	labels            map[string]int64
	current, previous int64 // by number; zero: none
	losses            []secret.Loss
	// cramped: the description was given up, and perhaps even the identities
	// do not fit.
	cramped bool
}

func newPlan(wire string, s *secret.Secret, marker string) *plan {
	p := &plan{wire: wire, t: trailer{Import: marker}, labels: map[string]int64{}}
	p.lose(secret.Trace, 0, loss.Created, "CSMS stamps its own times; the gateway keeps these beside the version")
	for _, v := range p.choose(s) {
		p.versions = append(p.versions, new(v.Clone()))
	}
	if len(p.versions) == 0 {
		return p
	}
	p.setIdentity(s)
	p.setRoles(s)
	p.setLabels()
	p.setNative()
	p.setSecret(s)
	p.setAttributes()
	return p
}

func (p *plan) lose(g secret.Grade, o secret.Ordinal, what, why string) {
	p.losses = append(p.losses, secret.Loss{Grade: g, Version: o, What: what, Why: why})
}

// choose leaves out the versions that the product cannot hold.
func (p *plan) choose(s *secret.Secret) []*secret.Version {
	var stands []*secret.Version
	for i := range s.Versions {
		v := &s.Versions[i]
		if l := unholdable(s, v); l != nil {
			p.losses = append(p.losses, *l)
			continue
		}
		stands = append(stands, v)
	}
	for _, labelled := range []bool{false, true} { // those with a label go last
		over := len(stands) - maxVersions
		stands = slices.DeleteFunc(stands, func(v *secret.Version) bool {
			if over <= 0 || v.Ordinal == s.Current || v.Ordinal == s.Previous || len(v.Stages) > 0 && !labelled {
				return false
			}
			over--
			p.lose(secret.Data, v.Ordinal, loss.Version, "CSMS holds 20 versions; the oldest go, those with a stage last")
			return true
		})
	}
	return stands
}

// unholdable returns the loss of a whole version, or nil.
//
// A version whose value is gone already (Destroyed) leaves a gap in the numbers
// and nothing that anybody could read: a trace, unless it holds a role. One that
// the source could not read (Deleted, Unreadable) was consented to when it was
// exported; that it existed at all is what is lost here.
func unholdable(s *secret.Secret, v *secret.Version) *secret.Loss {
	l := &secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Version}
	switch _, why := valueProblem(v.Value); {
	case v.Missing == secret.Destroyed && v.Ordinal != s.Current && v.Ordinal != s.Previous:
		l.Grade, l.Why = secret.Trace, "CSMS holds no version without a value; the number stays unused"
	case v.Missing != "":
		l.Grade, l.Why = secret.Meaning, "CSMS holds no version without a value"
	case why != "":
		l.Why = why
	default:
		return nil
	}
	return l
}

// setIdentity lays out what is never left out.
func (p *plan) setIdentity(s *secret.Secret) {
	last := s.Versions[len(s.Versions)-1].Ordinal // the next one is above it, whether it stands or not
	p.t.Offset = last - secret.Ordinal(len(p.versions))
	p.t.Created, p.t.Updated = compact(s.Created), compact(s.Updated)
	if isHash(p.wire) {
		p.t.Name = s.Name
	}
	for i, v := range p.versions {
		e := entry{Number: int64(i) + 1, Form: formOf(v.Value), Disabled: v.Disabled}
		if e.identify(v); v.Ordinal != secret.Ordinal(e.Number)+p.t.Offset {
			e.Ordinal = v.Ordinal
		}
		p.t.Entries = append(p.t.Entries, e)
	}
}

func (p *plan) number(o secret.Ordinal) int64 {
	return int64(slices.IndexFunc(p.versions, func(v *secret.Version) bool { return v.Ordinal == o })) + 1
}

// setRoles: the product always has a current version, and from the second one
// on a previous one. It gives them to the newest.
func (p *plan) setRoles(s *secret.Secret) {
	p.current, p.previous = p.number(s.Current), p.number(s.Previous)
	n := p.newest()
	if p.current == 0 {
		p.lose(secret.Trace, 0, loss.Current, "CSMS always has a current version; the gateway knows that there is none")
	}
	if p.previous == 0 && n > 1 || p.previous != 0 && p.previous == p.theirCurrent() {
		p.lose(secret.Trace, 0, loss.Previous, "CSMS always has a current and a previous version; the gateway knows which are none")
	}
	p.t.Roles = &roles{n, n, n, n} // the room that it may take
}

// theirCurrent is the current version of the product once all is done.
func (p *plan) theirCurrent() int64 {
	if p.current == 0 {
		return p.newest()
	}
	return p.current
}

// newest is the last number.
func (p *plan) newest() int64 { return int64(len(p.versions) + len(p.t.Surplus)) }

// skip leaves a number out, which is above those that were left out before.
// What was planned for it, and for those after it, moves on by one.
func (p *plan) skip(number int64) {
	moved := func(n int64) int64 {
		if n >= number {
			n++
		}
		return n
	}
	p.t.Surplus = append(slices.Clone(p.t.Surplus), number)
	p.t.Entries = slices.Clone(p.t.Entries)
	for i := range p.t.Entries {
		e := &p.t.Entries[i]
		e.Number, e.Ordinal = moved(e.Number), 0
		if o := p.versions[i].Ordinal; o != secret.Ordinal(e.Number)+p.t.Offset {
			e.Ordinal = o
		}
	}
	for l, n := range p.labels {
		p.labels[l] = moved(n)
	}
	p.current, p.previous = moved(p.current), moved(p.previous)
}

// setLabels gives room to those of the newest versions first.
func (p *plan) setLabels() {
	taken := map[string]bool{}
	for i, v := range slices.Backward(p.versions) {
		if why := labelsProblem(taken, v.Stages); why != "" {
			p.lose(secret.Meaning, v.Ordinal, loss.Stages, why)
			v.Stages = nil
		}
		for _, l := range v.Stages {
			taken[l], p.labels[l] = true, int64(i)+1
		}
	}
}

// setNative: what needs no room and yet is not quite held.
func (p *plan) setNative() {
	for _, v := range p.versions {
		if why := expiresProblem(v.Expires); why != "" {
			p.lose(secret.Meaning, v.Ordinal, loss.Expires, why)
			v.Expires = time.Time{}
		}
		if v.Disabled {
			p.lose(secret.Data, v.Ordinal, loss.Disabled, "CSMS knows no disabled version: its own tools can read this one")
		}
		if formOf(v.Value) == formFields {
			p.lose(secret.Trace, v.Ordinal, loss.Form, "CSMS holds text: its own tools see the fields as JSON")
		}
	}
}

func (p *plan) setSecret(s *secret.Secret) {
	if p.human = s.Description; !p.fits(&p.t) {
		p.human, p.cramped = "", true
		p.lose(secret.Meaning, 0, loss.Description, noRoom)
	}
	var why string
	if p.tags, why = spellTags(s.Tags); why != "" {
		p.lose(secret.Meaning, 0, loss.Tags, why)
	}
	next := p.t
	if next.Extra = sidecar.Members(s.Extra.Clone()); len(s.Extra) > 0 {
		p.try(next, func() { p.lose(secret.Meaning, 0, loss.Extra, noRoom) })
	}
}

// setAttributes: one kind after the other, of the newest version first where
// there is no room for all.
func (p *plan) setAttributes() {
	kinds := len(attributes(p.versions[0]))
	for k := range kinds {
		next, held := p.t, false
		next.Entries = slices.Clone(p.t.Entries)
		for i, v := range p.versions {
			if a := attributes(v)[k]; a.held {
				a.set(&next.Entries[i])
				held = true
			}
		}
		if held {
			p.try(next, func() { p.setKind(k) })
		}
	}
}

func (p *plan) setKind(k int) {
	for i, v := range slices.Backward(p.versions) {
		a := attributes(v)[k]
		if !a.held {
			continue
		}
		e := p.t.Entries[i]
		a.set(&e)
		p.try(p.t.set(e), func() { p.lose(secret.Meaning, v.Ordinal, a.what, noRoom) })
	}
}

// spare is what another marker may cost, and what the final trailer may say
// more of roles.
const spare = 24

func (p *plan) fits(t *trailer) bool {
	return fits(p.wire, p.human, t, spare)
}

// try takes the trailer, or calls drop if it does not fit.
func (p *plan) try(next trailer, drop func()) {
	if !p.fits(&next) {
		drop()
		return
	}
	p.t = next
}

// wanted is what the secret is to be once its versions are there, but for the
// description.
func (p *plan) wanted() wanted {
	x := wanted{tags: p.tags, labels: map[string]int64{}, expires: map[int64]int64{}, last: true}
	for l, number := range p.labels {
		x.labels[l] = number
	}
	if p.current != 0 {
		x.labels[sysCurrent] = p.current
	}
	if p.previous != 0 && p.previous != p.theirCurrent() {
		x.labels[sysPrevious] = p.previous
	}
	for i, v := range p.versions {
		if ms, _ := expiry(v.Expires); ms != 0 {
			x.expires[p.t.Entries[i].Number] = ms
		}
	}
	return x
}

// final is the description in the end. The product shows who holds the roles.
func (p *plan) final(f *facts) string {
	t := p.t
	t.Import = ""
	t.Roles = roles{f.holder(sysCurrent), f.holder(sysPrevious), p.current, p.previous}.needed()
	return join(p.wire, p.human, &t)
}
