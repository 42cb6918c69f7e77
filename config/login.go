package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// loginPath ends the authority of a login of our own: the one tenant that no
// client looks up elsewhere first.
const loginPath = "/adfs"

// maxClientKeys bounds what a guess at an assertion costs.
const maxClientKeys = 8

var clientID = form{1, 128, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]*$`)}

// settle fills what follows from the rest: the stores' defaults, and the login
// as the authority where the file names no other.
func (c *Config) settle() {
	if c.Keyring.Transit != nil {
		c.Keyring.Transit.SetDefaults()
	}
	for i := range c.Stores {
		c.Stores[i].SetDefaults()
	}
	for i := range c.Issuers {
		c.Issuers[i].SetDefaults()
	}
	for i := range c.Callers {
		for j := range c.Callers[i].Identities {
			c.Callers[i].Identities[j].SetDefaults()
		}
	}
	if c.Login.Host != "" && c.Dialects.Azure.Authority == Default().Dialects.Azure.Authority {
		c.Dialects.Azure.Authority = "https://" + c.Login.Host + loginPath
	}
}

func (c *Config) validateLogin(rep *report) {
	ids := map[string]string{}
	for i, caller := range c.Callers {
		if caller.Client != nil {
			c.validateClient(rep, fmt.Sprintf("callers[%d].client", i), caller, ids)
		}
	}
	c.validateManagedIdentity(rep)
	if c.Login.Host == "" {
		return
	}
	if host := c.Login.Host; !hostName.MatchString(host) {
		rep.bad("login.host", "not a host name in lower case; leave scheme, port and path out")
	}
	if i := slices.IndexFunc(c.Dialects.Azure.Routes, func(r AzureRoute) bool { return r.Host == c.Login.Host }); i >= 0 {
		rep.bad("login.host", "%s is the host of dialects.azure.routes[%d] too", c.Login.Host, i)
	}
	if len(ids) == 0 && !slices.ContainsFunc(c.Callers, func(caller Caller) bool { return caller.ManagedIdentity != nil }) {
		rep.warn("login", "no caller has a client, so nobody can log in")
	}
	if u, err := url.Parse(c.Dialects.Azure.Authority); err == nil && strings.Trim(u.Path, "/") != strings.Trim(loginPath, "/") {
		rep.warn("dialects.azure.authority", "clients that log in at %s refuse a challenge that names another tenant; leave it out", c.Login.Host)
	}
}

func (c *Config) validateManagedIdentity(rep *report) {
	at := c.ManagedIdentity.Address
	if at == "" {
		return
	}
	address(rep, "managed_identity.address", at)
	if c.Login.Host == "" {
		rep.bad("login.host", "missing: managed_identity hands out tokens of the login")
	}
	switch {
	case !Loopback(at):
		rep.bad("managed_identity.address", "%s is not a loopback address: it speaks plain HTTP, to programs on this machine", at)
	case at == c.Server.Address || at == c.Admin.Address:
		if _, port, _ := net.SplitHostPort(at); port != "0" {
			rep.bad("managed_identity.address", "the same as that of the server, or of admin")
		}
	}
}

func (c *Config) validateClient(rep *report, at string, caller Caller, ids map[string]string) {
	client := caller.Client
	if client.ID == "" {
		rep.bad(at+".id", "missing")
	} else if !clientID.MatchString(client.ID) {
		rep.bad(at+".id", "letters, digits and ._@+- are allowed, 128 at most, a letter or digit first")
	} else if holder, ok := ids[client.ID]; ok {
		rep.bad(at+".id", "caller %q has the same client", holder)
	}
	ids[client.ID] = caller.Name
	if !client.Secret.IsNone() || len(client.Keys)+len(caller.Identities) == 0 {
		warnWeak(rep, at+".secret", client.Secret)
	}
	for i, k := range client.Keys {
		if k.File == "" {
			rep.bad(fmt.Sprintf("%s.keys[%d].file", at, i), "missing")
		}
		k.validate(rep, fmt.Sprintf("%s.keys[%d]", at, i))
	}
	if len(client.Keys) > maxClientKeys {
		rep.bad(at+".keys", "at most %d: a client changes keys, and does not gather them", maxClientKeys)
	}
	client.validate(rep, at)
	if c.Login.Host == "" && len(c.Dialects.Huawei.Routes) == 0 {
		rep.warn(at, "login.host is missing, so nobody can log in with it")
	}
}

// Advertises reports whether some route's challenge may name the resource: a
// token for any other would open nothing here.
func (c *Config) Advertises(resource string) bool {
	u, err := url.Parse(resource)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return false
	}
	plain := resource == "https://"+u.Host
	return slices.ContainsFunc(c.Dialects.Azure.Routes, func(r AzureRoute) bool {
		want := c.Resource(r, "")
		switch {
		case want != "":
		case r.Host == "*": // the parent of whichever host was asked
			return plain
		default:
			want = "https://" + r.Host
		}
		w, err := url.Parse(want)
		return err == nil && (resource == want || (plain && u.Hostname() == w.Hostname()))
	})
}
