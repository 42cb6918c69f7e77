package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestSweep deletes two secrets, one of them later, and sweeps when the time of
// the first alone is over.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gateway")
	at := time.Now()
	run := func(args ...string) (string, int) {
		a, out, errOut := testApp(strings.NewReader(""))
		a.now = func() time.Time { return at }
		code := a.run(t.Context(), append(args, "--config", filepath.Join(dir, "vaultferry.yaml")))
		if errOut.Len() > 0 {
			t.Logf("%v: %s", args, errOut)
		}
		return out.String(), code
	}
	if _, code := run("init", dir); code != exitDone {
		t.Fatalf("init: exit code %d", code)
	}
	remove := func(name secret.Name) {
		t.Helper()
		a, _, _ := testApp(&bytes.Buffer{})
		a.now, a.configFile, a.output = func() time.Time { return at }, filepath.Join(dir, "vaultferry.yaml"), "text"
		s, err := a.openSession(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		ref := gateway.Ref{Store: "main", Name: name}
		_, put := s.own.Put(t.Context(), a.call("test"), ref, secret.Draft{Value: secret.TextValue("x")})
		_, del := s.own.Delete(t.Context(), a.call("test"), ref)
		if err := errors.Join(put, del, s.close()); err != nil {
			t.Fatal(err)
		}
	}
	remove("first")
	at = at.AddDate(0, 0, 60)
	remove("second")

	at = at.AddDate(0, 0, 40)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"sweep", "main", "--dry-run"}, "would purge first\n"},
		{[]string{"sweep", "main"}, "first\n"},
		{[]string{"sweep", "main"}, ""},
	} {
		if out, code := run(tt.args...); code != exitDone || out != tt.want {
			t.Errorf("%v: exit code %d, %q, want %q", tt.args, code, out, tt.want)
		}
	}
}
