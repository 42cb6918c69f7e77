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
	given := newGiven()
	for i := range c.Callers {
		caller := &c.Callers[i]
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
		c.validateCredentials(rep, at, caller, given)
		validateAttributes(rep, at+".attributes", caller.Attributes)
		c.validateIdentities(rep, at, caller)
		if !caller.HasCredential() && c.CallersFile == "" {
			rep.warn(at, NeverCalls)
		}
	}
}

// NeverCalls says what is wrong with a caller who has none, in the configuration and in
// callers_file.
const NeverCalls = "has no credential, so it can never call"

// HasCredential reports whether the configuration gives the caller one.
func (c *Caller) HasCredential() bool {
	return len(c.Tokens)+len(c.AccessKeys)+len(c.Certificates)+len(c.Identities) > 0 || c.Client != nil || c.ManagedIdentity != nil
}

// given is which credentials have been seen, and whose they are.
type given struct {
	tokens, headers          map[[sha256.Size]byte]string
	keys, identities         map[string]string
	certificates             map[access.Subject]string
	tokenNames, certificated map[string]bool
}

func newGiven() *given {
	return &given{
		map[[sha256.Size]byte]string{},
		map[[sha256.Size]byte]string{},
		map[string]string{},
		map[string]string{},
		map[access.Subject]string{},
		map[string]bool{},
		map[string]bool{},
	}
}

func (c *Config) validateCredentials(rep *report, at string, caller *Caller, given *given) {
	for j := range caller.Tokens {
		t, path := &caller.Tokens[j], fmt.Sprintf("%s.tokens[%d]", at, j)
		if holder, ok := given.tokens[t.Hash]; ok {
			rep.bad(path, "caller %q has the same token", holder)
		}
		given.tokens[t.Hash] = caller.Name
		validateName(rep, path+".name", t.Name, given.tokenNames)
		t.validate(rep, path)
	}
	for j := range caller.AccessKeys {
		validateKey(rep, fmt.Sprintf("%s.access_keys[%d]", at, j), &caller.AccessKeys[j], given.keys, caller.Name)
	}
	for j := range caller.Certificates {
		c.validateCertificate(rep, fmt.Sprintf("%s.certificates[%d]", at, j), &caller.Certificates[j], given, caller.Name)
	}
	if caller.ManagedIdentity != nil {
		c.validateManaged(rep, at+".managed_identity", caller.ManagedIdentity, given, caller.Name)
	}
}

func validateKey(rep *report, at string, k *AccessKey, keys map[string]string, caller string) {
	k.validate(rep, at)
	if k.Sealed != "" {
		if k.ID != "" || !k.Secret.IsNone() {
			rep.bad(at, "either sealed, or id and secret")
		}
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

func (c *Config) validateCertificate(rep *report, at string, cert *Certificate, given *given, caller string) {
	cert.validate(rep, at)
	validateName(rep, at+".name", cert.Name, given.certificated)
	known, err := cert.Subject()
	if err != nil {
		rep.bad(at, "%s", err)
		return
	}
	known.DNS = strings.ToLower(known.DNS)
	if holder, ok := given.certificates[known]; ok {
		rep.bad(at, "caller %q has the same certificate", holder)
	}
	given.certificates[known] = caller
	if c.Server.ClientCAFile == "" {
		rep.bad(at, "server.client_ca_file is missing, so nobody is asked for a certificate")
	}
}

func (c *Config) validateManaged(rep *report, at string, identity *ManagedIdentity, given *given, caller string) {
	identity.validate(rep, at)
	switch holder, taken := given.identities[identity.ID]; {
	case identity.ID == "":
		rep.bad(at+".id", "missing")
	case !clientID.MatchString(identity.ID):
		rep.bad(at+".id", "letters, digits and ._@+- are allowed, 128 at most, a letter or digit first")
	case taken:
		rep.bad(at+".id", "caller %q has the same identity", holder)
	}
	given.identities[identity.ID] = caller
	header := identity.Header.Reveal()
	sum := sha256.Sum256(header)
	switch holder, taken := given.headers[sum]; {
	case identity.Header.IsNone():
		rep.bad(at+".header", "missing")
	case !access.Strong(header):
		rep.bad(at+".header", "it can be guessed: fewer than %d bits, as far as can be seen; make another with: openssl rand -hex 32", access.StrongBits)
	case taken:
		rep.bad(at+".header", "caller %q has the same header", holder)
	}
	given.headers[sum] = caller
	if c.ManagedIdentity.Address == "" {
		rep.warn(at, "managed_identity.address is missing, so nobody gets a token for it")
	}
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

// Credentials returns those of every caller. open opens what is sealed.
func (c *Config) Credentials(open func(caller, sealed string) (id string, sk secret.Value, err error)) (*access.Credentials, error) {
	all := access.NewCredentials()
	for i := range c.Callers {
		caller := &c.Callers[i]
		for _, t := range caller.Tokens {
			if err := all.AddToken(t.Hash, access.Credential{Caller: caller.Name, Name: t.Name, Bounds: t.Bounds()}); err != nil {
				return nil, err
			}
		}
		for j, k := range caller.AccessKeys {
			id, sk := k.ID, k.Secret
			if k.Sealed != "" {
				var err error
				if id, sk, err = open(caller.Name, k.Sealed); err != nil {
					return nil, fmt.Errorf("callers[%d].access_keys[%d].sealed: %w", i, j, err)
				}
			}
			if err := all.AddAccessKey(id, sk, access.Credential{Caller: caller.Name, Bounds: k.Bounds()}); err != nil {
				return nil, err
			}
		}
		for _, cert := range caller.Certificates {
			known, err := cert.Subject()
			if err != nil {
				return nil, err
			}
			if err := all.AddCertificate(known, access.Credential{Caller: caller.Name, Name: cert.Name, Bounds: cert.Bounds()}); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}
