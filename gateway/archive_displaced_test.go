package gateway_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv1"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestPushedOut: what a write pushes out of a product is what the audit names,
// and with an archive it is there, and comes back from it.
func TestPushedOut(t *testing.T) {
	t.Parallel()
	for _, choice := range gateway.OnLosses() {
		t.Run(string(choice), func(t *testing.T) {
			t.Parallel()
			b := memory.New(memory.Options{}).Imitate(huaweicsms.Profile())
			w := newNarrow(t, func(o *gateway.Options) { o.Stores[1].Backend, o.Stores[1].OnLoss = b, choice })
			ref := gateway.Ref{Store: "b", Name: "s"}
			for i := 1; i <= 24; i++ {
				d := draft(fmt.Sprint("hush", i))
				switch i {
				case 2:
					d.Stages = []string{"kept"}
				case 22:
					d.KeepCurrent = true
				case 24:
					d.Stages = []string{"kept"} // so that version 2 is free
				}
				before := ordinals(exportOf(t, b, i > 1))
				if _, err := w.Put(t.Context(), call, ref, d); err != nil {
					t.Fatal(err)
				}
				e := w.last(t)
				after := exportOf(t, b, true)
				var out []string
				for _, o := range before {
					if after.Find(secret.ByOrdinal(o)) == nil {
						out = append(out, fmt.Sprintf("data: version %d is not kept: ", o))
					}
				}
				if i > 20 && len(out) != 1 || i <= 20 && len(out) != 0 {
					t.Fatalf("write %d pushed out %q", i, out)
				}
				if !slices.EqualFunc(e.Losses, out, strings.HasPrefix) {
					t.Errorf("write %d: the audit says %q, gone are %q", i, e.Losses, out)
				}
				if kept := choice == gateway.LossArchive && i > 20; (e.Archive != "") != kept {
					t.Errorf("write %d: the archive is %q", i, e.Archive)
				} else if kept {
					comesBack(t, w, e.Archive, out[0])
				}
			}
		})
	}
}

func exportOf(t *testing.T, b backends.Backend, there bool) *secret.Secret {
	t.Helper()
	s, err := b.Export(t.Context(), "s")
	if err != nil && there {
		t.Fatal(err)
	}
	if err != nil {
		return &secret.Secret{}
	}
	return s
}

// comesBack restores what was kept, under a name of its own.
func comesBack(t *testing.T, w *world, file, said string) {
	t.Helper()
	blob, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	as := secret.Name(filepath.Base(file))
	if _, err := w.Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{As: as}); err != nil {
		t.Fatal(err)
	}
	got, err := w.a.Export(t.Context(), as)
	if err != nil {
		t.Fatal(err)
	}
	v := &got.Versions[0]
	if len(got.Versions) != 1 || !strings.Contains(said, fmt.Sprintf("version %d is", v.Ordinal)) || string(v.Value.Reveal()) != fmt.Sprint("hush", v.Ordinal) {
		t.Errorf("of %q came back %d versions, and version %d", said, len(got.Versions), v.Ordinal)
	}
}

// TestPushedOutCannotBeKept: then nothing is pushed out.
func TestPushedOutCannotBeKept(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{}).Imitate(kv1.Profile())
	w := newWorld(t, func(o *gateway.Options) {
		o.Archive = "/dev/null/archive"
		o.Stores[1].Backend, o.Stores[1].OnLoss = b, gateway.LossArchive
	})
	ref := gateway.Ref{Store: "b", Name: "s"}
	if _, err := w.Put(t.Context(), call, ref, draft("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Put(t.Context(), call, ref, draft("second")); !errors.Is(err, secret.Internal) {
		t.Errorf("Put: %v", err)
	}
	if e := w.last(t); e.Archive != "" || len(e.Losses) != 1 {
		t.Errorf("the audit says %q, archive %q", e.Losses, e.Archive)
	}
	got := exportOf(t, b, true)
	if len(got.Versions) != 1 || string(got.Versions[0].Value.Reveal()) != "first" {
		t.Errorf("%d versions stand, the first %d", len(got.Versions), got.Versions[0].Ordinal)
	}
}
