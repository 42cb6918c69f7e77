// Package freeport keeps ports of this machine for servers of tests.
package freeport

import "testing"

// Keep returns an address of 127.0.0.1 that is kept until the test ends: whoever is
// told of it may listen there, as often as it likes, and nobody else is given its port
// by the system. While nobody listens, connections are refused.
func Keep(tb testing.TB) string {
	tb.Helper()
	address, letGo, err := Take()
	if err != nil {
		tb.Fatalf("keep a port: %v", err)
	}
	tb.Cleanup(letGo)
	return address
}
