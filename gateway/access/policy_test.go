package access_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// naive is the definition of a pattern, as slow as it is plain.
func naive(p, s []rune) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	if p[0] == '*' {
		return naive(p[1:], s) || (len(s) > 0 && naive(p, s[1:]))
	}
	return len(s) > 0 && (p[0] == '?' || p[0] == s[0]) && naive(p[1:], s[1:])
}

func TestMatchIsTheDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.StringMatching(`[ab/é*?]{0,8}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[ab/é]{0,10}`).Draw(t, "s")
		if got, want := access.Match(p, s), naive([]rune(p), []rune(s)); got != want {
			t.Fatalf("Match(%q, %q) = %v", p, s, got)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b?", "axxbc")
	f.Add("*", "")
	f.Add("\xff*", "\xff/")
	f.Fuzz(func(t *testing.T, p, s string) {
		if len(p) > 12 || len(s) > 16 {
			return
		}
		if got, want := access.Match(p, s), naive([]rune(p), []rune(s)); got != want {
			t.Fatalf("Match(%q, %q) = %v", p, s, got)
		}
	})
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	p := access.NewPolicy([]access.Rule{
		{Callers: []string{"ci"}, Allow: []string{"get", "list"}, Stores: []string{"prod"}, Names: []string{"app/*"}},
		{Callers: []string{"ops-*"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}},
	})
	ci, ops, nobody := access.Caller{ID: "ci"}, access.Caller{ID: "ops-1"}, access.Caller{}
	for _, c := range []struct {
		who    access.Caller
		action access.Action
		store  string
		name   secret.Name
		fold   bool
		want   bool
	}{
		{ci, access.Get, "prod", "app/db/pw", false, true},
		{ci, access.Get, "prod", "other", false, false},
		{ci, access.Get, "prod", "APP/x", false, false},
		{ci, access.Get, "prod", "APP/x", true, true},
		{ci, access.Set, "prod", "app/x", false, false},
		{ci, access.Get, "prod2", "app/x", false, false},
		{ops, access.Purge, "any", "x", false, true},
		{nobody, access.Get, "prod", "app/x", false, false},
		{access.Caller{ID: "local:me", Via: "azure"}, access.Get, "prod", "app/x", false, false},
		{access.Local("me"), access.Purge, "prod", "x", false, true},
	} {
		if got := p.Allow(c.who, c.action, access.Target{Store: c.store, Name: c.name, FoldCase: c.fold}); got != c.want {
			t.Errorf("%s may %s %s in %s: %v", c.who.ID, c.action, c.name, c.store, got)
		}
	}
	if !p.AllowSome(ci, access.Get, "prod") || p.AllowSome(ci, access.Restore, "prod") || p.AllowSome(ci, access.Get, "dev") {
		t.Error("AllowSome is wrong")
	}
}

func TestLocalCallersAreFreeUntilARuleNamesThem(t *testing.T) {
	t.Parallel()
	p := access.NewPolicy([]access.Rule{{Callers: []string{"local:*"}, Allow: []string{"get"}, Stores: []string{"*"}, Names: []string{"*"}}})
	target := access.Target{Store: "s", Name: "n"}
	if !p.Allow(access.Local("me"), access.Get, target) || p.Allow(access.Local("me"), access.Set, target) {
		t.Error("the rule for local callers does not hold")
	}
}

func TestRestoreAsksForTheOrigin(t *testing.T) {
	t.Parallel()
	rule := func(stores, names, from []string) *access.Policy {
		return access.NewPolicy([]access.Rule{{Callers: []string{"c"}, Allow: []string{"restore"}, Stores: stores, Names: names, From: from}})
	}
	all := []string{"*"}
	own := access.Origin{Own: true, Store: "a", Name: "n"}
	other := access.Origin{Store: "a", Name: "n"}
	for name, c := range map[string]struct {
		p    *access.Policy
		o    access.Origin
		want bool
	}{
		"from a store it names":                     {rule([]string{"a", "b"}, all, nil), own, true},
		"from a store it does not name":             {rule([]string{"b"}, all, nil), own, false},
		"every store is still this gateway":         {rule(all, all, nil), other, false},
		"from widens":                               {rule([]string{"b"}, all, []string{"a"}), own, true},
		"from names another store":                  {rule([]string{"b"}, all, []string{"c"}), own, false},
		"a store's name is no gateway's":            {rule([]string{"b"}, all, []string{"a"}), other, false},
		"every gateway":                             {rule([]string{"b"}, all, []string{"*"}), other, true},
		"renamed out of a name that is not covered": {rule([]string{"a", "b"}, []string{"m"}, nil), own, false},
	} {
		target := access.Target{Store: "b", Name: "n"}
		if name == "renamed out of a name that is not covered" {
			target.Name = "m"
		}
		if got := c.p.AllowRestore(access.Caller{ID: "c"}, target, c.o); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A name is folded where its own store folds: "APP" may be nobody's there and
// become "app" on the way.
func TestRestoreFoldsTheOriginAsItsStoreDoes(t *testing.T) {
	t.Parallel()
	p := access.NewPolicy([]access.Rule{{Callers: []string{"c"}, Allow: []string{"restore"}, Stores: []string{"*"}, Names: []string{"app*"}}})
	for _, c := range []struct{ target, origin, want bool }{{false, false, false}, {true, false, false}, {true, true, true}} {
		got := p.AllowRestore(access.Caller{ID: "c"},
			access.Target{Store: "b", Name: "APP1", FoldCase: c.target},
			access.Origin{Own: true, Store: "a", Name: "APP1", FoldCase: c.origin})
		if got != c.want {
			t.Errorf("target folds %v, origin folds %v: %v", c.target, c.origin, got)
		}
	}
}

// TestRestoreAny: what tells neither name nor origin takes one rule for every
// name and every origin.
func TestRestoreAny(t *testing.T) {
	t.Parallel()
	c, all := access.Caller{ID: "c"}, []string{"*"}
	for name, tt := range map[string]struct {
		rules []access.Rule
		want  bool
	}{
		"one rule for all":        {[]access.Rule{{Callers: all, Allow: []string{"restore"}, Stores: []string{"s"}, Names: all, From: all}}, true},
		"another action":          {[]access.Rule{{Callers: all, Allow: []string{"set"}, Stores: all, Names: all, From: all}}, false},
		"another store":           {[]access.Rule{{Callers: all, Allow: all, Stores: []string{"t"}, Names: all, From: all}}, false},
		"some names":              {[]access.Rule{{Callers: all, Allow: all, Stores: all, Names: []string{"a*"}, From: all}}, false},
		"nearly all names":        {[]access.Rule{{Callers: all, Allow: all, Stores: all, Names: []string{"?*"}, From: all}}, false},
		"no origin":               {[]access.Rule{{Callers: all, Allow: all, Stores: all, Names: all}}, false},
		"every store of this one": {[]access.Rule{{Callers: all, Allow: all, Stores: all, Names: all, From: []string{"s"}}}, false},
		"two rules that are halves": {[]access.Rule{
			{Callers: all, Allow: all, Stores: all, Names: all},
			{Callers: all, Allow: all, Stores: all, Names: []string{"a*"}, From: all},
		}, false},
	} {
		if got := access.NewPolicy(tt.rules).AllowRestoreAny(c, "s"); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAllowWithin: somebody may do something in a folder where some name in it
// matches.
func TestAllowWithin(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		"*": true, "a/*": true, "a/b/*": true, "a/b/c-?": true, "a/b/": true, "?/?/x": true, "a*z": true, "*/x": true, "A/B/x": false,
		"a/b": false, "a": false, "b/*": false, "a/bb/*": false, "": false, "?": false,
	} {
		p := access.NewPolicy([]access.Rule{{Callers: []string{"c"}, Allow: []string{"list"}, Stores: []string{"s"}, Names: []string{pattern}}})
		to := access.Target{Store: "s", Name: "a/b/"}
		if got := p.AllowWithin(access.Caller{ID: "c"}, access.List, to); got != want {
			t.Errorf("%q allows something in a/b/: %v", pattern, got)
		}
		to.FoldCase = true
		if got := p.AllowWithin(access.Caller{ID: "c"}, access.List, to); got != (want || pattern == "A/B/x") {
			t.Errorf("%q allows something in a/b/, whatever the case: %v", pattern, got)
		}
	}
}

// Neither a name that is allowed lies before the place that Skip names, nor a
// folder that may hold one.
func TestSkipPassesOverNothingThatIsAllowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfN(rapid.StringMatching(`[ -.ab/éz]{0,4}[*?]?[ab]?`), 1, 4).Draw(t, "patterns")
		p := access.NewPolicy([]access.Rule{{Callers: []string{"c"}, Allow: []string{"list"}, Stores: []string{"s"}, Names: patterns}})
		c, target := access.Caller{ID: "c"}, access.Target{Store: "s", FoldCase: rapid.Bool().Draw(t, "fold")}
		after := secret.Name(rapid.StringMatching(`[ -.ab/éz]{0,5}`).Draw(t, "after"))
		reach := p.Reach(c, access.List, target)
		place, more := reach.Skip(after)
		if more && place < after {
			t.Fatalf("from %q back to %q", after, place)
		}
		target.Name = secret.Name(rapid.StringMatching(`[ -.ab/éz]{1,5}`).Draw(t, "name"))
		allowed := p.Allow(c, access.List, target)
		if target.Name > after && allowed && (!more || target.Name <= place) {
			t.Fatalf("%q after %q is allowed and skipped: %q, %v", target.Name, after, place, more)
		}
		if reach.All && !allowed {
			t.Fatalf("%q is not allowed, though all are", target.Name)
		}
		// A list tells of a folder that it cannot show whoever may list something in it.
		target.Name = secret.Name(rapid.StringMatching(`[ab/é]{0,4}/`).Draw(t, "folder"))
		if target.Name > after && p.AllowWithin(c, access.List, target) && (!more || target.Name <= place) {
			t.Fatalf("the folder %q after %q is skipped: %q, %v", target.Name, after, place, more)
		}
	})
}
