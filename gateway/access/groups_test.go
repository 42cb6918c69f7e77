package access_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

var everywhere = []string{"*"}

func TestGroups(t *testing.T) {
	t.Parallel()
	p := access.Directory{
		Groups: []access.Group{{Name: "red", Callers: []string{"app", "ci-*"}}, {Name: "blue", Callers: []string{"app"}}},
	}.Policy([]access.Rule{
		{Callers: []string{"group:red"}, Allow: []string{"get"}, Stores: []string{"s"}, Names: []string{"red/*"}},
		{Callers: []string{"group:bl*"}, Allow: []string{"set"}, Stores: []string{"s*"}, Names: []string{"blue"}},
		{Callers: []string{"group:claimed"}, Allow: []string{"purge"}, Stores: everywhere, Names: everywhere},
	})
	for _, c := range []struct {
		who    access.Caller
		action access.Action
		store  string
		name   secret.Name
		rule   int
		want   bool
	}{
		{access.Caller{ID: "app"}, access.Get, "s", "red/x", 0, true},
		{access.Caller{ID: "ci-7"}, access.Get, "s", "red/x", 0, true},
		{access.Caller{ID: "ci-7"}, access.Set, "s", "blue", 0, false},
		{access.Caller{ID: "app"}, access.Set, "s2", "blue", 1, true},
		{access.Caller{ID: "app"}, access.Purge, "s", "x", 0, false},
		{access.Caller{ID: "app", Groups: []string{"claimed"}}, access.Purge, "s", "x", 2, true},
		{access.Caller{ID: "app", Groups: []string{"claimed"}}, access.Get, "s", "red/x", 0, true},
		{access.Caller{ID: "group:red"}, access.Get, "s", "red/x", 0, false}, // no caller is a group
		{access.Caller{ID: "x", Groups: []string{"*"}}, access.Purge, "s", "x", 0, false},
		{access.Caller{Groups: []string{"claimed"}}, access.Purge, "s", "x", 0, false}, // nobody
	} {
		target := access.Target{Store: c.store, Name: c.name}
		at, got := p.Decide(c.who, c.action, target)
		if got != c.want || at != c.rule || p.Allow(c.who, c.action, target) != c.want {
			t.Errorf("%+v may %s %s in %s: %v by rule %d", c.who, c.action, c.name, c.store, got, at)
		}
	}
}

// A rule for a group that holds local callers is a rule for local callers.
func TestGroupsOfLocalCallers(t *testing.T) {
	t.Parallel()
	p := access.Directory{Groups: []access.Group{{Name: "admins", Callers: []string{"local:root"}}}}.Policy(
		[]access.Rule{{Callers: []string{"group:admins"}, Allow: []string{"get"}, Stores: everywhere, Names: everywhere}})
	target := access.Target{Store: "s", Name: "n"}
	if !p.Allow(access.Local("root"), access.Get, target) || p.Allow(access.Local("root"), access.Set, target) || p.Allow(access.Local("me"), access.Get, target) {
		t.Error("the rule for local callers does not hold")
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	attributes := map[string]map[string]string{
		"app":   {"team": "red"},
		"stars": {"team": "*"},
		"big":   {"team": "RED"},
		"odd":   {"team": "a\x00"},
		"empty": {"team": ""},
		"none":  nil,
	}
	p := access.Directory{Attributes: attributes}.Policy([]access.Rule{
		{Callers: everywhere, Allow: []string{"get", "list", "restore"}, Stores: []string{"s"}, Names: []string{"teams/{caller.team}/*"}},
		{Callers: everywhere, Allow: []string{"set"}, Stores: []string{"s"}, Names: []string{"home/{caller.name}/{caller.team}?"}},
		{Callers: everywhere, Allow: []string{"purge"}, Stores: []string{"s"}, Names: []string{"{caller.team}*"}},
	})
	for _, c := range []struct {
		who    string
		action access.Action
		name   secret.Name
		fold   bool
		want   bool
	}{
		{"app", access.Get, "teams/red/db", false, true},
		{"app", access.Get, "teams/blue/db", false, false},
		{"app", access.Get, "teams/{caller.team}/db", false, false},
		{"app", access.Get, "Teams/Red/db", false, false},
		{"app", access.Get, "Teams/Red/db", true, true},
		{"big", access.Get, "teams/red/db", false, false},
		{"big", access.Get, "teams/red/db", true, true},
		{"app", access.Set, "home/app/red1", false, true},
		{"app", access.Set, "home/big/red1", false, false},
		{"stars", access.Get, "teams/*/db", false, true},
		{"stars", access.Get, "teams/red/db", false, false}, // inserted as a literal
		{"stars", access.Get, "teams/red/db", true, false},
		{"stars", access.Purge, "anything", false, false},
		{"stars", access.Purge, "*thing", false, true},
		{"odd", access.Get, "teams/ab/db", false, false},
		{"odd", access.Purge, "ab", false, false},
		{"empty", access.Get, "teams//db", false, false},
		{"empty", access.Purge, "x", false, false},
		{"none", access.Get, "teams//db", false, false},
		{"stranger", access.Purge, "x", false, false},
		{"local:me", access.Purge, "x", false, false},
	} {
		if got := p.Allow(access.Caller{ID: c.who}, c.action, access.Target{Store: "s", Name: c.name, FoldCase: c.fold}); got != c.want {
			t.Errorf("%s may %s %q (folded: %v): %v", c.who, c.action, c.name, c.fold, got)
		}
	}
	for _, who := range []string{"empty", "none", "stranger", "odd"} {
		c := access.Caller{ID: who}
		if p.AllowSome(c, access.Get, "s") || p.MayUse(c, "s") || p.AllowWithin(c, access.List, access.Target{Store: "s", Name: "teams"}) {
			t.Errorf("%s lacks the attribute, and some name is granted", who)
		}
		if reach := p.Reach(c, access.List, access.Target{Store: "s"}); reach.All {
			t.Errorf("%s reaches everything", who)
		}
		if _, some := p.Reach(c, access.List, access.Target{Store: "s"}).Skip(""); some {
			t.Errorf("%s reaches something", who)
		}
	}
	app := access.Caller{ID: "app"}
	if !p.AllowSome(app, access.Get, "s") || !p.MayUse(app, "s") || !p.AllowWithin(app, access.List, access.Target{Store: "s", Name: "teams/re"}) ||
		p.AllowWithin(app, access.List, access.Target{Store: "s", Name: "teams/b"}) {
		t.Error("what the caller has grants nothing")
	}
	if place, ok := p.Reach(app, access.List, access.Target{Store: "s"}).Skip(""); !ok || place >= "teams/red/" {
		t.Errorf("the reach begins after %q, %v", place, ok)
	}
	restore := func(to, from secret.Name) bool {
		return p.AllowRestore(app, access.Target{Store: "s", Name: to}, access.Origin{Own: true, Store: "s", Name: from})
	}
	if !restore("teams/red/b", "teams/red/a") || restore("teams/red/b", "teams/blue/a") || restore("teams/blue/b", "teams/red/a") {
		t.Error("a restore is not bound to the caller's own names")
	}
}

func TestParsePattern(t *testing.T) {
	t.Parallel()
	if got, err := access.ParsePattern("a{x}/{caller.name}*{caller.team-2}"); err != nil || !slices.Equal(got, []string{"name", "team-2"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"{caller.}", "{caller.Team}", "{caller.team", "a{caller.te am}", "{caller.2}", "a\x00", "\x01"} {
		if _, err := access.ParsePattern(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
		p := access.NewPolicy([]access.Rule{{Callers: everywhere, Allow: everywhere, Stores: everywhere, Names: []string{bad}}})
		if p.AllowSome(access.Caller{ID: "team"}, access.Get, "s") {
			t.Errorf("%q grants something", bad)
		}
	}
}

// plainly is the policy's definition, rule by rule.
func plainly(d access.Directory, rules []access.Rule, c access.Caller, a access.Action, t access.Target) (at int, ok bool) {
	fold := func(s string) string {
		if t.FoldCase {
			return strings.ToLower(s)
		}
		return s
	}
	for i, r := range rules {
		about := slices.ContainsFunc(r.Callers, func(p string) bool {
			group, isGroup := strings.CutPrefix(p, "group:")
			if !isGroup {
				return access.Match(p, c.ID)
			}
			return slices.ContainsFunc(d.Groups, func(g access.Group) bool {
				return access.Match(group, g.Name) && slices.ContainsFunc(g.Callers, func(p string) bool { return access.Match(p, c.ID) })
			})
		})
		store := slices.ContainsFunc(r.Stores, func(p string) bool { return access.Match(p, t.Store) })
		action := slices.ContainsFunc(r.Allow, func(w string) bool { return slices.Contains(access.Meaning(w), a) })
		name := slices.ContainsFunc(r.Names, func(p string) bool {
			team := d.Attributes[c.ID]["team"]
			if strings.Contains(p, "{caller.team}") && team == "" {
				return false
			}
			return access.Match(fold(strings.ReplaceAll(p, "{caller.team}", team)), fold(string(t.Name)))
		})
		if about && store && action && name {
			return i, true
		}
	}
	return 0, false
}

// TestPolicyIsTheDefinition: the index finds what a look at each rule finds.
func TestPolicyIsTheDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		some := func(label string, from ...string) []string {
			return rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(t, label)
		}
		d := access.Directory{
			Groups:     []access.Group{{Name: "g", Callers: some("g", "a", "b*", "?")}, {Name: "gh", Callers: some("gh", "ab", "*")}},
			Attributes: map[string]map[string]string{"a": {"team": rapid.SampledFrom([]string{"", "x", "Xé", "x/y"}).Draw(t, "team")}, "ab": nil},
		}
		var rules []access.Rule
		for range rapid.IntRange(0, 8).Draw(t, "rules") {
			rules = append(rules, access.Rule{
				Callers: some("callers", "a", "b", "a*", "*", "group:g", "group:g*"), Allow: some("allow", "get", "*", "Reader", "set"), Stores: some("stores", "s", "t", "?", "*"),
				Names: rapid.SliceOfN(rapid.OneOf(rapid.StringMatching(`[xXyé/*?]{0,5}`), rapid.SampledFrom([]string{"{caller.team}", "x{caller.team}*", "{caller.team}/?"})), 1, 3).Draw(t, "names"),
			})
		}
		p := d.Policy(rules)
		for range 8 {
			c := access.Caller{ID: rapid.SampledFrom([]string{"a", "ab", "b", "c", ""}).Draw(t, "caller")}
			target := access.Target{
				Store: rapid.SampledFrom([]string{"s", "t", "long"}).Draw(t, "store"), Name: secret.Name(rapid.StringMatching(`[xXyÉé/]{1,6}`).Draw(t, "name")),
				FoldCase: rapid.Bool().Draw(t, "fold"),
			}
			a := rapid.SampledFrom(access.Actions()).Draw(t, "action")
			at, want := plainly(d, rules, c, a, target)
			want = want && c.ID != ""
			got, ok := p.Decide(c, a, target)
			if ok != want || ok && got != at || p.Allow(c, a, target) != want {
				t.Fatalf("%v by rule %d, want %v by rule %d", ok, got, want, at)
			}
			if want && (!p.AllowSome(c, a, target.Store) || !p.MayUse(c, target.Store) || !p.AllowWithin(c, a, target)) {
				t.Fatal("a name is allowed, and not some name")
			}
		}
	})
}
