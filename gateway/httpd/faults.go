package httpd

import (
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// faults takes what net/http says of connections. Its own panics are errors.
// Of what strangers cause, such as handshakes that fail, a few lines a minute
// are warnings and the rest a number: nobody fills a disk with them.
type faults struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	minute  time.Time
	said    int
	dropped int
}

const faultsPerMinute = 10

// Write takes one line, or a panic with its trace.
func (f *faults) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	switch {
	case strings.Contains(text, "panic serving"):
		// What was panicked with may hold a value; where it rose does not.
		_, who, _ := strings.Cut(text, "panic serving ")
		who, _, _ = strings.Cut(who, ": ")
		_, trace, _ := strings.Cut(text, "\ngoroutine ")
		f.log.Error("a panic outside of any operation", slog.String("address", who), slog.String("trace", withoutArguments(trace)))
	case strings.HasSuffix(text, ": EOF"), // a client, or a probe, that has gone
		strings.HasSuffix(text, ": "+net.ErrClosed.Error()): // or one whose connection the gateway closed
		f.log.Debug(text)
	default:
		f.warn(text)
	}
	return len(line), nil
}

// withoutArguments keeps the functions and places of a trace.
func withoutArguments(trace string) string {
	var kept []string
	for l := range strings.Lines(trace) {
		l = strings.TrimRight(l, "\n")
		if i := strings.LastIndexByte(l, '('); i > 0 && !strings.HasPrefix(l, "\t") {
			l = l[:i]
		}
		kept = append(kept, l)
	}
	return strings.Join(kept, "\n")
}

func (f *faults) warn(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.minute) >= time.Minute {
		if f.dropped > 0 {
			f.log.Warn("more faults of connections in one minute than are told", slog.Int("left_out", f.dropped), slog.Time("since", f.minute))
		}
		f.minute, f.said, f.dropped = now, 0, 0
	}
	if f.said == faultsPerMinute {
		f.dropped++
		return
	}
	f.said++
	f.log.Warn("a connection failed", slog.String("fault", text))
}
