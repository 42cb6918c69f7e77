// Package attack holds the attacks that the gateway is to withstand, as tests
// against the program itself: a process of its own, over TLS. What an attack
// costs is measured as memory, goroutines, and what an honest client still
// gets. docs/promises.md says which promise each test holds.
//
// ATTACK_BINARY names another program to attack: an older one, say, to see a
// test fail there.
package attack
