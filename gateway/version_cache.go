package gateway

import (
	"slices"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// versionCache is what one page of a secret's versions has read, for the pages
// that follow, of products that read all versions for each (see
// backends.VersionPager). It holds no value. The zero versionCache is ready.
//
// A first page always reads anew, as in kit.ListingCache. What this gateway
// writes shows on the next page; what others write meanwhile may show on a later
// page or not.
type versionCache struct {
	mu     sync.Mutex
	kept   []keptVersions // the latest last
	writes int
}

type keptVersions struct {
	versionsKey
	read   time.Time
	secret *secret.Secret // never changed
}

type versionsKey struct {
	of      *opened // a store that is another one now has other versions
	store   string
	name    secret.Name
	inTrash bool
}

// maxKept bounds how many listings at once are held.
const maxKept = 8

// find returns what was read of the secret, or nil. writes goes to keep.
func (c *versionCache) find(k versionsKey, now time.Time) (sec *secret.Secret, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.kept {
		if age := now.Sub(c.kept[i].read); c.kept[i].versionsKey == k && age >= 0 && age <= kit.ListingAge {
			sec = c.kept[i].secret
		}
	}
	return sec, c.writes
}

// keep holds what was read at now, unless something was written since find.
func (c *versionCache) keep(k versionsKey, now time.Time, sec *secret.Secret, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes != writes {
		return
	}
	c.kept = slices.DeleteFunc(c.kept, func(v keptVersions) bool { return v.versionsKey == k })
	c.kept = append(c.kept, keptVersions{k, now, sec})
	c.kept = slices.Delete(c.kept, 0, max(0, len(c.kept)-maxKept))
}

// wrote forgets a secret that may be another now. An empty name is every one.
func (c *versionCache) wrote(store string, name secret.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	c.kept = slices.DeleteFunc(c.kept, func(v keptVersions) bool { return v.store == store && (name == "" || v.name == name) })
}
