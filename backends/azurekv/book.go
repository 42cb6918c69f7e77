package azurekv

import (
	"cmp"
	"context"
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

// names returns every name in order, read anew for a first page.
func (b *Backend) names(ctx context.Context, first bool) ([]listed, error) {
	now := b.now()
	b.book.mu.Lock()
	names, writes := b.book.names, b.book.writes
	if age := now.Sub(b.book.read); first || age < 0 || age > bookAge {
		names = nil
	}
	b.book.mu.Unlock()
	if names != nil {
		return names, nil
	}
	items, err := b.client.secrets(ctx, false)
	if err != nil {
		return nil, err
	}
	names = modelNames(items)
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	if b.book.names = nil; b.book.writes == writes { // else it may lack that write
		b.book.names, b.book.read = names, now
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

func compareName(l listed, n secret.Name) int { return cmp.Compare(l.model, n) }
