package kv2

import (
	"slices"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// plan is an import as the product will hold it.
type plan struct {
	steps []step // of number 1, 2, ...
	head  headEntry
	// versions are their entries by key.
	versions map[string]string
}

// step is one version of the product.
type step struct {
	value   secret.Value
	erase   bool           // destroyed afterwards: a placeholder, or a version without a value
	ordinal secret.Ordinal // zero for a placeholder
}

// A gap in the ordinals is kept by numbers that are written and destroyed, so
// that native tools see the same numbers as the gateway. All of them together
// may cost so many writes: from a wider one on, numbers and ordinals part.
const mostFilled = 100

// plan lays out in, which is valid and less the losses.
func (s *Store) plan(in *secret.Secret) *plan {
	p := outline(in)
	p.versions = map[string]string{}
	versions := in.Versions
	for i := range p.steps {
		st := &p.steps[i]
		if st.ordinal == 0 {
			continue
		}
		_, form, _ := connection.EncodeValue(s.Field, versions[0].Value)
		st.value, p.versions[keyOf(int64(i)+1)] = versions[0].Value, sidecar.ASCII(versionEntry(&versions[0], form))
		versions = versions[1:]
	}
	return p
}

// data is a step as it is written: encoded when its turn comes, for all of them
// are as large as the secret.
func (s *Store) data(st *step) []byte {
	data, _, err := connection.EncodeValue(s.Field, st.value)
	if err != nil { // the forecast took such values away
		data = []byte("{}")
	}
	return data
}

// outline is the plan without the values and the entries of versions.
func outline(in *secret.Secret) *plan {
	p := &plan{}
	var shifts sidecar.Shifts
	var gaps [][2]int64
	var offset int64
	filled := 0
	for i := range in.Versions {
		v := &in.Versions[i]
		next := int64(len(p.steps)) + 1
		gap := int64(v.Ordinal) - next - offset
		switch {
		case gap <= 0:
		case filled+int(gap) <= mostFilled:
			gaps = append(gaps, [2]int64{next, next + gap - 1})
			p.steps = append(p.steps, slices.Repeat([]step{{erase: true}}, int(gap))...)
			filled += int(gap)
		default:
			offset += gap
			shifts = append(shifts, [2]int64{next, offset})
		}
		p.steps = append(p.steps, step{erase: v.Value.IsNone(), ordinal: v.Ordinal})
	}
	p.head = headOf(history.Of(in, 0), int64(len(p.steps)), shifts, gaps)
	return p
}

// erased lists the numbers that end up without a value.
func (p *plan) erased() []int64 {
	var out []int64
	for i := range p.steps {
		if p.steps[i].erase {
			out = append(out, int64(i)+1)
		}
	}
	return out
}

// stands lists the source's ordinals among the first n numbers.
func (p *plan) stands(n int64) []secret.Ordinal {
	var out []secret.Ordinal
	for i := range p.steps[:min(n, int64(len(p.steps)))] {
		if o := p.steps[i].ordinal; o != 0 {
			out = append(out, o)
		}
	}
	return out
}
