package all_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/secret"
)

// reportOf asks the product itself, not the store that imitates it.
func reportOf(p limits.Product) backendtest.CapabilityReport {
	switch p.Name {
	case "memory":
		return backendtest.ReportOf(memory.New(memory.Options{}))
	case "bolt":
		return backendtest.ReportOf(&bolt.Store{})
	case "PostgreSQL":
		return backendtest.ReportOf(&postgres.Store{})
	}
	return backendtest.ReportOf(imitated{all.Profiles()[p.As]})
}

type imitated struct{ backends.Profile }

func (i imitated) Capabilities() backends.Capabilities { return i.Profile.Capabilities }

func (i imitated) Forecast(s *secret.Secret) []secret.Loss { return i.Profile.Forecast(s) }

// TestLimitsAreTrue: the table's numbers are those that the product's own
// forecast gives, each with its unit and its source.
func TestLimitsAreTrue(t *testing.T) {
	t.Parallel()
	for _, p := range limits.Products() {
		sizes := reportOf(p).Sizes
		rows := []limits.Limit{
			p.Text, p.Binary, p.Versions, p.VersionTags, {}, {}, p.ContentType, p.Stages, p.StageLength, {}, p.SecretTags, {}, {},
		}
		if p.VersionTags.Most > 0 {
			rows[4], rows[5] = p.TagName, p.TagValue
		}
		if p.SecretTags.Most > 0 {
			rows[11], rows[12] = p.TagName, p.TagValue
		}
		if len(sizes) != len(rows) {
			t.Fatalf("a report has %d sizes, this test knows %d", len(sizes), len(rows))
		}
		for i, l := range rows {
			switch {
			case l.Most == 0: // the table says nothing
			case l.Unit == "" || l.Source == "":
				t.Errorf("%s: %s %s: the unit or the source is missing", p.Name, sizes[i].What, sizes[i].Unit)
			case l.Most != sizes[i].Most:
				t.Errorf("%s: %s %s: the table says %d, the forecast %s", p.Name, sizes[i].What, sizes[i].Unit, l.Most, sizes[i])
			}
		}
	}
}

// TestCharacters: Key Vault counts the characters of a content type, not bytes.
func TestCharacters(t *testing.T) {
	t.Parallel()
	of := func(n int) *secret.Secret {
		return &secret.Secret{Name: "n", Current: 1, Versions: []secret.Version{{
			Ordinal: 1, UID: secret.NewUID(), Value: secret.TextValue("x"), ContentType: strings.Repeat("ü", n),
		}}}
	}
	for n, lost := range map[int]bool{255: false, 256: true} {
		got := slices.ContainsFunc(all.Profiles()["azurekv"].Forecast(of(n)), func(l secret.Loss) bool { return l.What == loss.ContentType })
		if got != lost {
			t.Errorf("a content type of %d characters is lost: %v", n, got)
		}
	}
}

// TestTheTableIsWhole: each kind of store and each imitation has its row, of
// the same numbers as its capabilities, and every attribute has a home there.
func TestTheTableIsWhole(t *testing.T) {
	t.Parallel()
	for _, kind := range all.Registry().Kinds() {
		if _, ok := limits.Of(kind); !ok {
			t.Errorf("the table has no row for %s", kind)
		}
	}
	stores := cheap(t)
	for as := range all.Profiles() {
		p, ok := limits.Of(as)
		c := stores["as "+as].Capabilities()
		if !ok || p.Text.Most != c.MaxValue || p.Versions.Most != c.MaxVersions || !strings.HasPrefix(c.Product, p.Name) {
			t.Errorf("%s: the row and the capabilities differ: %+v", as, c)
		}
	}
	for _, p := range limits.Products() {
		for _, a := range limits.Attributes() {
			if p.Homes[a] == "" {
				t.Errorf("%s: %s has no home", p.Name, a)
			}
		}
		if p.Resolution == 0 || p.NameLength.Most == 0 || p.Names.Source == "" {
			t.Errorf("%s: the row is not whole", p.Name)
		}
	}
}

// TestHomes: what the table says to be native or beside is held, what it gives
// to nobody is lost.
func TestHomes(t *testing.T) {
	t.Parallel()
	for _, p := range limits.Products() {
		asked := map[limits.Attribute]bool{limits.DisabledOut: true} // what comes out of a product is no matter of a forecast
		for _, h := range reportOf(p).Holds {
			asked[h.Attribute] = true
			if h.Lost() != (p.Homes[h.Attribute] == limits.Nobody) {
				t.Errorf("%s: %s is at home %q, and the report says: %s", p.Name, h.Attribute, p.Homes[h.Attribute], h)
			}
		}
		for _, a := range limits.Attributes() {
			if !asked[a] {
				t.Errorf("no report says what becomes of %q", a)
			}
		}
	}
}
