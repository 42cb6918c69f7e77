package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

var (
	hostName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	projectID = form{1, 64, regexp.MustCompile(`^[A-Za-z0-9_-]+$`)}

	domainName = form{1, 64, regexp.MustCompile(`^[A-Za-z0-9._-]+$`)}
)

func (c *Config) validateAzure(rep *report) {
	a := c.Dialects.Azure
	if u, err := url.Parse(a.Authority); err != nil || u.Scheme != "https" || u.Host == "" {
		rep.bad("dialects.azure.authority", "not an https URL")
	} else if strings.Trim(u.Path, "/") == "" {
		// Seen with azsecrets, which takes the tenant from the path unasked.
		rep.bad("dialects.azure.authority", "the URL needs a path, as https://login.microsoftonline.com/TENANT has: clients crash without one")
	}
	resource(rep, "dialects.azure.resource", a.Resource)
	seen := map[string]bool{}
	for i, r := range a.Routes {
		at := fmt.Sprintf("dialects.azure.routes[%d]", i)
		validateHost(rep, at+".host", r.Host)
		if seen[r.Host] {
			rep.bad(at+".host", "%q has an earlier route too", r.Host)
		}
		seen[r.Host] = true
		validatePrefix(rep, at+".prefix", r)
		c.routeTarget(rep, at+".store", r.Store)
		resource(rep, at+".resource", r.Resource)
		c.warnResource(rep, at, r)
	}
}

// anyLabel begins a host that stands for every one with one label more.
const anyLabel = "*."

func validateHost(rep *report, at, host string) {
	name := strings.TrimPrefix(host, anyLabel)
	switch {
	case host == "*":
	case host == "":
		rep.bad(at, "missing")
	case strings.Contains(name, "*") || (name != host && !hostName.MatchString(name)):
		rep.bad(at, `write a host name, "*." before one for every host with one label more, or "*" for every host`)
	case name != host:
	case strings.ToLower(host) != host:
		rep.bad(at, "write host names in lower case")
	case net.ParseIP(host) == nil && !hostName.MatchString(host):
		rep.bad(at, "not a host name; leave scheme, port and path out")
	}
}

// validatePrefix wants whole folders: with "a" for "a/" a team would see what
// is in "ab/" too.
func validatePrefix(rep *report, at string, r AzureRoute) {
	p := r.Prefix
	if strings.HasPrefix(r.Host, anyLabel) {
		p = strings.ReplaceAll(p, "{1}", "label")
	}
	switch {
	case p == "":
	case strings.Contains(p, "{1}"):
		rep.bad(at, `{1} is the label that "*." stands for: %s has none`, r.Host)
	case strings.ContainsAny(p, "{}"):
		rep.bad(at, "only {1} may be in braces, and it stands for one label")
	case !strings.HasSuffix(p, "/") || strings.HasPrefix(p, "/") || strings.Contains(p, "//"):
		rep.bad(at, "not a folder of the store: write it with a slash at its end and none at its beginning, as in team/")
	case secret.Name(p).Validate() != nil:
		rep.bad(at, "no name can begin so: it is too long, or holds control characters")
	}
}

func resource(rep *report, at, s string) {
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		rep.bad(at, "not an https URL of a host alone")
	}
}

// warnResource says where an SDK that verifies the challenge will refuse us:
// the resource must be a parent domain of the host that was asked.
func (c *Config) warnResource(rep *report, at string, r AzureRoute) {
	want := c.Resource(r, "")
	u, err := url.Parse(want)
	switch {
	case r.Host == "*" || r.Host == "" || err != nil:
	case want == "":
		rep.warn(at+".host", "%s has no parent domain, so no resource can be advertised that clients accept with verification on", r.Host)
	case !strings.HasSuffix(r.Host, "."+u.Hostname()):
		rep.warn(at+".host", "clients that verify the challenge will refuse: %s is not below %s", r.Host, u.Hostname())
	}
}

// Resource is what the challenge of the route advertises to a client that
// names the port, or none: empty where the host has no parent domain.
func (c *Config) Resource(r AzureRoute, port string) string {
	switch {
	case r.Resource != "":
		return r.Resource
	case c.Dialects.Azure.Resource != "":
		return c.Dialects.Azure.Resource
	}
	_, parent, ok := strings.Cut(r.Host, ".")
	if !ok || net.ParseIP(r.Host) != nil {
		return ""
	}
	if port != "" && port != "443" {
		parent = net.JoinHostPort(parent, port)
	}
	return "https://" + parent
}

func (c *Config) validateHuawei(rep *report) {
	if !domainName.MatchString(c.Dialects.Huawei.Domain) {
		rep.bad("dialects.huawei.domain", "not the name of an account: letters, digits, ., - and _, 64 at most")
	}
	seen, names := map[string]bool{}, map[string]bool{}
	for i, r := range c.Dialects.Huawei.Routes {
		at := fmt.Sprintf("dialects.huawei.routes[%d]", i)
		switch {
		case r.Project == "":
			rep.bad(at+".project", "missing")
		case !projectID.MatchString(r.Project):
			rep.bad(at+".project", "not a project id: letters, digits, - and _, 64 at most")
		case seen[r.Project]:
			rep.bad(at+".project", "%q has an earlier route too", r.Project)
		}
		repeated := seen[r.Project]
		seen[r.Project] = true
		name := cmp.Or(r.Name, r.Project)
		switch {
		case r.Name != "" && !domainName.MatchString(r.Name):
			rep.bad(at+".name", "not a project's name, such as cn-north-4: letters, digits, ., - and _, 64 at most")
		case names[name] && (r.Name != "" || !repeated):
			rep.bad(at+".name", "%q is the name of an earlier project too: clients that look it up want exactly one", name)
		}
		names[name] = true
		c.routeTarget(rep, at+".store", r.Store)
	}
	if len(c.Dialects.Azure.Routes)+len(c.Dialects.Huawei.Routes) == 0 {
		rep.warn("dialects", "no route leads to any store, so no client can reach one")
	}
}

func (c *Config) routeTarget(rep *report, at, store string) {
	if store == "" {
		rep.bad(at, "missing")
		return
	}
	if _, ok := c.Store(store); !ok {
		rep.bad(at, "there is no store %q", store)
	}
}
