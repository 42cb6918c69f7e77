package backendtest

import (
	"fmt"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// tooSlow is how large a probe may be that is written in the suite.
const tooSlow = 20 << 20

// testReport prints the report, and holds the store to it: each attribute, and
// each size at its most and one above, are what was foretold once they are
// imported.
func testReport(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	report := ReportOf(b)
	t.Logf("the report:\n%s", report)
	try := func(what string, s *secret.Secret) {
		for _, d := range ForecastDifferences(ctx, b, s) {
			t.Errorf("%s: %s", what, d)
		}
	}
	for i, p := range attributes() {
		p.s.Name = secret.Name(fmt.Sprint("attribute-", i))
		try(string(p.attribute), p.s)
	}
	for i, p := range sizes() {
		most := report.Sizes[i].Most
		if most == 0 || most > tooSlow {
			continue
		}
		for above := range 2 {
			s := p.of(most + above)
			s.Name = secret.Name(fmt.Sprintf("size-%d-%d", i, above))
			try(fmt.Sprintf("%s, %s: %d", p.what, p.unit, most+above), s)
		}
	}
}
