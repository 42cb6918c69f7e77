package memory

import (
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// shelf holds entries by name: the live ones, or the trash. The store's lock
// guards it.
type shelf struct {
	entries map[secret.Name]*entry
	names   []secret.Name // sorted
}

func newShelf() shelf { return shelf{entries: map[secret.Name]*entry{}} }

// keep makes e the entry of name.
func (s *shelf) keep(name secret.Name, e *entry) {
	if s.entries[name] == nil {
		i, _ := slices.BinarySearch(s.names, name)
		s.names = slices.Insert(s.names, i, name)
	}
	s.entries[name] = e
}

func (s *shelf) remove(name secret.Name) {
	if i, found := slices.BinarySearch(s.names, name); found {
		s.names = slices.Delete(s.names, i, i+1)
	}
	delete(s.entries, name)
}

// maxPage bounds a page whatever its Limit.
const maxPage = 1000

// page shows each secret with its current version alone.
func (s *shelf) page(q secret.Query) (p secret.Page) {
	limit := maxPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	from, found := slices.BinarySearch(s.names, q.After)
	if found {
		from++
	}
	to := min(from+limit, len(s.names))
	for _, name := range s.names[from:to] {
		e := s.entries[name]
		var current []secret.Version
		if i := e.index(secret.Current); i >= 0 {
			current = e.versions[i : i+1]
		}
		p.Secrets = append(p.Secrets, e.described(current...))
	}
	if to < len(s.names) {
		p.Next = s.names[to-1]
	}
	return p
}
