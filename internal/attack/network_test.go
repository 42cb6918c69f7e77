package attack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lastLine is the last line of the audit.
func (x *target) lastLine(t *testing.T) map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(x.dir, "audit.jsonl"))
	must(t, err)
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	var line map[string]any
	must(t, json.Unmarshal(lines[len(lines)-1], &line))
	return line
}

// TestAddressesAreNotForged: X-Forwarded-For counts from trusted proxies alone,
// for the audit and for the throttle.
func TestAddressesAreNotForged(t *testing.T) {
	t.Parallel()
	x := start(t, extra{Server: ", trusted_proxies: [127.0.0.3]"})
	for from, want := range map[string]string{hostile: hostile, honest: "203.0.113.5"} {
		client := x.from(t, from)
		ask := func(claims string) int {
			r := x.azure(t, "GET", "/secrets/none", appToken, http.NoBody)
			r.Header.Set("X-Forwarded-For", claims)
			code, _ := do(t, client, r)
			return code
		}
		if code := ask("198.51.100.1, 203.0.113.5"); code != http.StatusNotFound {
			t.Errorf("%s: %d", from, code)
		}
		if got := x.lastLine(t)["address"]; got != want {
			t.Errorf("from %s the audit has %v, want %s", from, got, want)
		}
	}
}

// TestIdleConnections: one address has a quarter of the connections, and they
// keep nobody out.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	x := start(t, extra{Server: ", max_connections: 64"})
	open := 0
	for range 64 {
		if c, err := x.dial(t, hostile); err == nil && answers(c) { // and is idle then
			open++
		}
	}
	if open != 16 {
		t.Errorf("%d connections of one address, want 16", open)
	}
	x.serves(t, honest, "n")
}

// answers asks for something that is refused, and leaves the connection open.
func answers(c net.Conn) bool {
	_, err := io.WriteString(c, refusedRequest)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	return err == nil
}

// TestNoBrokenCiphers: no CBC, no RSA key exchange, no TLS before 1.2.
func TestNoBrokenCiphers(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	for _, c := range []*tls.Config{
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
		{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
	} {
		c.InsecureSkipVerify = true
		d := &tls.Dialer{Config: c}
		if conn, err := d.DialContext(t.Context(), "tcp", x.address); err == nil {
			_ = conn.Close()
			t.Errorf("%v is spoken", c.CipherSuites)
		}
	}
	eventually(t, "a failed handshake is logged", func() bool { return strings.Contains(x.log.text(), "TLS handshake error") })
}

// eventually waits for what comes about by itself.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); !done(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("in vain: " + what)
		}
	}
}

// TestSignedHost: where it is demanded, a request that was signed for another
// gateway is refused, and whoever signs the host is served.
func TestSignedHost(t *testing.T) {
	t.Parallel()
	x := start(t, extra{Huawei: "    require_signed_host: true"})
	client := x.from(t, honest)
	if code, body := x.send(t, client, call{method: "GET", path: "/secrets"}); code != http.StatusUnauthorized || !strings.Contains(body, "Host must be signed") {
		t.Errorf("without the host: %d %s", code, body)
	}
	if code, body := x.send(t, client, call{method: "GET", path: "/secrets", host: true}); code != http.StatusOK {
		t.Errorf("with the host: %d %s", code, body)
	}
}

// TestSlowHeads: connections that send their head byte by byte are ended, and
// two hundred of them keep nobody waiting.
func TestSlowHeads(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	goroutines := x.metric(t, "go_goroutines")
	var open []net.Conn
	for range 200 {
		c := x.raw(t, hostile)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: ")
		open = append(open, c)
	}
	x.serves(t, honest, "meanwhile")
	_ = open[0].SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := bufio.NewReader(open[0]).ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a head may come for ever")
	}
	eventually(t, "goroutines end with their connections", func() bool { return x.metric(t, "go_goroutines") < goroutines+50 })
}
