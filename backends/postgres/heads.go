package postgres

import (
	"sync"

	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// headCache holds the sealed heads that this gateway met last, so that a write
// need not read first. One that is old costs another round trip and does no
// harm: see Store.write. The zero headCache is ready.
type headCache struct {
	mu         sync.Mutex
	young, old map[secret.Name][]byte
	size       int // of young, in bytes
}

// maxHeads bounds each half of the cache, in bytes.
const maxHeads = 1 << 20

func (c *headCache) get(name secret.Name) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.young[name]; ok {
		return h
	}
	return c.old[name]
}

// keep holds the head of a live secret, or forgets it where head is nil.
func (c *headCache) keep(name secret.Name, head []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if head == nil {
		delete(c.young, name)
		delete(c.old, name)
		return
	}
	const entry = 200 // what a map needs beside it
	if c.size += len(head) + len(name) + entry; c.size > maxHeads || c.young == nil {
		c.old, c.young, c.size = c.young, map[secret.Name][]byte{}, len(head)
	}
	c.young[name] = head
}

// saltOf names the state that a sealed head is of.
func saltOf(head []byte) []byte { return head[:min(len(head), sealed.SaltSize)] }
