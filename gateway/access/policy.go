package access

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/vaultferry/vaultferry/secret"
)

// Rule grants. All lists are patterns except Allow, which holds Words. What no
// rule grants is denied.
type Rule struct {
	Callers []string // group:PATTERN is one of groups
	Allow   []string
	Stores  []string
	// Names may hold {caller.name} and {caller.ATTRIBUTE}, which stand for what
	// the caller has, letter by letter. A pattern grants nothing to a caller who
	// lacks what it takes.
	Names []string
	// From widens which blobs a restore under this rule may bring in: names
	// of stores of this gateway; "*" includes every other gateway. Without it
	// a rule covers blobs from the stores that it names itself.
	From []string
}

// rule is a Rule in its policy.
type rule struct {
	Rule
	at      int // its place in the policy, from 0
	actions actionSet
	names   []pattern
}

// Target is what an action is done to.
type Target struct {
	Store string
	Name  secret.Name
	// FoldCase: the product ignores the case of names, and so must patterns.
	FoldCase bool
}

// folded is the name as patterns are matched with it.
func (t Target) folded() string { return foldedName(t.Name, t.FoldCase) }

func foldedName(n secret.Name, fold bool) string {
	if fold {
		return strings.ToLower(string(n))
	}
	return string(n)
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

// Policy decides. It is safe for concurrent use, and what it says never changes.
//
// A request looks at the rules alone that are about its caller and its store, and
// of those at the ones alone whose names begin as its own does.
type Policy struct {
	about   Directory
	literal map[string]*buckets // by name of a caller, or group:NAME
	wild    []*buckets
	local   bool     // some rule names local callers, so they are not free
	known   sync.Map // the subject of each configured caller, by name
}

// NewPolicy returns the policy of rules that know nothing of callers but their
// names.
func NewPolicy(rules []Rule) *Policy { return Directory{}.Policy(rules) }

// Policy returns the policy of the rules, for these callers and groups. A pattern
// that ParsePattern refuses grants nothing.
func (d Directory) Policy(rules []Rule) *Policy {
	p := &Policy{about: d, literal: map[string]*buckets{}}
	by := map[string]*buckets{}
	for i, r := range rules {
		p.add(by, &rule{Rule: r, at: i, actions: meaningOf(r.Allow)})
	}
	for _, callers := range by {
		for _, b := range callers.literal {
			b.exact, b.folded = newIndex(b.entries, false), newIndex(b.entries, true)
		}
		if isPattern(callers.callers) {
			p.wild = append(p.wild, callers)
		} else {
			p.literal[callers.callers] = callers
		}
	}
	return p
}

func (p *Policy) add(by map[string]*buckets, r *rule) {
	var entries []*entry
	for _, text := range r.Names {
		if n, err := parsePattern(text); err == nil {
			r.names = append(r.names, n)
			entries = append(entries, &entry{rule: r, pattern: n})
		}
	}
	for _, callers := range r.Callers {
		p.local = p.local || p.namesLocal(callers)
		if by[callers] == nil {
			by[callers] = &buckets{callers: callers, literal: map[string]*bucket{}}
		}
		for _, store := range r.Stores {
			for _, e := range entries {
				by[callers].bucket(store).add(e)
			}
		}
	}
}

// namesLocal reports whether a rule for these callers is about local ones.
func (p *Policy) namesLocal(callers string) bool {
	group, ok := GroupOf(callers)
	if !ok {
		return strings.HasPrefix(callers, localPrefix)
	}
	return slices.ContainsFunc(p.about.Groups, func(g Group) bool {
		return Match(group, g.Name) && slices.ContainsFunc(g.Callers, func(c string) bool { return strings.HasPrefix(c, localPrefix) })
	})
}

// NoRule is what Decide says where no rule is needed.
const NoRule = -1

// Decide reports whether c may do a to t, and the place of the first rule, from 0,
// that says so, or NoRule.
func (p *Policy) Decide(c Caller, a Action, t Target) (at int, allowed bool) {
	if p.free(c) {
		return NoRule, true
	}
	for r := range p.covering(p.subject(c), a, t) {
		if !allowed || r.at < at {
			at, allowed = r.at, true
		}
	}
	return at, allowed
}

// Allow reports whether c may do a to t.
func (p *Policy) Allow(c Caller, a Action, t Target) bool {
	if p.free(c) {
		return true
	}
	for range p.covering(p.subject(c), a, t) {
		return true
	}
	return false
}

// covering are the rules that let the caller do a to t, some more than once.
func (p *Policy) covering(s *subject, a Action, t Target) iter.Seq[*rule] {
	return func(yield func(*rule) bool) {
		name, set := t.folded(), setOf(a)
		for b := range s.forStore(t.Store) {
			for e := range b.index(t.FoldCase).covering(name) {
				if e.rule.actions&set != 0 && e.pattern.matches(s, name, t.FoldCase) && !yield(e.rule) {
					return
				}
			}
		}
	}
}

// forStore are the buckets of the caller that are about the store.
func (s *subject) forStore(store string) iter.Seq[*bucket] {
	return func(yield func(*bucket) bool) {
		for _, of := range s.buckets {
			for b := range of.forStore(store) {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// AllowWithin is Allow for some name that begins with that of t.
func (p *Policy) AllowWithin(c Caller, a Action, t Target) bool {
	name := t.folded()
	return p.any(c, a, t.Store, func(s *subject, e *entry) bool {
		text, ok := e.pattern.of(s, t.FoldCase)
		return ok && globWithin(text, name, anyRun, anyOne)
	})
}

// AllowSome reports whether c may do a to at least some name in the store. It
// is asked before a blob is opened, so that nobody without any right learns
// whether one opens.
func (p *Policy) AllowSome(c Caller, a Action, store string) bool {
	return p.allowSome(c, setOf(a), store)
}

// MayUse reports whether c may do anything at all in the store.
func (p *Policy) MayUse(c Caller, store string) bool { return p.allowSome(c, allActions, store) }

func (p *Policy) allowSome(c Caller, a actionSet, store string) bool {
	if p.free(c) {
		return true
	}
	s := p.subject(c)
	for b := range s.forStore(store) {
		if b.allowsSome(s, a) {
			return true
		}
	}
	return false
}

// AllowRestore reports whether one rule lets c restore into t what came from
// o: a blob may not be a way round the rules of the store that it left.
func (p *Policy) AllowRestore(c Caller, t Target, o Origin) bool {
	if p.free(c) {
		return true
	}
	s := p.subject(c)
	from := foldedName(o.Name, o.FoldCase)
	for r := range p.covering(s, Restore, t) {
		switch {
		case slices.Contains(r.From, "*"):
			return true
		case !o.Own:
		case matchAny(r.From, o.Store):
			return true
		case matchAny(r.Stores, o.Store) && slices.ContainsFunc(r.names, func(n pattern) bool { return n.matches(s, from, o.FoldCase) }):
			return true
		}
	}
	return false
}

// AllowRestoreAny reports whether one rule lets c restore any name in the store
// from anywhere. It is asked about a blob that tells neither.
func (p *Policy) AllowRestoreAny(c Caller, store string) bool {
	return p.any(c, Restore, store, func(_ *subject, e *entry) bool {
		return slices.Contains(e.rule.Names, "*") && slices.Contains(e.rule.From, "*")
	})
}

// AllowWhole reports whether one rule lets c do a to every name in the store.
// A file of a whole store comes from anywhere, so whoever restores one needs a
// rule that says so.
func (p *Policy) AllowWhole(c Caller, a Action, store string) bool {
	if a == Restore {
		return p.AllowRestoreAny(c, store)
	}
	return p.any(c, a, store, func(_ *subject, e *entry) bool { return slices.Contains(e.rule.Names, "*") })
}

// any goes through all that lets c do a to some name in the store.
func (p *Policy) any(c Caller, a Action, store string, holds func(*subject, *entry) bool) bool {
	if p.free(c) {
		return true
	}
	s := p.subject(c)
	for e := range s.entries(a, store) {
		if holds(s, e) {
			return true
		}
	}
	return false
}

// entries are all that let the caller do a to some name in the store, if it has
// what they take.
func (s *subject) entries(a Action, store string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for b := range s.forStore(store) {
			for _, e := range b.entries {
				if e.rule.actions&setOf(a) != 0 && !yield(e) {
					return
				}
			}
		}
	}
}

// free reports whether no rule is needed: for commands on this machine, while
// none names them.
func (p *Policy) free(c Caller) bool {
	return c.Via == "cli" && strings.HasPrefix(c.ID, localPrefix) && !p.local
}
