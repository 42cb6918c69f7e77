package hashivault

import (
	"maps"

	"github.com/vaultferry/vaultferry/secret"
)

// plan is an import as the product will hold it.
type plan struct {
	steps []step // of number 1, 2, ...
	head  head
	recs  map[string]string
}

// step is one version of the product.
type step struct {
	value   secret.Value
	erase   bool           // destroyed afterwards: a placeholder, or a version without a value
	ordinal secret.Ordinal // zero for a placeholder
}

// A gap in the ordinals is kept by numbers that are written and destroyed, so
// that native tools see the same numbers as the gateway. A wide one would cost
// as many writes: from there on, numbers and ordinals part.
const (
	widestGap    = 100
	mostInFiller = 500
)

// plan lays out in, which is valid and less the losses.
func (s *Store) plan(in *secret.Secret) *plan {
	p := outline(in)
	p.recs = map[string]string{}
	versions := in.Versions
	for i := range p.steps {
		st := &p.steps[i]
		if st.ordinal == 0 {
			continue
		}
		_, form, _ := encodeValue(s.field, versions[0].Value)
		st.value, p.recs[keyOf(int64(i)+1)] = versions[0].Value, ascii(recordOf(&versions[0], form))
		versions = versions[1:]
	}
	return p
}

// data is a step as it is written: encoded when its turn comes, for all of them
// are as large as the secret.
func (s *Store) data(st *step) []byte {
	data, _, err := encodeValue(s.field, st.value)
	if err != nil { // the forecast took such values away
		data = []byte("{}")
	}
	return data
}

// outline is the plan without the values and the records.
func outline(in *secret.Secret) *plan {
	p := &plan{}
	var offset int64
	filled := 0
	for i := range in.Versions {
		v := &in.Versions[i]
		next := int64(len(p.steps)) + 1
		gap := int64(v.Ordinal) - next - offset
		switch {
		case gap <= 0:
		case i > 0 && gap <= widestGap && filled+int(gap) <= mostInFiller:
			p.fill(next, gap)
			filled += int(gap)
		default:
			offset += gap
			p.head.Shifts = append(p.head.Shifts, [2]int64{next, offset})
		}
		p.add(v)
	}
	h := &p.head
	h.At = int64(len(p.steps))
	h.Current, h.Previous = in.Current, in.Previous
	h.Created, h.Updated = moment{in.Created}, moment{in.Updated}
	h.Text, h.Tags, h.Extra = in.Description, maps.Clone(in.Tags), extraText(in.Extra)
	return p
}

func (p *plan) fill(from, n int64) {
	p.head.Gaps = append(p.head.Gaps, [2]int64{from, from + n - 1})
	for range n {
		p.steps = append(p.steps, step{erase: true})
	}
}

func (p *plan) add(v *secret.Version) {
	p.steps = append(p.steps, step{erase: v.Value.IsNone(), ordinal: v.Ordinal})
	for _, label := range v.Stages {
		if p.head.Stages == nil {
			p.head.Stages = map[string]int64{}
		}
		p.head.Stages[label] = int64(len(p.steps))
	}
}

func (p *plan) headSize() int { return quotedSize(ascii(p.head)) }

// recordSize is what the record of v takes in the companion at most.
func recordSize(v *secret.Version) int {
	return quotedSize(ascii(recordOf(v, formFieldsText)))
}

// quotedSize is the size of an entry as a member of an object.
func quotedSize(s string) int { return len(marshal(s)) + 48 }

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
