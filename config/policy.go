package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// AccessPolicy returns the policy, for the configured callers and groups.
func (c *Config) AccessPolicy() *access.Policy {
	d := access.Directory{Attributes: make(map[string]map[string]string, len(c.Callers))}
	for _, caller := range c.Callers {
		d.Attributes[caller.Name] = caller.Attributes
	}
	for _, g := range c.Groups {
		d.Groups = append(d.Groups, access.Group{Name: g.Name, Callers: g.Callers})
	}
	rules := make([]access.Rule, len(c.Policy))
	for i, r := range c.Policy {
		rules[i] = access.Rule(r)
	}
	return d.Policy(rules)
}

func isGroup(callers string) bool {
	_, ok := access.GroupOf(callers)
	return ok
}

func validateAttributes(rep *report, at string, attributes Attributes) {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		text := attributes[name]
		switch path := at + "." + name; {
		case !access.IsAttribute(name):
			rep.bad(path, "an attribute's name has small letters, digits, - and _, a letter first")
		case name == "name":
			rep.bad(path, "{caller.name} is the caller's name: call the attribute something else")
		case text == "":
			rep.bad(path, "empty; leave it out, and rules that take it grant the caller nothing")
		case secret.Name(text).Validate() != nil:
			rep.bad(path, "no name of a secret can hold it: it is too long, or holds control characters")
		}
	}
}

// known is what rules may name.
type known struct {
	callers, groups, stores names
	attributes              map[string]bool
}

// names are those of one kind.
type names struct {
	kind string
	has  map[string]bool
}

// check reports a pattern that matches nothing: a name is misspelt, while a pattern
// may be for what comes later.
func (n names) check(rep *report, at, pattern string) {
	if n.has[pattern] {
		return
	}
	if !strings.ContainsAny(pattern, "*?") {
		rep.bad(at, "there is no %s %q", n.kind, pattern)
		return
	}
	for name := range n.has {
		if access.Match(pattern, name) {
			return
		}
	}
	rep.warn(at, "no %s matches %q", n.kind, pattern)
}

func (c *Config) known() known {
	k := known{
		names{"caller", map[string]bool{}},
		names{"group", map[string]bool{}},
		names{"store", map[string]bool{}},
		map[string]bool{"name": true},
	}
	for _, caller := range c.Callers {
		k.callers.has[caller.Name] = true
		for name := range caller.Attributes {
			k.attributes[name] = true
		}
	}
	for _, g := range c.Groups {
		k.groups.has[g.Name] = true
	}
	for i := range c.Stores {
		k.stores.has[c.Stores[i].Name] = true
	}
	return k
}

func (k known) checkCallers(rep *report, at string, patterns []string) {
	for i, p := range patterns {
		path := fmt.Sprintf("%s[%d]", at, i)
		if group, ok := access.GroupOf(p); ok {
			k.groups.check(rep, path, group)
		} else if !strings.HasPrefix(p, "local:") {
			k.callers.check(rep, path, p)
		}
	}
}

func (c *Config) validateGroups(rep *report, k known) {
	seen := map[string]bool{}
	for i, g := range c.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		switch {
		case g.Name == "":
			rep.bad(at+".name", "missing")
		case strings.ContainsAny(g.Name, "*?") || secret.Name(g.Name).Validate() != nil:
			rep.bad(at+".name", "a name cannot hold *, ? or control characters, and has at most 512 bytes")
		case seen[g.Name]:
			rep.bad(at+".name", "%q is the name of an earlier group too", g.Name)
		}
		seen[g.Name] = true
		if len(g.Callers)+len(g.Claims) == 0 {
			rep.bad(at+".callers", "missing, and claims too")
		}
		c.validateGroupClaims(rep, at, g.Claims)
		for j, p := range g.Callers {
			if isGroup(p) { // said first: whether there is such a group does not matter
				rep.bad(fmt.Sprintf("%s.callers[%d]", at, j), "a group holds callers, and no groups")
			}
		}
		k.checkCallers(rep, at+".callers", g.Callers)
	}
}

func (c *Config) validatePolicy(rep *report) {
	k := c.known()
	c.validateGroups(rep, k)
	for i, r := range c.Policy {
		at := fmt.Sprintf("policy[%d]", i)
		for _, list := range []struct {
			key    string
			values []string
		}{{"callers", r.Callers}, {"allow", r.Allow}, {"stores", r.Stores}, {"names", r.Names}} {
			if len(list.values) == 0 {
				rep.bad(at+"."+list.key, `missing; "*" stands for all`)
			}
		}
		for j, w := range r.Allow {
			if access.Meaning(w) == nil {
				rep.bad(fmt.Sprintf("%s.allow[%d]", at, j), "unknown action %q (known: %s, roles of Key Vault, actions of CSMS)", w, strings.Trim(fmt.Sprint(access.Actions()), "[]"))
			}
		}
		k.checkCallers(rep, at+".callers", r.Callers)
		for j, p := range r.Stores {
			k.stores.check(rep, fmt.Sprintf("%s.stores[%d]", at, j), p)
		}
		for j, p := range r.From {
			if p != "*" { // of any gateway, and of stores that this one has no more
				k.stores.check(rep, fmt.Sprintf("%s.from[%d]", at, j), p)
			}
		}
		k.checkNames(rep, at+".names", r.Names)
	}
	if len(c.Policy) == 0 && len(c.Callers) > 0 {
		rep.warn("policy", "missing, so no caller may do anything")
	}
}

func (k known) checkNames(rep *report, at string, patterns []string) {
	for i, p := range patterns {
		path := fmt.Sprintf("%s[%d]", at, i)
		attributes, err := access.ParsePattern(p)
		if err != nil {
			rep.bad(path, "%s", err)
		}
		for _, name := range attributes {
			if !k.attributes[name] {
				rep.bad(path, "no caller has the attribute %q", name)
			}
		}
	}
}
