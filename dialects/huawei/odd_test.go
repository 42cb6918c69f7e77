package huawei_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestVersionZero: no version is called v0, and a stage must not go to another.
func TestVersionZero(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	(message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"x"}`}).send(t, g)
	for _, m := range []message{
		{Method: "PUT", Path: "/secrets/n/stages/x", Body: `{"version_id":"v0"}`},
		{Method: "POST", Path: "/secrets/n/stages", Body: `{"name":"x","version_id":"v0"}`},
	} {
		if a := m.send(t, g); a.Status != 404 {
			t.Errorf("%s: %d %s", m.Method, a.Status, a.Body)
		}
	}
	if a := (message{Path: "/secrets/n/stages/x"}).send(t, g); a.Status != 404 {
		t.Errorf("the stage is there: %s", a.Body)
	}
}

func faulty(t *testing.T, before func(context.Context, string) error, rules ...access.Rule) (*gatewaytest.Gateway, backends.Backend) {
	t.Helper()
	store := memory.New(memory.Options{})
	g := gatewaytest.New(t, gatewaytest.Options{Policy: rules, Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: &backendtest.Faulty{Backend: store, Before: before}}}})
	return g, store
}

// TestRecyclingAtOnce: versions made at once take one place each.
func TestRecyclingAtOnce(t *testing.T) {
	t.Parallel()
	var slow func()
	g, _ := faulty(t, func(_ context.Context, op string) error {
		if op == "Put" && slow != nil {
			slow()
		}
		return nil
	})
	(message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"x"}`}).send(t, g)
	for range 19 {
		(message{Method: "POST", Path: "/secrets/n/versions", Body: `{"secret_string":"x"}`}).send(t, g)
	}
	slow = func() { time.Sleep(20 * time.Millisecond) }
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			(message{Method: "POST", Path: "/secrets/n/versions", Body: fmt.Sprintf(`{"secret_string":"y%d"}`, i)}).send(t, g)
		})
	}
	wg.Wait()
	if a := (message{Path: "/secrets/n/versions"}).send(t, g); strings.Count(a.Body, `"id":"v`) != 20 {
		t.Errorf("%d versions are listed", strings.Count(a.Body, `"id":"v`))
	}
}

// TestLabelsLikeRoles: a label that another product calls as CSMS calls a role
// is not that role.
func TestLabelsLikeRoles(t *testing.T) {
	t.Parallel()
	g, store := faulty(t, func(context.Context, string) error { return nil })
	at := time.UnixMilli(1_700_000_000_000).UTC()
	v := func(o secret.Ordinal, stages ...string) secret.Version {
		return secret.Version{Ordinal: o, UID: secret.NewUID(), Value: secret.TextValue("x"), Created: at, Updated: at, Stages: stages}
	}
	_, err := store.Import(t.Context(), &secret.Secret{Name: "n", Current: 2, Created: at, Updated: at, Versions: []secret.Version{v(1, "SYSCURRENT"), v(2, "SYSPREVIOUS")}}, "")
	must(t, err)
	if a := (message{Path: "/secrets/n/versions"}).send(t, g); strings.Count(a.Body, `"SYS`) != 1 {
		t.Errorf("%s", a.Body)
	}
	for stage, want := range map[string]int{"SYSCURRENT": 200, "SYSPREVIOUS": 404} {
		if a := (message{Path: "/secrets/n/stages/" + stage}).send(t, g); a.Status != want || want == 200 && !strings.Contains(a.Body, `"v2"`) {
			t.Errorf("%s: %d %s", stage, a.Status, a.Body)
		}
	}
}
