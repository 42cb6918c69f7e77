package access

import "testing"

// FuzzNetwork: a network stands for itself, whatever the address.
func FuzzNetwork(f *testing.F) {
	for _, s := range []string{"", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%eth0", "2001:db8::/64", "@", "192.0.2.1:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if n := Network(address); Network(n) != n {
			t.Fatalf("%q is of %q, and that of %q", address, n, Network(n))
		}
	})
}
