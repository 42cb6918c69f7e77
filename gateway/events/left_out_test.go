package events_test

import (
	"context"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// unlisted is a real store that keeps something from its lists.
type unlisted struct {
	*backendtest.Faulty
	out []secret.LeftOut
}

func (u *unlisted) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	p, err := u.Faulty.List(ctx, q)
	p.LeftOut = u.out
	return p, err
}

// TestDeleteOfWhatMayBeSubscribed: an event stays while secrets that nobody can
// list may subscribe to it.
func TestDeleteOfWhatMayBeSubscribed(t *testing.T) {
	t.Parallel()
	var u *unlisted
	w := newWorld(t, func(o *gateway.Options) {
		u = &unlisted{Faulty: o.Stores[0].Backend.(*backendtest.Faulty)}
		o.Stores[0].Backend = u
	})
	makeEvent(t, w, event("e"))
	for _, why := range []secret.LeftOut{{Why: secret.LeftOutFolder, Name: "f/"}, {Why: secret.LeftOutUnreadable, Name: "s"}} {
		u.out = []secret.LeftOut{why}
		wantKind(t, w.events.Delete(t.Context(), call, "a", "e"), secret.Upstream)
	}
	u.out = []secret.LeftOut{{Why: secret.LeftOutName, Native: "x"}, {Why: secret.LeftOutEmpty, Name: "s"}}
	if err := w.events.Delete(t.Context(), call, "a", "e"); err != nil {
		t.Error(err)
	}
}
