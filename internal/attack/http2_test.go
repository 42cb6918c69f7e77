package attack

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is a connection at which HTTP/2 is written by hand.
func (x *target) frames(t *testing.T, address string) (net.Conn, *http2.Framer) {
	t.Helper()
	d := &tls.Dialer{NetDialer: dialerAt(address), Config: &tls.Config{
		RootCAs: x.pool, ServerName: vaultHost, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
	}}
	c, err := d.DialContext(t.Context(), "tcp", x.address)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = io.WriteString(c, http2.ClientPreface)
	must(t, err)
	f := http2.NewFramer(c, c)
	must(t, f.WriteSettings())
	return c, f
}

func head(token string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, h := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", vaultHost}, {":path", "/secrets?api-version=7.4"}, {"authorization", "Bearer " + token}} {
		_ = e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}) // into memory
	}
	return b.Bytes()
}

// TestRapidReset: streams that are begun and reset at once cost neither memory
// nor goroutines, and keep nobody waiting.
func TestRapidReset(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	memory, goroutines := x.memory(t), x.metric(t, "go_goroutines")
	ended := 0
	for range 5 {
		c, f := x.frames(t, hostile)
		_ = c.SetDeadline(time.Now().Add(patience))
		go func() { _, _ = io.Copy(io.Discard, c) }()
		block := head("nobody's")
		for id := uint32(1); id < 20_000; id += 2 {
			err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: true})
			if err == nil {
				err = f.WriteRSTStream(id, http2.ErrCodeCancel)
			}
			if err != nil {
				ended++
				break
			}
		}
	}
	x.serves(t, honest, "meanwhile")
	x.costs(t, memory, mayHold)
	t.Logf("%d of 5 connections were ended", ended)
	eventually(t, "goroutines end with their streams", func() bool { return x.metric(t, "go_goroutines") < goroutines+50 })
}

// TestContinuationFlood: headers without end are ended.
func TestContinuationFlood(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	memory := x.memory(t)
	for range 3 {
		c, f := x.frames(t, hostile)
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		go func() { _, _ = io.Copy(io.Discard, c) }()
		must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head(appToken)}))
		var field bytes.Buffer
		_ = hpack.NewEncoder(&field).WriteField(hpack.HeaderField{Name: "x-a", Value: strings.Repeat("b", 4000), Sensitive: true})
		var err error
		for sent := 0; err == nil && sent < 64<<20; sent += field.Len() {
			err = f.WriteContinuation(1, false, field.Bytes())
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("64 MB of headers are taken: %v", err)
		}
	}
	x.costs(t, memory, 20)
	x.serves(t, honest, "after")
}

// TestSlowHandshakes: connections that begin a handshake and stop are ended,
// and six hundred idle ones cost little and keep nobody out.
func TestSlowHandshakes(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	memory, goroutines := x.memory(t), x.metric(t, "go_goroutines")
	var open []net.Conn
	for i := range 600 {
		c, err := dialerAt(hostile).DialContext(t.Context(), "tcp", x.address)
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		if i%2 == 0 {
			_, _ = c.Write([]byte{22, 3, 1, 2, 0, 1, 0}) // the beginning of a ClientHello
		}
		open = append(open, c)
	}
	x.serves(t, honest, "meanwhile")
	x.serves(t, hostile, "behind-the-same-address")
	x.costs(t, memory, mayHold)
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(40 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a handshake may take for ever")
		}
	}
	eventually(t, "goroutines end with their connections", func() bool { return x.metric(t, "go_goroutines") < goroutines+50 })
}

// TestManyIdle: six hundred connections that were used and are idle cost little.
func TestManyIdle(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	memory := x.memory(t)
	for range 600 {
		c := x.raw(t, hostile)
		_, _ = io.WriteString(c, "GET /secrets?api-version=7.4 HTTP/1.1\r\nHost: "+vaultHost+"\r\nAuthorization: Bearer "+appToken+"\r\n\r\n")
	}
	x.serves(t, honest, "meanwhile")
	x.costs(t, memory, mayHold)
	if code, body := do(t, x.from(t, hostile), x.azure(t, "GET", "/secrets", appToken, http.NoBody)); code != http.StatusOK {
		t.Error(code, body)
	}
}
