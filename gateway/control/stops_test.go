package control

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestStopsGently: a call that runs when the gateway ends is answered, and then
// nobody is there, and no socket.
func TestStopsGently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, "main", "large", secret.TextValue(strings.Repeat("v", 4<<20))) // more than a socket holds
	got := 0
	err := w.client.Snapshot(t.Context(), call("store.backup"), "main", writerFunc(func(b []byte) (int, error) {
		w.stop()
		got += len(b)
		return len(b), nil
	}))
	if err != nil || got < 4<<20 {
		t.Errorf("%d bytes came, %v", got, err)
	}
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
	w.ended <- nil
	if _, err := os.Lstat(w.socket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if _, err := Connect(t.Context(), w.socket()); !errors.Is(err, ErrNobody) {
		t.Errorf("connecting afterwards: %v", err)
	}
	if _, err := w.client.List(t.Context(), call("list"), "main", secret.Query{}); !errors.Is(err, secret.Unavailable) {
		t.Errorf("asking afterwards: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestCutOff: a copy that was cut short is no copy, at whatever end it was cut,
// and the audit says so.
func TestCutOff(t *testing.T) {
	t.Parallel()
	large := secret.TextValue(strings.Repeat("v", 12<<20)) // more than a socket holds
	t.Run("gateway ends", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "main", "large", large)
		got := 0
		err := w.client.Snapshot(t.Context(), call("store.backup"), "main", writerFunc(func(b []byte) (int, error) {
			if got == 0 {
				if err := w.server.Close(); err != nil {
					t.Error(err)
				}
			}
			got += len(b)
			return len(b), nil
		}))
		if !errors.Is(err, secret.Unavailable) || got == 0 || got > 12<<20 {
			t.Errorf("%d bytes came, %v", got, err)
		}
		w.notAuditedAsWhole(t)
	})
	t.Run("command ends", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "main", "large", large)
		ctx, cancel := context.WithCancel(t.Context())
		err := w.client.Snapshot(ctx, call("store.backup"), "main", writerFunc(func(b []byte) (int, error) {
			cancel()
			return len(b), nil
		}))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the command: %v", err)
		}
		if err := w.server.Close(); err != nil { // it waits for the call's end
			t.Error(err)
		}
		w.notAuditedAsWhole(t)
	})
}

func (w *world) notAuditedAsWhole(t *testing.T) {
	t.Helper()
	outcomes := 0
	for line := range strings.Lines(w.audited(t)) {
		if strings.Contains(line, `"op":"cli.store.backup"`) && strings.Contains(line, `"phase":"outcome"`) {
			if outcomes++; strings.Contains(line, `"result":"ok"`) {
				t.Errorf("audited as whole: %s", line)
			}
		}
	}
	if outcomes != 1 {
		t.Errorf("%d outcomes are in the audit", outcomes)
	}
}

// TestInterruptedIsAnswered: whoever interrupts a call hears what was done until
// then.
func TestInterruptedIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	began := make(chan struct{})
	half := operation[noArgs, sweepAnswer]{name: "half", changes: true, do: func(ctx context.Context, _ *gateway.Service, _ gateway.Call, _ noArgs) (sweepAnswer, error) {
		close(began)
		<-ctx.Done()
		return sweepAnswer{Names: []secret.Name{"first"}}, &secret.Error{Kind: secret.Partial, Detail: "1 of 2 stands"}
	}}
	socket := filepath.Join(w.dir, "half.sock")
	serveAt(t, socket, handlerOf(w.server, half))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	got, err := half.ask(ctx, clientOf(socket), call("half"), noArgs{})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, secret.Partial) || secret.DetailOf(err) != "1 of 2 stands" || len(got.Names) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	// One that is interrupted before it is sent never runs.
	if _, err := half.ask(ctx, clientOf(socket), call("half"), noArgs{}); !errors.Is(err, context.Canceled) {
		t.Errorf("before: %v", err)
	}
}

// TestCancelReachesTheGateway: a call ends when its command does.
func TestCancelReachesTheGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	began, ended := make(chan struct{}), make(chan error, 1)
	o := operation[noArgs, nothing]{name: "wait", changes: true, do: func(ctx context.Context, _ *gateway.Service, _ gateway.Call, _ noArgs) (nothing, error) {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return nothing{}, ctx.Err()
	}}
	socket := filepath.Join(w.dir, "wait.sock")
	serveAt(t, socket, handlerOf(w.server, o))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	c := clientOf(socket)
	if _, err := o.ask(ctx, c, call("wait"), noArgs{}); !errors.Is(err, context.Canceled) || !errors.Is(err, secret.Unknown) {
		t.Errorf("the command: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the gateway: %v", err)
	}
}
