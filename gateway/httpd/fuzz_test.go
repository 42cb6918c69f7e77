package httpd

import (
	"net/netip"
	"testing"
)

// FuzzForwardedFor: the client that a header names is an address that no trusted
// proxy has, or the first of all; who is not trusted names nobody.
func FuzzForwardedFor(f *testing.F) {
	for _, s := range []string{"", "192.0.2.1", "10.0.0.9, 192.0.2.1", "192.0.2.1, 10.0.0.9", "::ffff:192.0.2.1", "[2001:db8::1]:443", "192.0.2.1:80", "unknown, ,", "fe80::1%eth0", "10.0.0.1,10.0.0.2"} {
		f.Add("10.0.0.1", s, s)
		f.Add("192.0.2.7", s, "")
	}
	p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, peer, one, other string) {
		// What a client wrote before the proxy did counts for nothing.
		if named := p.client(peer, []string{one, other, "192.0.2.99"}); (named == "192.0.2.99") != p.trusts(peer) {
			t.Fatalf("behind %q and %q, %q names %q", one, other, peer, named)
		}
		client := p.client(peer, []string{one, other})
		if client == "" {
			return
		}
		ip, err := netip.ParseAddr(client)
		if err != nil || ip.String() != client || ip.Zone() != "" || ip.Is4In6() || !p.trusts(peer) {
			t.Fatalf("%q names %q, which is no plain address, or is not believed", peer, client)
		}
	})
}
