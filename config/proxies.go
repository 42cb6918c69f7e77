package config

import (
	"errors"
	"fmt"
	"net/netip"
)

func (c *Config) validateProxies(rep *report) {
	for i, s := range c.Server.TrustedProxies {
		at := fmt.Sprintf("server.trusted_proxies[%d]", i)
		p, err := network(s)
		switch {
		case err != nil:
			rep.bad(at, "%q is neither an address, as 10.0.0.5, nor a network, as 10.0.1.0/24", s)
		case p.Bits() == 0:
			rep.bad(at, "%s is everybody, and who everybody says that the client is must not be believed", s)
		}
	}
	if c.Server.ProxyProtocol && len(c.Server.TrustedProxies) == 0 {
		rep.warn("server.proxy_protocol", "it does nothing without server.trusted_proxies, the addresses of those who speak it")
	}
}

// Proxies are the networks of the trusted proxies.
func (s *Server) Proxies() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range s.TrustedProxies {
		if p, err := network(text); err == nil { // Load has checked it
			all = append(all, p)
		}
	}
	return all
}

func network(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Addr().Is4In6() {
			return netip.Prefix{}, errors.New("an IPv4 network in the form of IPv6")
		}
		return p.Masked(), nil
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	ip = ip.Unmap().WithZone("")
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}
