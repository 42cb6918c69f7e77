package httpd

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	proxyproto "github.com/pires/go-proxyproto"
)

// TestForwardedFor: the header counts from its end, as far as those wrote it
// who are trusted; from anybody else it is nothing.
func TestForwardedFor(t *testing.T) {
	t.Parallel()
	p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8::1/128")}}
	got := ""
	h := p.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = hostOf(r.RemoteAddr) }))
	for _, c := range []struct {
		peer   string
		header []string
		want   string
	}{
		{"192.0.2.9:1", []string{"203.0.113.5"}, "192.0.2.9"},
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"[2001:db8::1]:1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"10.0.0.1:1", []string{"198.51.100.1, 203.0.113.5"}, "203.0.113.5"},              // the first one is the client's own claim
		{"10.0.0.1:1", []string{"198.51.100.1", "203.0.113.5, 10.0.0.2"}, "203.0.113.5"},  // through two proxies
		{"10.0.0.1:1", []string{"198.51.100.1, nonsense"}, "10.0.0.1"},                    // nothing behind it is known
		{"10.0.0.1:1", []string{"198.51.100.1, nonsense, 10.0.0.2"}, "10.0.0.2"},          // as far as is known
		{"10.0.0.1:1", []string{"10.0.0.7, 10.0.0.8"}, "10.0.0.7"},                        // the proxies' own
		{"10.0.0.1:1", []string{"203.0.113.5:4711"}, "203.0.113.5"},                       // with a port
		{"10.0.0.1:1", []string{"[2001:db8::5]:4711"}, "2001:db8::5"},                     // the same
		{"10.0.0.1:1", []string{"::ffff:203.0.113.5"}, "203.0.113.5"},                     // one address, two spellings
		{"10.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::1"},                               // a zone says nothing here
		{"[::ffff:10.0.0.1]:1", []string{"203.0.113.5"}, "203.0.113.5"},                   // of the peer too
		{"10.0.0.1:1", []string{"203.0.113.5, 198.51.100.7 , 10.0.0.3 "}, "198.51.100.7"}, // with blanks
		{"10.0.1.1:1", []string{"203.0.113.5"}, "10.0.1.1"},                               // of the next network
		{"not an address", []string{"203.0.113.5"}, "not an address"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header[forwardedFor] = c.header
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want {
			t.Errorf("%s says %q: %s, want %s", c.peer, c.header, got, c.want)
		}
	}
}

// TestProxyProtocol: who is trusted says it once for the connection, and has to;
// who is not cannot, and X-Forwarded-For counts from nobody.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]struct{ with, without string }{
		"127.0.0.0/8":  {"203.0.113.5", ""},
		"192.0.2.0/24": {"", "127.0.0.1"},
	} {
		p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix(trusted)}, Protocol: true}
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(p.handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, hostOf(r.RemoteAddr))
		})))
		_ = s.Listener.Close()
		s.Listener = p.listener(ln)
		s.Start()
		t.Cleanup(s.Close)
		for _, with := range []bool{true, false} {
			says := want.without
			if with {
				says = want.with
			}
			if got := askThrough(t, ln.Addr().String(), with); got != says {
				t.Errorf("%s is trusted, with a header %v: %q, want %q", trusted, with, got, says)
			}
		}
	}
}

// askThrough is empty where the connection was refused, or what came was no
// request.
func askThrough(t *testing.T, address string, header bool) string {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if header {
		h := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 5), Port: 4711}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
		if _, err := h.WriteTo(c); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.WriteString(c, "GET / HTTP/1.0\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n")
	all, _ := io.ReadAll(c)
	head, body, ok := strings.Cut(string(all), "\r\n\r\n")
	if !ok || head[9:12] != "200" {
		return ""
	}
	return body
}
