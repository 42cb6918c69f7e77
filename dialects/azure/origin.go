package azure

import (
	"net"
	"net/netip"
	"strings"
)

// origin is the host that a client asked, as ids and links name it.
type origin struct {
	host string // lower case, no port
	port string // empty: 443
}

func originOf(hostport string) origin {
	host, port := strings.Trim(hostport, "[]"), ""
	if strings.Contains(hostport, ":") {
		if h, p, err := net.SplitHostPort(hostport); err == nil {
			host, port = h, p
		}
	}
	if port == "443" {
		port = ""
	}
	return origin{host: strings.TrimSuffix(fold(host), "."), port: port}
}

// url is that of a host at the port that was asked.
func (o origin) url(host string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port == "" {
		return "https://" + host
	}
	return "https://" + host + ":" + o.port
}

// base begins every id: the port is named only if it is not the usual one.
func (o origin) base() string { return o.url(o.host) }

// link begins a nextLink, which always names the port.
func (o origin) link() string {
	if o.port == "" {
		o.port = "443"
	}
	return o.url(o.host)
}

// parent is the resource that clients accept in a challenge from this host. A
// bare name or an address has none; they refuse those whatever it says.
func (o origin) parent() string {
	_, rest, ok := strings.Cut(o.host, ".")
	if _, err := netip.ParseAddr(o.host); err == nil || !ok {
		rest = o.host
	}
	return o.url(rest)
}
