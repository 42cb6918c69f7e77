package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/secret"
)

// appendRoles are those of the document that is appended, whose versions are 1, 2, 4
// and 5: of the last two, which the target lacks, none, one or both have a role.
var appendRoles = [][2]secret.Ordinal{{4, 2}, {5, 4}, {4, 5}, {2, 5}}

// TestAppendFaults: whichever write of an append never came, or was done and nobody
// heard of it, the same append again ends as one that nothing met: each version
// once, with its labels, its roles and whatever else belongs to it.
func TestAppendFaults(t *testing.T) {
	t.Parallel()
	for _, product := range []string{"hashivault", "azurekv", "huaweicsms"} { // the others hold one version, or are no network's
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			runs := appendFaults(t, product)
			h := newFaultHall(t, product, len(runs))
			for i, f := range runs {
				t.Run(fmt.Sprintf("roles %v write %d %s", f.roles, f.n, f.fault), func(t *testing.T) {
					t.Parallel()
					f.run(t, h.lines[away(i)])
				})
			}
		})
	}
}

// appendFault is one append that meets a fault.
type appendFault struct {
	roles [2]secret.Ordinal
	fault faultproxy.Fault
	n     int
	after string // what stands where nothing fails
}

func appendFaults(t *testing.T, product string) []*appendFault {
	t.Helper()
	h := newFaultHall(t, product, len(appendRoles))
	var all []*appendFault
	for i, roles := range appendRoles {
		l := h.lines[away(i)]
		grown := l.prepareAppend(t, roles)
		l.proxy.Count()
		if err := l.append(t, grown); err != nil {
			t.Fatal(err)
		}
		writes, _ := l.proxy.Count()
		after := l.whole(t)
		if writes < 2 || strings.Count(after, "\n") != 4 {
			t.Fatalf("the append took %d writes, and there is\n%s", writes, after)
		}
		for n := range writes {
			for _, fault := range []faultproxy.Fault{faultproxy.CutBefore, faultproxy.CutAfter} {
				all = append(all, &appendFault{roles, fault, n + 1, after})
			}
		}
	}
	return all
}

// prepareAppend restores the first two versions of the document, one with a label
// that moves on later, and returns a backup of all of them.
func (l *faultLine) prepareAppend(t *testing.T, roles [2]secret.Ordinal) []byte {
	t.Helper()
	doc := faultDocument()
	doc.Current, doc.Previous = roles[0], roles[1]
	base := faultDocument()
	base.Versions = base.Versions[:2]
	base.Current, base.Previous = 2, 1
	base.Versions[0].Stages = []string{"pending"}
	var blobs [2][]byte
	for i, s := range []*secret.Secret{base, doc} {
		s.Name = secret.Name(fmt.Sprintf("%s-%d-%d-%d", l.store, roles[0], roles[1], i))
		if _, err := l.home.Import(t.Context(), s, ""); err != nil {
			t.Fatal(err)
		}
		blobs[i] = got(l.Service.Backup(t.Context(), tester, gateway.Ref{Store: "home", Name: s.Name}))(t)
	}
	if _, err := l.Service.Restore(t.Context(), tester, l.store, blobs[0], gateway.RestoreOptions{As: faulted}); err != nil {
		t.Fatal(err)
	}
	return blobs[1]
}

func (l *faultLine) append(t *testing.T, blob []byte) error {
	t.Helper()
	_, err := l.Service.Restore(t.Context(), tester, l.store, blob, gateway.RestoreOptions{As: faulted, OnConflict: gateway.ConflictAppend})
	return err
}

// whole is all that an append brings, as a text.
func (l *faultLine) whole(t *testing.T) string {
	t.Helper()
	s := got(l.Export(t.Context(), faulted))(t)
	out := fmt.Sprintf("current %d, previous %d", s.Current, s.Previous)
	for i := range s.Versions {
		v := &s.Versions[i]
		slices.Sort(v.Stages)
		out += fmt.Sprintf("\n%d: %s %q, disabled %v, missing %q, type %q, tags %v, labels %q, from %v, expires %v, created %v",
			v.Ordinal, v.UID, v.Value.Reveal(), v.Disabled, v.Missing, v.ContentType, v.Tags, v.Stages, v.NotBefore.UTC(), v.Expires.UTC(), v.Created.UTC())
	}
	return out
}

func (f *appendFault) run(t *testing.T, l *faultLine) {
	blob := l.prepareAppend(t, f.roles)
	met := l.proxy.Arm(f.fault, faultproxy.Writes, f.n)
	first := l.append(t, blob)
	<-met.Settled
	if err := l.append(t, blob); err != nil {
		t.Fatalf("after %v the second append ends with: %v", first, err)
	}
	if now := l.whole(t); now != f.after {
		t.Errorf("after %v and a second append there is\n%s\nwant\n%s", first, now, f.after)
	}
	if first != nil && !errors.Is(first, secret.Partial) && !errors.Is(first, secret.Unknown) && !errors.Is(first, secret.Unavailable) {
		t.Errorf("a fault on the line is told as %v", first)
	}
}
