package config

import (
	"crypto/sha256"
	"fmt"
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
		case strings.HasPrefix(caller.Name, "local:") || isGroup(caller.Name) || strings.ContainsAny(caller.Name, "*?"):
			rep.bad(at+".name", "a name cannot begin with local: or group:, or hold * or ?")
		case secret.Name(caller.Name).Validate() != nil:
			rep.bad(at+".name", "a name has no control characters, and at most 512 bytes")
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
		validateAttributes(rep, at+".attributes", caller.Attributes)
		c.validateIdentities(rep, at, &caller)
		if len(caller.Tokens)+len(caller.AccessKeys)+len(caller.Identities) == 0 && caller.Client == nil {
			rep.warn(at, "has neither a client nor a token nor an access key nor an identity, so it can never call")
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
