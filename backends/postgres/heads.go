package postgres

import (
	"sync"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// headCache holds the heads that this gateway met last, so that a write need not read
// first, and a read need not open one again. One that is old costs another round trip
// and does no harm: see Store.run. The zero headCache is ready.
type headCache struct {
	mu         sync.Mutex
	young, old map[secret.Name]cachedHead
	size       int // of young, in bytes
}

// cachedHead is a live secret's head, which is never changed, and the attributes of
// the version that was read with it last.
type cachedHead struct {
	sealed     []byte
	head       *history.Head
	attributes []byte
	version    *secret.Version // of attributes, without its value; nil: none was read
}

// maxHeads bounds each half of the cache, in bytes.
const maxHeads = 2 << 20

func (c *headCache) get(name secret.Name) cachedHead {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.young[name]; ok {
		return h
	}
	return c.old[name]
}

// keep holds the head of a live secret, or forgets it where there is none.
func (c *headCache) keep(name secret.Name, h cachedHead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.sealed == nil {
		delete(c.young, name)
		delete(c.old, name)
		return
	}
	const entry = 200 // what a map needs beside it
	if c.size += 4*len(h.sealed) + 4*len(h.attributes) + len(name) + entry; c.size > maxHeads || c.young == nil {
		c.old, c.young, c.size = c.young, map[secret.Name]cachedHead{}, 4*len(h.sealed)+4*len(h.attributes)
	}
	c.young[name] = h
}
