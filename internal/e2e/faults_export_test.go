package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/secret"
)

// TestExportFaults: whichever request of a backup meets whichever fault, there
// is a whole backup or an error that the audit has too, and the source stays as
// it is.
func TestExportFaults(t *testing.T) {
	t.Parallel()
	for _, product := range slices.Sorted(maps.Keys(faultProducts)) {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			l := newFaultHall(t, product, 1).lines[away(0)]
			if _, err := dialects["azure"](t, l.Gateway, l.store).restore(t.Context(), l.blobs["azure"]); err != nil {
				t.Fatal(err)
			}
			x := &exportFaults{faultLine: l, want: got(l.Export(t.Context(), faulted))(t), things: l.look(t).things}
			for i, f := range faultproxy.Faults() {
				for n := 1; ; n++ {
					dialect := slices.Sorted(maps.Keys(dialects))[(i+n)%2]
					if n > x.reads(t, dialect) {
						break
					}
					t.Run(fmt.Sprintf("read %d %s %s", n, f, dialect), func(t *testing.T) { x.run(t, f, n, dialect) })
				}
			}
		})
	}
}

// exportFaults are backups of one secret, one after the other.
type exportFaults struct {
	*faultLine
	want   *secret.Secret
	things []string
}

// reads counts those of a backup that nothing goes wrong with.
func (x *exportFaults) reads(t *testing.T, dialect string) int {
	t.Helper()
	x.proxy.Count()
	x.whole(t, got(dialects[dialect](t, x.Gateway, x.store).backup(t.Context(), faulted))(t))
	writes, reads := x.proxy.Count()
	if writes != 0 || reads == 0 {
		t.Fatalf("a backup took %d writes and %d reads", writes, reads)
	}
	return reads
}

func (x *exportFaults) run(t *testing.T, f faultproxy.Fault, n int, dialect string) {
	var blob []byte
	err := x.meet(t, f, faultproxy.Reads, n, false, func(ctx context.Context) (err error) {
		blob, err = dialects[dialect](t, x.Gateway, x.store).backup(ctx, faulted)
		return err
	})
	agree(t, dialect, x.lastBackup(t), err)
	if err == nil {
		x.whole(t, blob)
	}
	if things := x.look(t).things; !slices.Equal(things, x.things) {
		t.Errorf("the product holds\n%q, before\n%q", things, x.things)
	}
	backendtest.Compare(t, x.want, got(x.Export(t.Context(), faulted))(t), nil)
}

// whole opens a backup.
func (x *exportFaults) whole(t *testing.T, blob []byte) {
	t.Helper()
	backendtest.Compare(t, x.want, got(x.Keyring.Open(blob))(t).Secret, nil)
}

// lastBackup is the audit's line of it.
func (x *exportFaults) lastBackup(t *testing.T) (out audit.Entry) {
	t.Helper()
	for _, e := range x.Audit.EntriesOf(t, x.store) {
		if e.Action == string(access.Backup) {
			out = e
		}
	}
	return out
}
