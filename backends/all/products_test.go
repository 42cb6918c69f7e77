package all_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/internal/golden"
)

// TestProductsTable: the document says what the products' own forecasts say, to
// which the conformance suite holds each of them.
func TestProductsTable(t *testing.T) {
	t.Parallel()
	golden.Compare(t, "../../docs/limits.md", productsDocument())
}

func productsDocument() string {
	var b strings.Builder
	b.WriteString(`# What each product holds

Written by ` + "`make golden`" + `; a test fails where it is stale. The [words](design.md#words) are those of the design.

The first table is measured. Each product's own forecast is asked about secrets that differ in one thing. Then the conformance
suite imports these secrets, at each size and one above, and compares. ≥ means that no limit was met up to that size. In
brackets stands what native tools see differently, with its grade. A restore accepts *trace*. It refuses *meaning* and *data*,
unless ` + "`on_loss`" + ` of the store says otherwise.

`)
	var reports []backendtest.CapabilityReport
	for _, p := range limits.Products() {
		reports = append(reports, reportOf(p))
	}
	b.WriteString(backendtest.Table(reports...))
	b.WriteString(`
Azure Key Vault keeps stages, description and, beside a version's own tags, those of the secret in one tag of 256 characters.
Huawei Cloud CSMS keeps what it has no place for in its description. Each size is what that room holds when the secret has
nothing else in it. Several at once share the room.

## Where it lies

*native*: the product has a place for it, and its own tools see it there. *beside*: the gateway keeps it where the product
has room. *no*: it is lost, and foretold.

`)
	homes(&b)
	b.WriteString("\n## Where the numbers come from\n\n")
	sources(&b)
	return b.String()
}

func homes(b *strings.Builder) {
	b.WriteString("|")
	for _, p := range limits.Products() {
		b.WriteString(" | " + p.Name)
	}
	b.WriteString(" |\n|" + strings.Repeat("---|", len(limits.Products())+1) + "\n")
	for _, a := range limits.Attributes() {
		b.WriteString("| " + string(a))
		for _, p := range limits.Products() {
			b.WriteString(" | " + string(p.Homes[a]))
		}
		b.WriteString(" |\n")
	}
}

func sources(b *strings.Builder) {
	b.WriteString("| product | what | most | source |\n|---|---|---|---|\n")
	for _, p := range limits.Products() {
		for _, l := range []struct {
			what string
			limits.Limit
		}{
			{"text", p.Text},
			{"binary", p.Binary},
			{"versions", p.Versions},
			{"name", p.NameLength},
			{"tags of a version", p.VersionTags},
			{"tags of the secret", p.SecretTags},
			{"key of a tag", p.TagName},
			{"value of a tag", p.TagValue},
			{"stages", p.Stages},
			{"stage", p.StageLength},
			{"description", p.Description},
			{"content type", p.ContentType},
			{"room for what is kept beside", p.Room},
		} {
			if l.Most > 0 {
				fmt.Fprintf(b, "| %s | %s | %d %s | %s |\n", p.Name, l.what, l.Most, l.Unit, l.Source)
			}
		}
		fmt.Fprintf(b, "| %s | alphabet of names | %s | %s |\n", p.Name, p.Names.Text, p.Names.Source)
	}
}
