package httpd

import (
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestFaults: a panic of net/http's own is an error, without what it was
// panicked with; of a flood of bad handshakes a few lines a minute are told.
func TestFaults(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(1_700_000_000, 0)
	l := log.New(&faults{log: slog.New(slog.NewTextHandler(&out, nil)), now: func() time.Time { return now }}, "", 0)
	l.Printf("http: panic serving %v: %v\n%s", "192.0.2.1:4711", "s3cr3t\ns3cr3t again", "goroutine 7 [running]:\nnet/http.(*conn).serve.func1(0x5ec2e7)\n\t/usr/lib/go/server.go:1 +0xbe\n")
	text := out.String()
	for _, want := range []string{"level=ERROR", "192.0.2.1", "net/http.(*conn).serve.func1", "server.go:1"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if strings.Contains(text, "s3cr3t") || strings.Contains(text, "0x5ec2e7") {
		t.Errorf("what was panicked with is told: %s", text)
	}
	out.Reset()
	for i := range 1000 {
		l.Printf("http: TLS handshake error from 192.0.2.1:%d: EOF", i)
		l.Printf("http: TLS handshake error from 192.0.2.1:%d: read tcp 192.0.2.3:443->192.0.2.1:%[1]d: use of closed network connection", i)
		l.Printf("http: TLS handshake error from 192.0.2.1:%d: tls: no cipher suite supported by both client and server", i)
	}
	if got := strings.Count(out.String(), "\n"); got != faultsPerMinute {
		t.Errorf("%d lines in a minute", got)
	}
	now = now.Add(time.Minute)
	l.Print("http: TLS handshake error from 192.0.2.2:1: tls: bad record MAC")
	if want := fmt.Sprint("left_out=", 1000-faultsPerMinute); !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "bad record MAC") {
		t.Errorf("the next minute: %s", out.String())
	}
}
