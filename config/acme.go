package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

func (c *Config) validateACME(rep *report) {
	const at = "server.tls.acme"
	t := c.Server.TLS
	if u, err := url.Parse(t.ACME.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		rep.bad(at+".directory", "not an https URL")
	}
	if t.Off || t.CertFile != "" || t.KeyFile != "" {
		rep.bad(at, "there is a certificate already, or TLS is off: choose one")
	}
	if !t.ACME.AcceptTerms {
		rep.bad(at+".accept_terms", "missing: say true once you have read the server's terms of service")
	}
	if t.ACME.Dir == "" {
		rep.bad(at+".dir", "missing")
	}
	for _, h := range t.ACME.Hosts {
		if !certifiable(h) {
			rep.bad(at+".hosts", "%q is no name that an ACME server can prove", h)
		}
	}
	for _, r := range c.Dialects.Azure.Routes {
		if !certifiable(r.Host) {
			rep.warn(at, "%q gets no certificate: it stands for many hosts, or is an address; name those that clients use in hosts", r.Host)
		}
	}
}

// certifiable: tls-alpn-01 proves names, one at a time, in lower case.
func certifiable(host string) bool {
	return host != "" && host == strings.ToLower(host) && !strings.ContainsAny(host, "*:/ ") && net.ParseIP(host) == nil
}

// CertifiedHosts are the names that ACME gets certificates for.
func (c *Config) CertifiedHosts() []string {
	hosts := slices.Clone(c.Server.TLS.ACME.Hosts)
	for _, r := range c.Dialects.Azure.Routes {
		hosts = append(hosts, r.Host)
	}
	hosts = append(hosts, c.Login.Host)
	hosts = slices.DeleteFunc(hosts, func(h string) bool { return !certifiable(h) })
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
