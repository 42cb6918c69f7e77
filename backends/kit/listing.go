package kit

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// ListingCache is a product's list of names as the first page of a listing found it,
// for the pages that follow, where the product has no order of ours: each page
// would else cost the whole list again. It holds no value. The zero ListingCache is
// ready.
//
// A first page always reads anew, so no listing sees a state from before its
// own beginning; what this gateway writes is entered at once; what others
// write meanwhile may show on a later page or not, as with any paging.
type ListingCache[T any] struct {
	mu      sync.Mutex
	names   []Listed[T] // sorted, never changed in place; nil: nothing is known
	leftOut []secret.LeftOut
	read    time.Time
	writes  int
}

// Listed is one name of a product's list.
type Listed[T any] struct {
	Name secret.Name
	Item T
}

// ListingAge is how long later pages may lean on the first one.
const ListingAge = time.Minute

// All returns every name in order, and what the product's list has beside them,
// read anew for a first page. What read returns need not be sorted; of two of
// one name the first counts.
func (k *ListingCache[T]) All(now time.Time, first bool, read func() ([]Listed[T], []secret.LeftOut, error)) ([]Listed[T], []secret.LeftOut, error) {
	k.mu.Lock()
	names, leftOut, writes := k.names, k.leftOut, k.writes
	if age := now.Sub(k.read); first || age < 0 || age > ListingAge {
		names = nil
	}
	k.mu.Unlock()
	if names != nil {
		return names, leftOut, nil
	}
	names, leftOut, err := read()
	if err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(names, func(a, b Listed[T]) int { return cmp.Compare(a.Name, b.Name) })
	names = slices.CompactFunc(names, func(a, b Listed[T]) bool { return a.Name == b.Name })
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.names = nil; k.writes == writes { // else it may lack that write
		k.names, k.leftOut, k.read = names, leftOut, now
	}
	return names, leftOut, nil
}

// Enter tells the book of what is under the name now.
func (k *ListingCache[T]) Enter(name secret.Name, item T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes++
	if k.names == nil {
		return
	}
	i, found := slices.BinarySearchFunc(k.names, name, compareListed)
	names := slices.Clone(k.names)
	if found {
		names[i].Item = item
	} else {
		names = slices.Insert(names, i, Listed[T]{name, item})
	}
	k.names = names
}

// Strike tells the book that the name is gone.
func (k *ListingCache[T]) Strike(name secret.Name) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes++
	if i, found := slices.BinarySearchFunc(k.names, name, compareListed); found {
		k.names = slices.Delete(slices.Clone(k.names), i, i+1)
	}
}

func compareListed[T any](l Listed[T], n secret.Name) int { return cmp.Compare(l.Name, n) }

// CutPage cuts one page out of all names, limit long where the query has no
// limit of its own. next is empty on the last page.
func CutPage[T any](q secret.Query, all []Listed[T], limit int) (cut []Listed[T], next secret.Name) {
	from, found := slices.BinarySearchFunc(all, q.After, compareListed)
	if found {
		from++
	}
	if q.Limit > 0 {
		limit = q.Limit
	}
	cut = all[from:min(from+limit, len(all))]
	if from+len(cut) < len(all) {
		next = cut[len(cut)-1].Name
	}
	return cut, next
}
