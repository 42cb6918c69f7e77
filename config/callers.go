package config

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func (c *Config) validateCallers(rep *report) {
	names := map[string]bool{}
	tokens := map[[sha256.Size]byte]string{}
	keys := map[string]string{}
	for i, caller := range c.Callers {
		at := fmt.Sprintf("callers[%d]", i)
		switch {
		case caller.Name == "":
			rep.bad(at+".name", "missing")
		case strings.HasPrefix(caller.Name, "local:") || strings.ContainsAny(caller.Name, "*?"):
			rep.bad(at+".name", "a name cannot begin with local: or hold * or ?")
		case names[caller.Name]:
			rep.bad(at+".name", "%q is the name of an earlier caller too", caller.Name)
		}
		names[caller.Name] = true
		for j, t := range caller.Tokens {
			path := fmt.Sprintf("%s.tokens[%d]", at, j)
			if holder, ok := tokens[t.Hash]; ok {
				rep.bad(path, "caller %q has the same token", holder)
			}
			tokens[t.Hash] = caller.Name
		}
		for j, k := range caller.AccessKeys {
			validateKey(rep, fmt.Sprintf("%s.access_keys[%d]", at, j), k, keys, caller.Name)
		}
		if len(caller.Tokens)+len(caller.AccessKeys) == 0 && caller.Client == nil {
			rep.warn(at, "has neither a client nor a token nor an access key, so it can never call")
		}
	}
}

func validateKey(rep *report, at string, k AccessKey, keys map[string]string, caller string) {
	if k.Sealed != "" {
		if k.ID != "" || !k.Secret.IsNone() {
			rep.bad(at, "either sealed, or id and secret")
		}
		rep.idle(at+".sealed", "a sealed access key")
		return
	}
	if k.ID == "" {
		rep.bad(at+".id", "missing")
	} else if holder, ok := keys[k.ID]; ok {
		rep.bad(at+".id", "caller %q has the same access key", holder)
	}
	keys[k.ID] = caller
	warnWeak(rep, at+".secret", k.Secret)
}

// warnWeak wants a secret there, and says of one that can be guessed what
// follows.
func warnWeak(rep *report, at string, s secret.Value) {
	switch {
	case s.IsNone():
		rep.bad(at, "missing")
	case !access.Strong(s.Reveal()):
		rep.warn(at, "it can be guessed: fewer than %d bits, as far as can be seen, so its holder waits while others guess at it; make another with: openssl rand -hex 32", access.StrongBits)
	}
}

func (c *Config) validatePolicy(rep *report) {
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
			if !slices.Contains(r.Choices()["allow"], w) {
				rep.bad(fmt.Sprintf("%s.allow[%d]", at, j), "unknown action %q (known: %s)", w, strings.Trim(fmt.Sprint(access.Actions()), "[]"))
			}
		}
		c.warnUnused(rep, at, r)
	}
	if len(c.Policy) == 0 && len(c.Callers) > 0 {
		rep.warn("policy", "missing, so no caller may do anything")
	}
}

// warnUnused says which patterns of a rule match nothing that is configured.
func (c *Config) warnUnused(rep *report, at string, r Rule) {
	for j, p := range r.Callers {
		known := strings.HasPrefix(p, "local:") || slices.ContainsFunc(c.Callers, func(x Caller) bool { return access.Match(p, x.Name) })
		if !known {
			rep.warn(fmt.Sprintf("%s.callers[%d]", at, j), "no caller matches %q", p)
		}
	}
	for j, p := range r.Stores {
		if !slices.ContainsFunc(c.Stores, func(s Store) bool { return access.Match(p, s.Name) }) {
			rep.warn(fmt.Sprintf("%s.stores[%d]", at, j), "no store matches %q", p)
		}
	}
}

// Credentials returns those of every caller.
func (c *Config) Credentials() (*access.Credentials, error) {
	all := access.NewCredentials()
	for _, caller := range c.Callers {
		for _, t := range caller.Tokens {
			if err := all.AddToken(t.Hash, caller.Name); err != nil {
				return nil, err
			}
		}
		for _, k := range caller.AccessKeys {
			if k.Sealed != "" {
				continue
			}
			if err := all.AddAccessKey(k.ID, k.Secret, caller.Name); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// Rules returns the policy's.
func (c *Config) Rules() []access.Rule {
	var rules []access.Rule
	for _, r := range c.Policy {
		rules = append(rules, access.Rule(r))
	}
	return rules
}
