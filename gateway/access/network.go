package access

import "net/netip"

// Network is whom a client's address counts for: itself, or in IPv6 its /64,
// in which anybody has as many addresses as he likes.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
