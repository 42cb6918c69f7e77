//go:build race

package e2e

// slowness is how much less a test does under the race detector, which takes
// several times as long.
const slowness = 2
