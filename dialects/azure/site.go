package azure

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vaultferry/vaultferry/gateway"
)

// site is what a route's host shows of its store.
type site struct {
	store    string
	resource string
	level    string // recoveryLevel
	days     int    // recoverableDays
}

const everyHost = "*"

func (d *Dialect) addSite(r Route) error {
	host := strings.ToLower(r.Host)
	if host == "" || (host != everyHost && strings.ContainsAny(strings.TrimPrefix(host, "*."), "*:/ ")) {
		return fmt.Errorf("azure: route host %q is neither a host name nor %q", r.Host, everyHost)
	}
	if strings.HasPrefix(host, "*.") {
		return fmt.Errorf("azure: route host %q: hosts by pattern are not served yet", r.Host)
	}
	if d.sites[host] != nil {
		return fmt.Errorf("azure: two routes for host %q", r.Host)
	}
	info, ok := d.service.Info(r.Store)
	if !ok {
		return fmt.Errorf("azure: host %q leads to an unknown store %q", r.Host, r.Store)
	}
	d.sites[host] = &site{store: r.Store, resource: r.Resource, level: recoveryLevel(info), days: info.RetentionDays}
	return checkResource(r.Resource)
}

func recoveryLevel(i gateway.Info) string {
	level := "Recoverable"
	if i.RetentionDays != gateway.DefaultRetentionDays {
		level = "CustomizedRecoverable"
	}
	if !i.PurgeProtection {
		level += "+Purgeable"
	}
	return level
}

// origin is the host that a client asked, as ids and links name it.
type origin struct {
	host string // lower case, no port
	port string // empty: 443
}

func originOf(hostport string) origin {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), ""
	}
	if port == "443" {
		port = ""
	}
	return origin{host: strings.TrimSuffix(strings.ToLower(host), "."), port: port}
}

func (o origin) authority(host string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port == "" {
		return host
	}
	return host + ":" + o.port
}

// base begins every id: the port is named only if it is not the usual one.
func (o origin) base() string { return "https://" + o.authority(o.host) }

// link begins a nextLink, which always names the port.
func (o origin) link() string {
	if o.port == "" {
		o.port = "443"
	}
	return "https://" + o.authority(o.host)
}

// parent is the resource that clients accept in a challenge from this host. A
// bare name or an address has none; they refuse those whatever it says.
func (o origin) parent() string {
	_, rest, ok := strings.Cut(o.host, ".")
	if _, err := netip.ParseAddr(o.host); err == nil || !ok {
		rest = o.host
	}
	return "https://" + o.authority(rest)
}

// site finds the route of a host, or nil.
func (d *Dialect) site(o origin) *site {
	if s := d.sites[o.host]; s != nil {
		return s
	}
	return d.sites[everyHost]
}
