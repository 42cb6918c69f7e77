package backendtest_test

import (
	"fmt"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
)

// A backend calls Run from a test of its own, which Open gives a fresh and
// empty store each time.
func ExampleRun() {
	testConformance := func(t *testing.T) { // elsewhere: func TestConformance(t *testing.T)
		backendtest.Run(t, backendtest.Harness{
			Open: func(t *testing.T) backends.Backend {
				b := memory.New(memory.Options{})
				t.Cleanup(func() { _ = b.Close() })
				return b
			},
			Writers: 4, // at once; fewer where a write is slow or a secret holds few versions
		})
	}
	fmt.Println("conforms:", passes(testConformance))
	// Output:
	// conforms: true
}
