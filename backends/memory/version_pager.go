package memory

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/vaultferry/vaultferry/secret"
)

// DescribePart implements backends.VersionPager.
func (s *Store) DescribePart(ctx context.Context, name secret.Name, p secret.Part) (*secret.Secret, error) {
	on := &s.live
	if p.InTrash {
		on = &s.trash
	}
	e, err := s.find(ctx, "memory.describe_part", name, on)
	if err != nil {
		return nil, err
	}
	return e.head.View(e.part(&p)...).WithoutValues(), nil
}

// part returns the versions that p picks, oldest first.
func (e *entry) part(p *secret.Part) (out []secret.Version) {
	at := func(i int) int { return i }
	if p.ByUID {
		byUID := e.byUID()
		at = func(i int) int { return byUID[i] }
	}
	labels := e.head.Labels()
	from := sort.Search(len(e.versions), func(i int) bool { return p.Follows(&e.versions[at(i)]) })
	for i := from; i < len(e.versions) && !p.Full(len(out)); i++ {
		v := e.versions[at(i)]
		v.Value, v.Stages = secret.Value{}, labels[v.Ordinal]
		if p.Show == nil || p.Show(&e.head.Secret, &v) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b secret.Version) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return out
}

// byUID lists where in versions they are, in the order of their UIDs.
func (e *entry) byUID() []int {
	e.sorting.Do(func() {
		for i := range e.versions {
			e.sorted = append(e.sorted, i)
		}
		order := secret.Part{ByUID: true}
		slices.SortFunc(e.sorted, func(a, b int) int { return order.Compare(e.versions[a], e.versions[b]) })
	})
	return e.sorted
}
