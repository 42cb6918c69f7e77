package config

import (
	"strings"
	"testing"
)

// TestForms: names are as long as messages say, and no longer.
func TestForms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		form        form
		least, most int
		bad         []string
	}{
		"credential": {credentialName, 1, 64, []string{"-a", ".a", "a b", "a/b", "a\n", "é"}},
		"store":      {storeName, 1, 63, []string{"-a", "_a", "a b", "a/b", "a\n", "é"}},
		"gateway":    {gatewayID, 32, 32, []string{strings.Repeat("A", 32), strings.Repeat("g", 32), strings.Repeat("a", 31) + "\n"}},
		"project":    {projectID, 1, 64, []string{"a.b", "a b", "a\n"}},
		"domain":     {domainName, 1, 64, []string{"a b", "a@b", "a\n"}},
		"client":     {clientID, 1, 128, []string{"-a", "@a", "a b", "a/b", "a\n"}},
	} {
		for n := range c.most + 2 {
			if got, want := c.form.MatchString(strings.Repeat("a", n)), n >= c.least && n <= c.most; got != want {
				t.Errorf("%s of %d: %v", name, n, got)
			}
		}
		for _, bad := range c.bad {
			if c.form.MatchString(bad) {
				t.Errorf("%s: %q passes", name, bad)
			}
		}
	}
}
