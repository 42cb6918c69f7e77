package hashivault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv2"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// everyCall is each operation, on the secret "s" or, of an import, on another.
func everyCall(s backends.Backend) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Put":           func(ctx context.Context) error { _, err := s.Put(ctx, "s", kvtest.Text("canary-y")); return err },
		"Get":           func(ctx context.Context) error { _, err := s.Get(ctx, "s", secret.Current); return err },
		"Describe":      func(ctx context.Context) error { _, err := s.Describe(ctx, "s"); return err },
		"Export":        func(ctx context.Context) error { _, err := s.Export(ctx, "s"); return err },
		"List":          func(ctx context.Context) error { _, err := s.List(ctx, secret.Query{}); return err },
		"ListTrash":     func(ctx context.Context) error { _, err := s.ListTrash(ctx, secret.Query{}); return err },
		"DescribeTrash": func(ctx context.Context) error { _, err := s.DescribeTrash(ctx, "s"); return err },
		"Recover":       func(ctx context.Context) error { _, err := s.Recover(ctx, "s"); return err },
		"Purge":         func(ctx context.Context) error { return s.Purge(ctx, "s") },
		"Delete":        func(ctx context.Context) error { _, err := s.Delete(ctx, "s", time.Time{}); return err },
		"Update": func(ctx context.Context) error {
			_, err := s.Update(ctx, "s", secret.Current, secret.Patch{Description: new(string)})
			return err
		},
		"Import": func(ctx context.Context) error {
			_, err := s.Import(ctx, backendtest.Sample("t"), "token")
			return err
		},
	}
}

// wantEach proves that each call fails with the kind, and says so.
func wantEach(t *testing.T, what string, s backends.Backend, kind secret.Kind, detail string) {
	t.Helper()
	for op, call := range everyCall(s) {
		if err := call(t.Context()); !errors.Is(err, kind) || secret.KindOf(err) != kind || !strings.Contains(secret.DetailOf(err), detail) {
			t.Errorf("%s, %s: %v", what, op, err)
		}
	}
}

// TestMountRemoved: a mount that went while the gateway runs is no missing
// secret, for whoever asks and for whoever writes.
func TestMountRemoved(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("x"))
	f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount))))
	narrow := f.open(t, nil)
	if _, err := narrow.Get(t.Context(), "s", secret.Current); err != nil {
		t.Fatal(err)
	}
	if err := f.native.Sys().Unmount(f.conf.Mount); err != nil {
		t.Fatal(err)
	}
	for who, s := range map[string]*kv2.Store{"root": f.Store, "the documented policy": narrow} {
		wantEach(t, who, s, secret.Upstream, "mount is not there")
		if err := s.Check(t.Context()); err == nil || !strings.Contains(secret.DetailOf(err), "there is no mount") {
			t.Errorf("%s, Check: %v", who, err)
		}
	}
}

// TestStandby: over a server that stands by everything works, for it forwards;
// one that may not, or that has lost the active one, changes nothing and says
// so.
func TestStandby(t *testing.T) {
	t.Parallel()
	c := vaulttest.StartRaft(t, 2)
	f := over(t, c.Nodes[0])
	f.conf.Address = c.Nodes[1].Address
	standby := f.open(t, nil)
	f.mustPut(t, "s", kvtest.Text("x"))
	if _, err := standby.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("y"), Disabled: true}); err != nil {
		t.Errorf("Put at the standby: %v", err)
	}
	sample := backendtest.Sample("sample")
	if _, err := standby.Import(t.Context(), sample, "token"); err != nil {
		t.Errorf("Import at the standby: %v", err)
	}
	backendtest.Compare(t, sample, f.mustExport(t, "sample"), f.Forecast(sample))
	if got := f.mustExport(t, "s"); len(got.Versions) != 2 || !got.Versions[1].Disabled {
		t.Error("the active server shows something else")
	}
	if err := standby.Check(t.Context()); err != nil {
		t.Errorf("Check of the standby: %v", err)
	}

	wire := kvtest.NewWire(t)
	sent := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		r.Header.Set("X-Vault-No-Request-Forwarding", "true")
		return wire.RoundTrip(r)
	}))
	wantEach(t, "no forwarding", sent, secret.Unavailable, "redirect")
	if n := len(f.mustExport(t, "s").Versions); n != 2 {
		t.Errorf("%d versions stand, want 2", n)
	}

	c.Nodes[0].Stop()
	for op, call := range everyCall(standby) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := call(ctx)
		if kind := secret.KindOf(err); err == nil || kind != secret.Unavailable && kind != secret.Unknown {
			t.Errorf("the active server is gone, %s: %v", op, err)
		}
		cancel()
	}
}

// TestSealedInTheMiddle seals the server before one write of an import after
// another: nothing shows, and once it is unsealed the second try completes it.
func TestSealedInTheMiddle(t *testing.T) {
	t.Parallel()
	c := vaulttest.StartRaft(t, 1)
	f := over(t, c.Nodes[0])
	wire := kvtest.NewWire(t)
	for at := int64(1); at < 12; at += 3 {
		s := backendtest.Sample(secret.Name(fmt.Sprint("s", at)))
		var writes atomic.Int64
		sealing := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet && writes.Add(1) == at {
				c.Nodes[0].Seal(t)
			}
			return wire.RoundTrip(r)
		}))
		done, err := sealing.Import(t.Context(), s, "token")
		kind := secret.Partial
		if done == nil || len(done.Stands) == 0 {
			kind = secret.Unavailable
		}
		if !errors.Is(err, kind) {
			t.Errorf("sealed at write %d: %v", at, err)
		}
		wantEach(t, "sealed", f.Store, secret.Unavailable, "not ready")
		c.Unseal(t, c.Nodes[0])
		if _, err := f.Export(t.Context(), s.Name); !errors.Is(err, secret.NotFound) {
			t.Errorf("Export of what is unfinished: %v", err)
		}
		if _, err := f.Import(t.Context(), s, "token"); err != nil {
			t.Fatalf("the second try: %v", err)
		}
		backendtest.Compare(t, s, f.mustExport(t, s.Name), f.Forecast(s))
	}
}

// TestThrottledWithoutAdvice: by default the server says no more than that the
// limit is reached.
func TestThrottledWithoutAdvice(t *testing.T) {
	t.Parallel()
	f := over(t, vaulttest.Start(t))
	f.mustPut(t, "s", kvtest.Text("x"))
	if _, err := f.native.Logical().Write("sys/quotas/rate-limit/slow", map[string]any{"path": f.conf.Mount + "/", "rate": 1, "interval": "60s"}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		var e *secret.Error
		if _, err := f.Put(t.Context(), "s", kvtest.Text("canary-y")); errors.As(err, &e) && e.Kind == secret.Throttled {
			if e.RetryAfter != time.Second {
				t.Errorf("come back after %v", e.RetryAfter)
			}
			return
		}
	}
	t.Error("five writes in a minute with a limit of one, and none was throttled")
}

// TestThrottledInTheMiddle: the limit is reached within an import; what stands
// is said, and the second try completes it.
func TestThrottledInTheMiddle(t *testing.T) {
	t.Parallel()
	f := over(t, vaulttest.Start(t))
	slow := f.conf.Mount + "/data/s"
	if _, err := f.native.Logical().Write("sys/quotas/rate-limit/slow", map[string]any{"path": slow, "rate": 5, "interval": "60s"}); err != nil {
		t.Fatal(err)
	}
	s := backendtest.Sample("s")
	done, err := f.Import(t.Context(), s, "token")
	if !errors.Is(err, secret.Partial) || len(done.Stands) == 0 || len(done.Stands) == len(s.Versions) {
		t.Fatalf("Import: %v", err)
	}
	if _, err := f.native.Logical().Delete("sys/quotas/rate-limit/slow"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Import(t.Context(), s, "token"); err != nil {
		t.Fatalf("the second try: %v", err)
	}
	backendtest.Compare(t, s, f.mustExport(t, "s"), f.Forecast(s))
}

// TestTokenExpiresInTheMiddle takes the token away within an import. A fixed
// one ends it, and a second try with another completes it; with a login nobody
// notices.
func TestTokenExpiresInTheMiddle(t *testing.T) {
	f := newFixture(t)
	policy := f.server.Policy(t, kvtest.Policy(f.conf.Mount))
	revoking := func() (*kv2.Store, *atomic.Int64) {
		wire, writes := kvtest.NewWire(t), new(atomic.Int64)
		return f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/data/") && writes.Add(1) == 5 {
				if err := f.native.Auth().Token().RevokeTree(r.Header.Get("X-Vault-Token")); err != nil {
					t.Error(err)
				}
			}
			return wire.RoundTrip(r)
		})), writes
	}
	f.conf.Token = secret.TextValue(f.server.Token(t, policy))
	s := backendtest.Sample("s")
	fixed, _ := revoking()
	done, err := fixed.Import(t.Context(), s, "token")
	if !errors.Is(err, secret.Partial) || len(done.Stands) != 4 {
		t.Fatalf("Import whose token goes: %v", err)
	}
	wantEach(t, "no token", fixed, secret.Upstream, "credentials")
	if _, err := f.Import(t.Context(), s, "token"); err != nil {
		t.Fatalf("the second try: %v", err)
	}
	backendtest.Compare(t, s, f.mustExport(t, "s"), f.Forecast(s))

	role := f.server.NewAppRole(t, policy, map[string]any{"token_ttl": "1h"})
	f.conf.Token = secret.Value{}
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	again := backendtest.Sample("again")
	login, writes := revoking()
	if _, err := login.Import(t.Context(), again, "token"); err != nil || writes.Load() < 5 {
		t.Fatalf("Import with a login whose token goes: %v", err)
	}
	backendtest.Compare(t, again, f.mustExport(t, "again"), f.Forecast(again))
}

func TestSealedAndStopped(t *testing.T) {
	server := vaulttest.Start(t)
	f := over(t, server)
	f.mustPut(t, "s", kvtest.Text("x"))
	check := func(what string) {
		t.Helper()
		for op, call := range map[string]func(context.Context) error{
			"Put":    func(ctx context.Context) error { _, err := f.Put(ctx, "s", kvtest.Text("y")); return err },
			"Get":    func(ctx context.Context) error { _, err := f.Get(ctx, "s", secret.Current); return err },
			"Import": func(ctx context.Context) error { _, err := f.Import(ctx, backendtest.Sample("t"), "token"); return err },
			"Check":  f.Check,
		} {
			if err := call(t.Context()); secret.KindOf(err) != secret.Unavailable {
				t.Errorf("%s, %s: %v", what, op, err)
			}
		}
	}
	server.Seal(t)
	check("sealed")
	server.Stop()
	check("stopped")
	b, err := open(t.Context(), backends.Env{Store: "s"}, &f.conf)
	if err != nil {
		t.Fatalf("a gateway cannot start while Vault is down: %v", err)
	}
	_ = b.Close()
}

// TestReplicaBehind: a replica that has not heard of the last write yet is asked
// again once the import has written, as a server that is busy is.
func TestReplicaBehind(t *testing.T) {
	f := newFixture(t)
	for name, status := range map[string]int{"behind": http.StatusPreconditionFailed, "busy": http.StatusTooManyRequests} {
		wire, requests, pauses := kvtest.NewWire(t), new(atomic.Int64), new(atomic.Int64)
		s := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "sys/") {
				return wire.RoundTrip(r)
			}
			if n := requests.Add(1); n > 4 && n%2 == 0 { // the first write is the third request
				return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
			}
			return wire.RoundTrip(r)
		}))
		ctx := kit.WithPatience(t.Context(), kit.SinceWrite, func(context.Context, time.Duration, time.Duration) bool { pauses.Add(1); return true })
		sample := backendtest.Sample(secret.Name(name))
		if _, err := s.Import(ctx, sample, "token"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if pauses.Load() == 0 {
			t.Errorf("%s: nothing was refused", name)
		}
		backendtest.Compare(t, sample, f.mustExport(t, sample.Name), f.Forecast(sample))
	}
}
