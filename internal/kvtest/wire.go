// Package kvtest is what the tests of Vault's key-value engines share.
package kvtest

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
)

// NewWire is a transport below which tests do no harm.
func NewWire(tb testing.TB) http.RoundTripper {
	tb.Helper()
	w := &http.Transport{MaxIdleConnsPerHost: 16}
	tb.Cleanup(w.CloseIdleConnections)
	return w
}

// RoundTripper is a transport in one function.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ErrCut is of a request that a Cutter stopped.
var ErrCut = errors.New("the line was cut")

// Cutter lets requests through until the write with the number At: that fails
// before it is sent, or, with Late set, after it took effect. So do all that
// follow.
type Cutter struct {
	Next   http.RoundTripper
	At     int64
	Late   bool
	Writes atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (c *Cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		if c.Writes.Load() >= c.At {
			return nil, ErrCut
		}
		return c.Next.RoundTrip(r)
	}
	switch n := c.Writes.Add(1); {
	case n < c.At:
		return c.Next.RoundTrip(r)
	case n == c.At && c.Late:
		resp, err := c.Next.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	return nil, ErrCut
}

// Policy is the one that the documentation asks for, of KV version 2.
func Policy(mount string) string {
	return fmt.Sprintf(`
path "%[1]s/data/*" { capabilities = ["create", "update", "read"] }
path "%[1]s/metadata/*" { capabilities = ["create", "update", "patch", "read", "list", "delete"] }
path "%[1]s/destroy/*" { capabilities = ["update"] }
path "%[1]s/delete/*" { capabilities = ["update"] }
path "%[1]s/undelete/*" { capabilities = ["update"] }`, mount)
}
