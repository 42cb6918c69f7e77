package access_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// manyRules are rules of 30 teams, each with a literal prefix.
func manyRules(n int, callers func(team int) string, name func(rule, team int) string) *access.Policy {
	var d access.Directory
	d.Attributes = map[string]map[string]string{}
	for team := range 30 {
		app := fmt.Sprintf("app-%d", team)
		d.Attributes[app] = map[string]string{"team": fmt.Sprint(team)}
		d.Groups = append(d.Groups, access.Group{Name: fmt.Sprintf("team-%d", team), Callers: []string{app}})
	}
	rules := make([]access.Rule, n)
	for i := range rules {
		team := i % 30
		rules[i] = access.Rule{Callers: []string{callers(team)}, Allow: []string{"get", "list"}, Stores: []string{"prod"}, Names: []string{name(i, team)}}
	}
	return d.Policy(rules)
}

// BenchmarkManyRules: what 10,000 rules of 30 teams cost, as a ratio to ten. The
// rule that decides is the last of its team.
func BenchmarkManyRules(b *testing.B) {
	own := func(rule, team int) string { return fmt.Sprintf("teams/%d/app-%d/*", team, rule) }
	one := func(_, team int) string { return fmt.Sprintf("teams/%d/*", team) }
	group := func(team int) string { return fmt.Sprintf("group:team-%d", team) }
	for _, c := range []struct {
		what    string
		callers func(int) string
		name    func(int, int) string
	}{
		{"groups", group, own},
		{"callers", func(team int) string { return fmt.Sprintf("app-%d", team) }, own},
		{"patterns", func(team int) string { return fmt.Sprintf("app-%d*", team) }, own},
		{"one-prefix", group, one},
	} {
		for _, fold := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/fold=%v", c.what, fold), func(b *testing.B) {
				measure := func(n int) func() {
					p, last := manyRules(n, c.callers, c.name), n-1
					who := access.Caller{ID: fmt.Sprintf("app-%d", last%30)}
					prefix := c.name(last, last%30)
					target := access.Target{Store: "prod", Name: secret.Name(prefix[:len(prefix)-1] + "db-password"), FoldCase: fold}
					denied := access.Target{Store: "prod", Name: "teams/elsewhere/db-password", FoldCase: fold}
					return func() {
						if !p.Allow(who, access.Get, target) || p.Allow(who, access.Get, denied) || !p.AllowSome(who, access.Get, "prod") {
							b.Fatal("the wrong answer")
						}
					}
				}
				ten, many := measure(10), measure(10_000)
				least := func(best time.Duration, f func()) time.Duration {
					start := time.Now()
					for range 100 {
						f()
					}
					return min(best, time.Since(start))
				}
				few, lots := time.Hour, time.Hour
				for b.Loop() { // in turns, and the quietest of each: the machine has other work too
					few, lots = least(few, ten), least(lots, many)
				}
				b.ReportMetric(float64(lots)/float64(few), "x-ten-rules")
				b.ReportMetric(float64(lots.Nanoseconds())/100, "ns/decisions")
			})
		}
	}
}
