package huawei_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/events"
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
	g, _ := faulty(t, func(_ context.Context, op string) error {
		if op == "Put" {
			for range 1000 {
				runtime.Gosched() // whoever can come between, does
			}
		}
		return nil
	})
	(message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"x"}`}).send(t, g)
	for range 19 {
		(message{Method: "POST", Path: "/secrets/n/versions", Body: `{"secret_string":"x"}`}).send(t, g)
	}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			(message{Method: "POST", Path: "/secrets/n/versions", Body: fmt.Sprintf(`{"secret_string":"y%d"}`, i)}).send(t, g)
		})
	}
	wg.Wait()
	if a := (message{Path: "/secrets/n/versions"}).send(t, g); strings.Count(a.Body, `"id":"v`) != 20 {
		t.Errorf("%d versions are listed", strings.Count(a.Body, `"id":"v`))
	}
	before := len(g.Audit.Entries(t))
	a := message{Path: "/secrets/n/versions/v1"}.send(t, g)
	if lines := g.Audit.Entries(t)[before:]; a.Status != 404 || len(lines) != 1 || lines[0].Result != "not found" {
		t.Errorf("a recycled version answers %d, and the audit has %v", a.Status, lines)
	}
}

// TestListOfFew: a page that holds few of many secrets costs few calls.
func TestListOfFew(t *testing.T) {
	t.Parallel()
	var lists atomic.Int64
	g, store := faulty(t, func(_ context.Context, op string) error {
		if op == "List" {
			lists.Add(1)
		}
		return nil
	})
	event := []byte(`["e"]`)
	for i := range 3000 {
		d := secret.Draft{Value: secret.TextValue("x")}
		if i%1000 == 500 {
			d.OfSecret = &secret.Attributes{Extra: secret.Extra{events.ExtraSubscriptions: event}}
		}
		_, err := store.Put(t.Context(), secret.Name(fmt.Sprintf("s%04d", i)), d)
		must(t, err)
	}
	var pages []string
	for marker := ""; ; {
		lists.Store(0)
		a := message{Path: "/secrets?limit=2&event_name=e&marker=" + marker}.send(t, g)
		var page struct {
			Secrets []struct{ Name string }
			Info    struct {
				Next *string `json:"next_marker"`
			} `json:"page_info"`
		}
		must(t, json.Unmarshal([]byte(a.Body), &page))
		pages = append(pages, fmt.Sprint(page.Secrets))
		if n := lists.Load(); n > 20 {
			t.Errorf("a page asks the product for %d", n)
		}
		if page.Info.Next == nil {
			break
		}
		marker = *page.Info.Next
	}
	if got := fmt.Sprint(pages); got != "[[{s0500} {s1500}] [{s2500}]]" {
		t.Error(got)
	}
}

// TestIDsTellNothing: who may not touch the secret gets the answer of one that is
// not there, whether the gateway remembers the id or not; the audit tells the
// difference.
func TestIDsTellNothing(t *testing.T) {
	t.Parallel()
	rule := access.Rule{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"mine*"}}
	g, store := faulty(t, func(context.Context, string) error { return nil }, rule)
	_, err := store.Put(t.Context(), "others", secret.Draft{Value: secret.TextValue("x")})
	must(t, err)
	with := func(rules ...access.Rule) *gatewaytest.Gateway {
		return gatewaytest.New(t, gatewaytest.Options{Keyring: g.Keyring, Policy: rules, Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: store}}})
	}
	free := with()
	rule.Stores = []string{"none"}
	none := with(rule)
	_, id, _ := strings.Cut(message{Path: "/secrets/others"}.send(t, free).Body, `"id":"`)
	for range 2 { // the second time it is remembered
		for _, m := range []message{
			{Path: "/csms/%s/tags"}, {Method: "POST", Path: "/csms/%s/tags", Body: `{"tag":{"key":"k"}}`}, {Method: "DELETE", Path: "/csms/%s/tags/k"},
		} {
			path := m.Path
			for gw, want := range map[*gatewaytest.Gateway]int{g: 404, none: 403} {
				m.Path = fmt.Sprintf(path, id[:36])
				there := m.send(t, gw)
				m.Path = fmt.Sprintf(path, "00000000-0000-8000-8000-000000000000")
				if absent := m.send(t, gw); there.Status != want || there.Body != absent.Body {
					t.Errorf("%s: %d %s, of an absent one %s", m.Method, there.Status, there.Body, absent.Body)
				}
			}
		}
	}
	var denied int
	for _, e := range g.Audit.Entries(t) {
		if e.Name == "others" && e.Result == "denied" {
			denied++
		}
	}
	if denied != 6 {
		t.Errorf("the audit tells of %d refusals", denied)
	}
}

// TestBatchOfValues: as many names as are allowed fit into a body, and an answer
// is not larger than memory should hold.
func TestBatchOfValues(t *testing.T) {
	t.Parallel()
	g, store := faulty(t, func(context.Context, string) error { return nil })
	name := strings.Repeat("n", 64)
	for n, size := range map[string]int{name: 1, "large": 1 << 20} {
		_, err := store.Put(t.Context(), secret.Name(n), secret.Draft{Value: secret.TextValue(strings.Repeat("x", size))})
		must(t, err)
	}
	for n, want := range map[string]int{name: 200, "large": 400} {
		names, err := json.Marshal(slices.Repeat([]string{n}, 1000))
		must(t, err)
		a := message{Method: "POST", Path: "/secrets/batch-get-secret-value", Body: `{"secret_name_list":` + string(names) + `}`}.send(t, g)
		if a.Status != want {
			t.Errorf("1000 of %.9s: %d %s", n, a.Status, a.Msg)
		}
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
