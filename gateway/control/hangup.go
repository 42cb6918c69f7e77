package control

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// hangUpTimeout is how long a command that was interrupted waits to hear what
// was done.
const hangUpTimeout = 10 * time.Second

// hangingUp returns a context for one request. When ctx ends after the request
// was sent, the gateway is told, which ends the call, and its answer may still
// come: it says what was done. The caller must call done.
func hangingUp(ctx context.Context) (request context.Context, done func()) {
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var conn net.Conn
	sent := make(chan struct{})
	var once sync.Once
	trace := &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { conn = i.Conn },
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err == nil {
				once.Do(func() { close(sent) })
			}
		},
	}
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-sent:
		default:
			cancel()
			return
		}
		half, ok := conn.(interface{ CloseWrite() error })
		if !ok || half.CloseWrite() != nil {
			cancel()
			return
		}
		limit := time.AfterFunc(hangUpTimeout, cancel)
		<-patient.Done()
		limit.Stop()
	})
	return httptrace.WithClientTrace(patient, trace), func() {
		stop()
		cancel()
	}
}
