//go:build race

package migrate

// fewer is how many times fewer minutes a model has under the race detector, which
// takes ten times as long, and finds nothing in what has no goroutines.
const fewer = 10
