package control

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// TestRequestsCross: what a command's call asks of a product is counted for the
// command as it is within the gateway.
func TestRequestsCross(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, "main", "n", secret.TextValue("hush"))
	k, ref := inventory.NewKey(), gateway.Ref{Store: "main", Name: "n"}
	digest := func(s interface {
		Digest(context.Context, gateway.Call, gateway.Ref, inventory.Key, gateway.DigestOptions) (*inventory.Entry, error)
	},
	) int64 {
		t.Helper()
		ctx, count := backends.WithCallCount(t.Context())
		_, err := s.Digest(ctx, call("diff"), ref, k, gateway.DigestOptions{})
		must(t, err)
		return count()
	}
	if within, across := digest(w.Service), digest(w.client); within == 0 || across != within {
		t.Errorf("%d requests across the socket, %d within the gateway", across, within)
	}
}

// paced notes what a pace is told.
type paced struct {
	waits, refusals int
	after           time.Duration
}

func (p *paced) Wait(context.Context) { p.waits++ }

func (p *paced) Refused(after time.Duration) { p.refusals, p.after = p.refusals+1, after }

// TestPaceCrosses: whoever paces the calls of a command learns what a product refused,
// also where the call failed.
func TestPaceCrosses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, fails := range []error{nil, &secret.Error{Kind: secret.Throttled, RetryAfter: time.Second}} {
		o := operation[noArgs, nothing]{name: "busy", do: func(ctx context.Context, _ *gateway.Service, _ gateway.Call, _ noArgs) (nothing, error) {
			for range 5 {
				backends.CountCall(ctx)
			}
			backends.Refused(ctx, 3*time.Second)
			backends.Refused(ctx, 0)
			return nothing{}, fails
		}}
		path, server := filepath.Join(shortDir(t), "busy"), &Server{}
		server.Use(w.Service, nil)
		serveAt(t, path, handlerOf(server, o))
		p := &paced{}
		if _, err := o.ask(backends.WithPace(t.Context(), p), clientOf(path), call("test"), noArgs{}); (err == nil) != (fails == nil) {
			t.Fatal(err)
		}
		if want := (paced{5, 2, 3 * time.Second}); *p != want {
			t.Errorf("after %v: %+v, want %+v", fails, *p, want)
		}
	}
}
