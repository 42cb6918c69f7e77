package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	proxyproto "github.com/pires/go-proxyproto"
)

// Proxies stand before the gateway and are believed about who their clients
// are. Nobody else is.
type Proxies struct {
	Trusted []netip.Prefix
	// Protocol: each connection of theirs begins with a header of the PROXY
	// protocol. Otherwise each request of theirs has X-Forwarded-For.
	Protocol bool
}

const forwardedFor = "X-Forwarded-For"

func (p Proxies) trusts(address string) bool {
	ip, err := netip.ParseAddr(address)
	ip = ip.Unmap().WithZone("")
	return err == nil && slices.ContainsFunc(p.Trusted, func(net netip.Prefix) bool { return net.Contains(ip) })
}

// listener reads the PROXY protocol where it is spoken. A trusted proxy that
// does not is refused: what a client wrote must not pass for its header.
func (p Proxies) listener(l net.Listener) net.Listener {
	if !p.Protocol || len(p.Trusted) == 0 {
		return l
	}
	return &proxyproto.Listener{
		Listener: l, ReadHeaderTimeout: readHeaderTimeout,
		ConnPolicy: func(c proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if p.trusts(hostOf(c.Upstream.String())) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

// handler has requests of trusted proxies come from the client that the nearest
// of them names.
func (p Proxies) handler(h http.Handler) http.Handler {
	if p.Protocol || len(p.Trusted) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client := p.client(hostOf(r.RemoteAddr), r.Header.Values(forwardedFor)); client != "" {
			r.RemoteAddr = net.JoinHostPort(client, "0")
		}
		h.ServeHTTP(w, r)
	})
}

// client follows the header from its end as long as it was written by somebody
// who is trusted. Empty: nothing is known beside the peer itself.
func (p Proxies) client(peer string, header []string) string {
	hops := strings.Split(strings.Join(header, ","), ",")
	client := ""
	for at := peer; p.trusts(at) && len(hops) > 0; {
		last := strings.TrimSpace(hops[len(hops)-1])
		hops = hops[:len(hops)-1]
		ip, err := netip.ParseAddr(strings.Trim(hostOf(last), "[]"))
		if err != nil {
			break
		}
		at = ip.Unmap().WithZone("").String()
		client = at
	}
	return client
}
