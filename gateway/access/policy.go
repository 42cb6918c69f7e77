package access

import (
	"iter"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// Rule grants. All lists are patterns except Allow, which holds actions or
// "*". What no rule grants is denied.
type Rule struct {
	Callers []string
	Allow   []string
	Stores  []string
	Names   []string
	// From widens which blobs a restore under this rule may bring in: names
	// of stores of this gateway; "*" includes every other gateway. Without it
	// a rule covers blobs from the stores that it names itself.
	From []string
}

// Target is what an action is done to.
type Target struct {
	Store string
	Name  secret.Name
	// FoldCase: the product ignores the case of names, and so must patterns.
	FoldCase bool
}

// Origin is where a blob came from, as its sealed document says.
type Origin struct {
	Own   bool // sealed by this gateway
	Store string
	Name  secret.Name
	// FoldCase: as in Target, of the store that the blob left. What the target
	// folds must not widen what a pattern means there.
	FoldCase bool
}

// Policy decides. It is safe for concurrent use and never changes.
type Policy struct {
	rules []Rule
	local bool // some rule names local callers, so they are not free
}

// NewPolicy returns the policy of the rules.
func NewPolicy(rules []Rule) *Policy {
	p := &Policy{rules: slices.Clone(rules)}
	for _, r := range rules {
		for _, c := range r.Callers {
			p.local = p.local || strings.HasPrefix(c, localPrefix)
		}
	}
	return p
}

// Allow reports whether c may do a to t.
func (p *Policy) Allow(c Caller, a Action, t Target) bool {
	return p.find(c, a, t.Store, func(r Rule) bool { return matchAny(r.Names, string(t.Name), t.FoldCase) })
}

// AllowWithin is Allow for some name that begins with that of t.
func (p *Policy) AllowWithin(c Caller, a Action, t Target) bool {
	return p.find(c, a, t.Store, func(r Rule) bool {
		return slices.ContainsFunc(r.Names, func(pattern string) bool {
			if t.FoldCase {
				return MatchWithin(strings.ToLower(pattern), strings.ToLower(string(t.Name)))
			}
			return MatchWithin(pattern, string(t.Name))
		})
	})
}

// AllowSome reports whether c may do a to at least some name in the store. It
// is asked before a blob is opened, so that nobody without any right learns
// whether one opens.
func (p *Policy) AllowSome(c Caller, a Action, store string) bool {
	return p.find(c, a, store, func(Rule) bool { return true })
}

// MayUse reports whether c may do anything at all in the store.
func (p *Policy) MayUse(c Caller, store string) bool {
	return slices.ContainsFunc(Actions(), func(a Action) bool { return p.AllowSome(c, a, store) })
}

// AllowRestore reports whether one rule lets c restore into t what came from
// o: a blob may not be a way round the rules of the store that it left.
func (p *Policy) AllowRestore(c Caller, t Target, o Origin) bool {
	return p.find(c, Restore, t.Store, func(r Rule) bool {
		if !matchAny(r.Names, string(t.Name), t.FoldCase) {
			return false
		}
		switch {
		case slices.Contains(r.From, "*"):
			return true
		case !o.Own:
			return false
		case matchAny(r.From, o.Store, false):
			return true
		}
		return matchAny(r.Stores, o.Store, false) && matchAny(r.Names, string(o.Name), o.FoldCase)
	})
}

// AllowRestoreAny reports whether one rule lets c restore any name in the store
// from anywhere. It is asked about a blob that tells neither.
func (p *Policy) AllowRestoreAny(c Caller, store string) bool {
	return p.find(c, Restore, store, func(r Rule) bool {
		return slices.Contains(r.Names, "*") && slices.Contains(r.From, "*")
	})
}

// AllowWhole reports whether one rule lets c do a to every name in the store.
// A file of a whole store comes from anywhere, so whoever restores one needs a
// rule that says so.
func (p *Policy) AllowWhole(c Caller, a Action, store string) bool {
	if a == Restore {
		return p.AllowRestoreAny(c, store)
	}
	return p.find(c, a, store, func(r Rule) bool { return slices.Contains(r.Names, "*") })
}

func (p *Policy) find(c Caller, a Action, store string, covers func(Rule) bool) bool {
	if p.free(c) {
		return true
	}
	for r := range p.rulesFor(c, a, store) {
		if covers(r) {
			return true
		}
	}
	return false
}

// free reports whether no rule is needed: for commands on this machine, while
// none names them.
func (p *Policy) free(c Caller) bool {
	return c.Via == "cli" && strings.HasPrefix(c.ID, localPrefix) && !p.local
}

// rulesFor are the rules that let c do a to some name in the store.
func (p *Policy) rulesFor(c Caller, a Action, store string) iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		if c.ID == "" {
			return
		}
		for _, r := range p.rules {
			if matchAny(r.Callers, c.ID, false) && allows(r, a) && matchAny(r.Stores, store, false) && !yield(r) {
				return
			}
		}
	}
}

func allows(r Rule, a Action) bool {
	return slices.ContainsFunc(r.Allow, func(w string) bool { return w == "*" || w == string(a) })
}
