package httpd

import (
	"net"
	"testing"
)

type pipeFrom struct {
	net.Conn
	address string
}

func (p pipeFrom) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(p.address), Port: 1} }

// TestConnections: a network has a quarter, and when all are taken the one that
// has most makes room for one that has fewer.
func TestConnections(t *testing.T) {
	t.Parallel()
	l := bounded(nil, 8, nil, func(a string) bool { return a == "10.0.0.1" })
	connect := func(address string) net.Conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = theirs.Close() })
		return l.admit(pipeFrom{ours, address})
	}
	held := map[string][]net.Conn{}
	for _, c := range []struct {
		address string
		served  bool
	}{
		{"10.0.0.1", true},
		{"10.0.0.1", true},
		{"10.0.0.1", true}, // a trusted proxy has no quarter
		{"192.0.2.1", true},
		{"192.0.2.1", true},
		{"192.0.2.1", false},
		{"2001:db8::1", true},
		{"2001:db8::2", true},
		{"2001:db8::3", false},
		{"2001:db8:0:1::1", true},
	} {
		ours := connect(c.address)
		if (ours != nil) != c.served {
			t.Fatalf("%s served: %v, want %v", c.address, ours != nil, c.served)
		}
		if ours != nil {
			held[c.address] = append(held[c.address], ours)
		}
	}
	if len(l.open) != 8 {
		t.Fatalf("%d are open", len(l.open))
	}
	oldest := held["10.0.0.1"][0]
	if ours := connect("198.51.100.1"); ours == nil {
		t.Error("a new network is not served")
	}
	if _, err := oldest.Write([]byte{1}); err == nil {
		t.Error("the one that has most has lost nothing")
	}
	for _, c := range held["192.0.2.1"] {
		_, _ = c.Close(), c.Close() // the second one counts for nothing
	}
	if ours := connect("192.0.2.1"); ours == nil {
		t.Error("who has closed his connections gets no other")
	}
}
