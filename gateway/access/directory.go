package access

import (
	"slices"
	"strings"
)

// groupPrefix begins a pattern of callers that is one of groups.
const groupPrefix = "group:"

// GroupOf returns the pattern of groups that a rule's pattern of callers is. It
// is false for one of callers.
func GroupOf(callers string) (group string, ok bool) { return strings.CutPrefix(callers, groupPrefix) }

// Group is callers under one name, which rules take as group:NAME.
type Group struct {
	Name    string
	Callers []string // patterns
}

// Directory is what a policy knows of callers beside its rules.
type Directory struct {
	Groups []Group
	// Attributes are those of each configured caller, by its name.
	Attributes map[string]map[string]string
}

// subject is a caller as the policy sees it.
type subject struct {
	id         string
	groups     []string
	attributes map[string]string
	buckets    []*buckets
}

// attribute is empty where the caller lacks it.
func (s *subject) attribute(name string) string {
	if name == callerName {
		return s.id
	}
	return s.attributes[name]
}

// subject finds the rules that are about the caller. What is known of a
// configured one is found once.
func (p *Policy) subject(c Caller) *subject {
	if len(c.Groups) > 0 {
		return p.newSubject(c)
	}
	if known, ok := p.known.Load(c.ID); ok {
		if s, ok := known.(*subject); ok {
			return s
		}
	}
	s := p.newSubject(c)
	if _, configured := p.about.Attributes[c.ID]; configured {
		p.known.Store(c.ID, s)
	}
	return s
}

func (p *Policy) newSubject(c Caller) *subject {
	s := &subject{id: c.ID, groups: slices.Clone(c.Groups), attributes: p.about.Attributes[c.ID]}
	if c.ID == "" { // nobody
		return &subject{}
	}
	for _, g := range p.about.Groups {
		if matchAny(g.Callers, c.ID) && !slices.Contains(s.groups, g.Name) {
			s.groups = append(s.groups, g.Name)
		}
	}
	add := func(key string) {
		if b := p.literal[key]; b != nil {
			s.buckets = append(s.buckets, b)
		}
	}
	if !isPattern(c.ID) && !strings.HasPrefix(c.ID, groupPrefix) {
		add(c.ID)
	}
	for _, g := range s.groups {
		if !isPattern(g) {
			add(groupPrefix + g)
		}
	}
	for _, b := range p.wild {
		if group, ok := GroupOf(b.callers); ok {
			if slices.ContainsFunc(s.groups, func(g string) bool { return Match(group, g) }) {
				s.buckets = append(s.buckets, b)
			}
		} else if b.callers == "*" || Match(b.callers, c.ID) {
			s.buckets = append(s.buckets, b)
		}
	}
	return s
}
