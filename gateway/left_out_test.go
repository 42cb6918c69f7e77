package gateway_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// leaving is a real store whose lists leave out what a test says.
type leaving struct {
	backends.Backend
	out []secret.LeftOut
}

func (l *leaving) add(q secret.Query, p secret.Page, err error) (secret.Page, error) {
	for i := range l.out {
		if l.out[i].On(q, p.Next) {
			p.LeftOut = append(p.LeftOut, l.out[i])
		}
	}
	return p, err
}

func (l *leaving) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	p, err := l.Backend.List(ctx, q)
	return l.add(q, p, err)
}

func (l *leaving) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	p, err := l.Backend.ListTrash(ctx, q)
	return l.add(q, p, err)
}

// TestListTellsWhatItLacks: a list is served without what it cannot show; the
// answer, the audit, the log and the metrics say so to whoever may know.
func TestListTellsWhatItLacks(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	lacking := 0
	w := newWorld(t, func(o *gateway.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.Observe = func(o gateway.Observation) { lacking += o.Lacking }
		o.Stores[0].Backend = &leaving{o.Stores[0].Backend, []secret.LeftOut{
			{Why: secret.LeftOutFolder, Name: "team/b/", Detail: "it says no"},
			{Why: secret.LeftOutUnreadable, Name: "team/c"},
			{Why: secret.LeftOutName, Native: "zz"},
			{Why: secret.LeftOutEmpty, Name: "e"},
			{Why: secret.LeftOutUnfinished, Name: "u"},
		}}
	}, everything,
		access.Rule{Callers: []string{"b"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"team/b/db-*"}},
		access.Rule{Callers: []string{"c*"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"team/c*"}})
	for _, n := range []secret.Name{"a", "team/a", "team/z", "x", "y"} {
		put(t, w, gateway.Ref{Store: "a", Name: n}, "hush")
	}
	list := func(caller string, q secret.Query) (reasons []secret.LeftOutReason) {
		t.Helper()
		as := call
		as.Caller.ID = caller
		for {
			p, err := w.List(t.Context(), as, "a", q)
			if err != nil {
				t.Fatal(err)
			}
			for i := range p.LeftOut {
				reasons = append(reasons, p.LeftOut[i].Why)
			}
			if q.After = p.Next; p.Next == "" {
				return reasons
			}
		}
	}
	for limit := range 7 {
		got := list("c", secret.Query{Limit: limit})
		slices.Sort(got)
		if want := []secret.LeftOutReason{"empty", "folder", "name", "unfinished", "unreadable"}; !slices.Equal(got, want) {
			t.Errorf("pages of %d leave out %q, want %q", limit, got, want)
		}
	}
	for _, tt := range []struct {
		caller string
		under  secret.Name
		want   []secret.LeftOutReason
	}{
		{"b", "", []secret.LeftOutReason{"folder"}},
		{"cc", "", []secret.LeftOutReason{"unreadable"}},
		{"c", "team/", []secret.LeftOutReason{"folder", "unreadable"}},
		{"c", "team/b/in/", []secret.LeftOutReason{"folder"}},
		{"c", "x/", nil},
	} {
		for limit := range 4 {
			if got := list(tt.caller, secret.Query{Under: tt.under, Limit: limit}); !slices.Equal(got, tt.want) {
				t.Errorf("%s is told of %q under %q in pages of %d, want %q", tt.caller, got, tt.under, limit, tt.want)
			}
		}
	}
	lacking = 0
	log.Reset()
	list("c", secret.Query{})
	want := []string{
		`data: 1 folder could not be listed ("team/b/"): it says no`,
		`data: 1 secret could not be read ("team/c")`,
		`data: 1 entry has a name that the gateway cannot hold ("zz")`,
	}
	if got := w.last(t); !slices.Equal(got.Losses, want) || got.Result != "ok" {
		t.Errorf("the audit says %q", got.Losses)
	}
	if lacking != 3 || strings.Count(log.String(), "a list is not whole") != 1 {
		t.Errorf("the metrics count %d; the log: %s", lacking, &log)
	}
	swept, err := w.Sweep(t.Context(), call, "a", true)
	if err != nil || len(swept.LeftOut) != 5 {
		t.Errorf("a sweep leaves out %v: %v", swept.LeftOut, err)
	}
	log.Reset()
	if list("b", secret.Query{Under: "x/"}); log.Len() > 0 || w.last(t).Losses != nil {
		t.Errorf("a list that lacks nothing: %s", &log)
	}
}
