package backendtest_test

import (
	"flag"
	"testing"
)

// passes runs a test where none is: in an example. What it would say with -v is
// left out, for it would be taken for the example's output.
func passes(test func(*testing.T)) bool {
	verbose := flag.Lookup("test.v").Value
	was := verbose.String()
	defer func() { _ = verbose.Set(was) }()
	_ = verbose.Set("false")
	every := func(_, _ string) (bool, error) { return true, nil }
	return testing.RunTests(every, []testing.InternalTest{{Name: "TestConformance", F: test}})
}
