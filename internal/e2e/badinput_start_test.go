package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestBoltFileHeld: the second to open a file fails within two seconds and
// names it; the first does not notice.
func TestBoltFileHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path, keys := filepath.Join(t.TempDir(), "held.db"), gatewaytest.NewKeyring(t)
		env := backends.Env{Store: "held", Keys: keys, Now: time.Now}
		first, err := bolt.Open(t.Context(), env, &bolt.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = first.Close() })
		start := time.Now()
		_, err = bolt.Open(t.Context(), env, &bolt.Config{Path: path})
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("waited %s", took)
		}
		if !errors.Is(err, secret.Unavailable) || !strings.Contains(secret.DetailOf(err), path+" is held by another process") {
			t.Errorf("said %v", err)
		}
		if _, err := first.Put(t.Context(), "n", secret.Draft{Value: secret.TextValue(hush)}); err != nil {
			t.Errorf("the holder: %v", err)
		}
	})
}

// TestBoltOfAnotherKeyring: a file is not opened with keys that are not its
// own, and is as it was.
func TestBoltOfAnotherKeyring(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	env := backends.Env{Store: "s", Keys: gatewaytest.NewKeyring(t), Now: time.Now}
	b, err := bolt.Open(t.Context(), env, &bolt.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	env.Keys = gatewaytest.NewKeyring(t)
	if _, err := bolt.Open(t.Context(), env, &bolt.Config{Path: path}); !errors.Is(err, secret.Invalid) || !strings.Contains(secret.DetailOf(err), "the keyring does not open this file") {
		t.Errorf("said %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file has changed (%v)", err)
	}
}

// TestKeyringThatOthersMayRead is refused by its mode, whatever it holds.
func TestKeyringThatOthersMayRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	if err := gatewaytest.NewKeyring(t).Create(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o660, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := backup.LoadKeyring(path)
		if !errors.Is(err, secret.Invalid) || !strings.Contains(secret.DetailOf(err), path) || !strings.Contains(secret.DetailOf(err), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.LoadKeyring(path); err != nil {
		t.Errorf("mode 600: %v", err)
	}
}

// TestAuditFileNotWritable: there is no gateway without an audit.
func TestAuditFileNotWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, path := range map[string]string{
		"a folder":              dir,
		"in no folder":          filepath.Join(dir, "absent", "audit.jsonl"),
		"below a file":          filepath.Join("badinput_start_test.go", "audit.jsonl"),
		"a path with a zero in": dir + "/a\x00b",
	} {
		if log, err := audit.Open(path, time.Now); err == nil {
			_ = log.Close()
			t.Errorf("%s: opened", name)
		}
	}
}

// TestAuditOnAFullDisk writes its lines to a device that is full for real.
func TestAuditOnAFullDisk(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	for _, v := range []vendor{azureWire{}, huaweiWire{}} {
		for _, x := range []*exchange{azFetch("main", nil, 500, "", "", ""), azStore("main", nil, 500, "", "", "")} {
			log, err := audit.Open("/dev/full", time.Now)
			if err != nil {
				t.Fatal(err)
			}
			w := &badWorld{Gateway: gatewaytest.New(t, gatewaytest.Options{AuditLog: log})}
			a := w.send(t, v, x, "HTTP/2.0", x.body)
			if a.status != x.status || strings.Contains(string(a.body), "space") || strings.Contains(string(a.body), "/dev") {
				t.Errorf("%s %s answers %d", v, x.method, a.status)
			}
			if w.Service.Ready() == nil {
				t.Error("the gateway calls itself ready")
			}
		}
	}
}

// TestAuditFullInTheMiddle: what the product did and no line tells of is
// answered as unknown, and the client's repeat makes nothing twice.
func TestAuditFullInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v vendor
		x *exchange
	}{{azureWire{}, azStore("main", nil, 503, "ServiceUnavailable", azUnknown, "")}, {huaweiWire{}, hwStore("main", nil, 504, "APIGW.0201", hwTimeout, "")}} {
		w := newBadWorld(t, nil)
		w.mark(t)
		w.main.After = func(context.Context, string) error {
			w.audit.Fill()
			return nil
		}
		a := w.send(t, c.v, c.x, "HTTP/2.0", c.x.body)
		if got := c.v.parse(t, a); a.status != c.x.status || got.code != c.x.code || !strings.Contains(got.message, c.x.message) {
			t.Errorf("%s answers %d %q %q", c.v, a.status, got.code, got.message)
		}
		if lines := w.audit.Entries(t)[w.marked:]; len(lines) != 1 || lines[0].Phase != audit.Intent {
			t.Errorf("%s: %d lines", c.v, len(lines))
		}
		if a := w.send(t, c.v, c.x, "HTTP/2.0", c.x.body); a.status != 500 {
			t.Errorf("%s: the repeat answers %d", c.v, a.status)
		}
		if s, err := w.stores["main"].Describe(t.Context(), "new"); err != nil || len(s.Versions) != 1 {
			t.Errorf("%s: not exactly one version (%v)", c.v, err)
		}
	}
}

// TestStoreThatComesBack: a store that was down serves again as soon as it is
// there, and took nobody with it.
func TestStoreThatComesBack(t *testing.T) {
	t.Parallel()
	w := newBadWorld(t, nil)
	down := scripted(azFetch("main", nil, 503, "ServiceUnavailable", azDown, "unavailable"), &secret.Error{Kind: secret.Unavailable})
	down.before(t, w)
	if a := w.send(t, azureWire{}, down, "HTTP/2.0", ""); a.status != 503 {
		t.Errorf("down: %d", a.status)
	}
	if a := w.send(t, azureWire{}, &exchange{store: "spare", method: httpGet, path: "/secrets"}, "HTTP/2.0", ""); a.status != 200 || w.Service.Ready() != nil {
		t.Errorf("its neighbour: %d", a.status)
	}
	if s := w.Service.Health()[0]; s.State != gateway.StoreDown || s.Name != "main" {
		t.Errorf("shown as %+v", s)
	}
	w.main.Before = nil
	w.checkStillServes(t, azureWire{})
	if s := w.Service.Health()[0]; s.State != gateway.StoreUp {
		t.Errorf("shown as %+v", s)
	}
}
