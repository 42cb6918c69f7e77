package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/secret"
)

// faulted is a name that every product spells as it is.
const faulted = "faulted"

// faultGap is the number that the document leaves out.
const faultGap = 3

// faultDocument needs every kind of write that an import has: a gap in the
// numbers, a first and a last version that are disabled, roles that are not the
// newest's, labels, tags, times, and more attributes than fit beside a value.
func faultDocument() *secret.Secret {
	at := time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)
	s := &secret.Secret{
		Name: faulted, Description: "of the faults", Tags: map[string]string{"team": "payments"},
		Created: at, Updated: at.AddDate(0, 1, 0), Current: 4, Previous: 2,
	}
	for _, o := range []secret.Ordinal{1, 2, faultGap + 1, faultGap + 2} {
		v := secret.Version{
			Ordinal: o, UID: secret.DeriveUID("faults", faulted, o.String(), at), Value: secret.TextValue("value of " + o.String()),
			Created: at.Add(time.Duration(o) * time.Hour), Disabled: o == 1 || o == 5,
		}
		v.Updated = v.Created
		switch o {
		case 2:
			v.Stages = []string{"blue"}
			v.ContentType, v.NotBefore, v.Expires = "text/plain", at, at.AddDate(30, 0, 0)
			v.Tags = map[string]string{"a": strings.Repeat("a", 250), "b": strings.Repeat("b", 250), "c": "d"}
		case 5:
			v.Stages = []string{"pending"}
		}
		s.Versions = append(s.Versions, v)
	}
	return s
}

// importFault is one restore that meets a fault.
type importFault struct {
	product, dialect string
	fault            faultproxy.Fault
	reads            bool // it is one of the reads that meets it, not of the writes
	n                int
	leaves           bool // where the caller gives up: the client goes away; else the deadline comes
	clean            *cleanImport
}

func (f *importFault) String() string {
	what := "write"
	if f.reads {
		what = "read"
	}
	s := fmt.Sprintf("%s %d %s %s", what, f.n, f.fault, f.dialect)
	if f.leaves {
		s += " leaves"
	}
	return s
}

func (f *importFault) picks() func(*http.Request) bool {
	if f.reads {
		return faultproxy.Reads
	}
	return faultproxy.Writes
}

// cleanImport is what the same restore makes where nothing fails.
type cleanImport struct {
	writes, reads int
	things        []string
	losses        []secret.Loss
}

// TestImportFaults: whichever request of an import meets whichever fault, the
// answer, the audit and the product agree, nobody is shown what is not so, the
// source stays as it is, and the same restore again completes it.
func TestImportFaults(t *testing.T) {
	t.Parallel()
	for _, product := range slices.Sorted(maps.Keys(faultProducts)) {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			runs := importFaults(t, product)
			h := newFaultHall(t, product, len(runs))
			for i, f := range runs {
				t.Run(f.String(), func(t *testing.T) {
					t.Parallel()
					f.run(t, h.lines[away(i)])
				})
			}
		})
	}
}

// importFaults lists the runs. The two dialects take turns.
func importFaults(t *testing.T, product string) []*importFault {
	t.Helper()
	names := slices.Sorted(maps.Keys(dialects))
	h := newFaultHall(t, product, len(names))
	clean := map[string]*cleanImport{}
	for i, d := range names {
		clean[d] = h.lines[away(i)].measure(t, d)
	}
	var all []*importFault
	add := func(f importFault, requests func(*cleanImport) int) {
		for f.n = 1; ; f.n++ {
			f.dialect = names[len(all)%len(names)]
			if f.leaves {
				f.dialect = "azure" // the other SDK's calls cannot be left
			}
			if f.clean = clean[f.dialect]; f.n > requests(f.clean) {
				return
			}
			all = append(all, new(f))
		}
	}
	f := importFault{product: product}
	for _, f.fault = range faultproxy.Faults() {
		add(f, func(c *cleanImport) int {
			if f.fault == faultproxy.ThrottledFor { // before anything stands, and after; it costs a second
				return min(c.writes, 2)
			}
			return c.writes
		})
	}
	f.fault, f.leaves = faultproxy.Held, true
	add(f, func(c *cleanImport) int { return c.writes })
	f.leaves, f.reads = false, true
	for _, f.fault = range []faultproxy.Fault{faultproxy.TornAnswer, faultproxy.Held, faultproxy.Throttled} {
		add(f, func(c *cleanImport) int { return c.reads })
	}
	return all
}

// TestChallengeFaults: the challenge, which a client of Key Vault asks for once
// in its life, meets each fault too.
func TestChallengeFaults(t *testing.T) {
	t.Parallel()
	const product = "azurekv"
	faults := faultproxy.Faults()
	h := faultHallOf(t, product, keyVaultBehindProxy(t, len(faults)+1))
	clean := h.lines[away(len(faults))].measure(t, "azure")
	for i, fault := range faults {
		f := importFault{product: product, dialect: "azure", fault: fault, reads: true, n: 1, clean: clean}
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			f.run(t, h.lines[away(i)])
		})
	}
}

func (l *faultLine) measure(t *testing.T, dialect string) *cleanImport {
	t.Helper()
	l.proxy.Count()
	if _, err := dialects[dialect](t, l.Gateway, l.store).restore(t.Context(), l.blobs[dialect]); err != nil {
		t.Fatal(err)
	}
	c := new(cleanImport)
	c.writes, c.reads = l.proxy.Count()
	c.things, c.losses = l.look(t).things, l.Forecast(l.doc)
	if c.writes < 2 || c.reads < 1 || len(c.things) == 0 {
		t.Fatalf("the import took %d writes and %d reads", c.writes, c.reads)
	}
	return c
}

func (f *importFault) run(t *testing.T, l *faultLine) {
	losses := f.clean.losses
	c, blob := dialects[f.dialect](t, l.Gateway, l.store), l.blobs[f.dialect]

	first := l.meet(t, f.fault, f.picks(), f.n, f.leaves, func(ctx context.Context) error {
		_, err := c.restore(ctx, blob)
		return err
	})
	told := l.audited(t, access.Restore, losses)
	if !f.leaves {
		agree(t, f.dialect, told, first)
	}
	l.honest(t, told.Result, losses)
	l.stated(t, f, told, first)
	backendtest.Compare(t, l.doc, got(l.home.Export(t.Context(), faulted))(t), nil)

	_, second := c.restore(t.Context(), blob)
	l.calls.Wait()
	again := l.audited(t, access.Restore, losses)
	agree(t, f.dialect, again, second)
	want := "ok"
	if told.Result == "ok" {
		want = secret.AlreadyExists.Error()
	}
	if again.Result != want {
		t.Errorf("after %q the second answer is %q: %v", told.Result, again.Result, second)
	}
	backendtest.Compare(t, l.doc, got(l.Export(t.Context(), faulted))(t), losses)
	if names := l.listed(t); !slices.Equal(names, []secret.Name{faulted}) {
		t.Errorf("the store lists %q", names)
	}
	if things := l.look(t).things; !slices.Equal(things, f.clean.things) && !f.surplus(things) {
		t.Errorf("the product holds\n%q, want\n%q", things, f.clean.things)
	}
}

// surplus allows what a product without cas cannot be kept from: one version
// that a request made which came twice, and that no reader of ours sees.
func (f *importFault) surplus(things []string) bool {
	return strings.HasPrefix(f.clean.things[0], faulted+" deleted:") && f.fault == faultproxy.Duplicate && len(things) == 1 &&
		things[0] == strings.Replace(f.clean.things[0], "versions:4", "versions:5", 1)
}

// listed are the names that the gateway lists, live or deleted.
func (l *faultLine) listed(t *testing.T) []secret.Name {
	t.Helper()
	var names []secret.Name
	for _, s := range got(l.Service.List(t.Context(), tester, l.store, secret.Query{WithTrash: true}))(t).Secrets {
		names = append(names, s.Name)
	}
	return names
}
