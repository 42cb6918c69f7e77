package azurekv

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// book is the product's list of names as the first page of a listing found it,
// for the pages that follow: each would else cost the whole list again, 400
// calls for ten thousand names. It holds no value.
//
// A first page always reads anew, so no listing sees a state from before its
// own beginning; what this gateway writes is entered at once; what others
// write meanwhile may show on a later page or not, as with any paging.
type book struct {
	mu     sync.Mutex
	names  []listed // sorted, never changed in place; nil: nothing is known
	read   time.Time
	writes int
}

// bookAge is how long later pages may lean on the first one.
const bookAge = time.Minute

// all returns every name in order, read anew for a first page.
func (k *book) all(now time.Time, first bool, read func() ([]item, error)) ([]listed, error) {
	k.mu.Lock()
	names, writes := k.names, k.writes
	if age := now.Sub(k.read); first || age < 0 || age > bookAge {
		names = nil
	}
	k.mu.Unlock()
	if names != nil {
		return names, nil
	}
	items, err := read()
	if err != nil {
		return nil, err
	}
	names = modelNames(items)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.names = nil; k.writes == writes { // else it may lack that write
		k.names, k.read = names, now
	}
	return names, nil
}

// enter tells the book of a version that is current now.
func (k *book) enter(name secret.Name, it item) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes++
	if k.names == nil {
		return
	}
	i, found := slices.BinarySearchFunc(k.names, name, compareName)
	names := slices.Clone(k.names)
	if found {
		names[i].item = it
	} else {
		names = slices.Insert(names, i, listed{it, name})
	}
	k.names = names
}

// strike tells the book that the name is gone.
func (k *book) strike(name secret.Name) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes++
	if i, found := slices.BinarySearchFunc(k.names, name, compareName); found {
		k.names = slices.Delete(slices.Clone(k.names), i, i+1)
	}
}

func compareName(l listed, n secret.Name) int { return cmp.Compare(l.model, n) }
