//go:build unix

package bolt

import "math/bits"

// A larger file than mapSize is mapped anew when it grows, which copies all of
// the transaction that makes it grow and waits for every reader. One of those
// can be a backup that goes to a slow disk. The size is one of addresses, not of
// memory.
const mapSize = 64 << 20 << (bits.UintSize / 64 * 8) // 16 GiB; 64 MiB where addresses are scarce
