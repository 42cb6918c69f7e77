package issuer_test

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

const (
	audience = "https://vault.corp.example"
	exchange = "api://AzureADTokenExchange"
)

// clock is one that tests turn.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) turn(by time.Duration) { c.ahead.Add(int64(by)) }

// world is one issuer, whose tokens about "app" are the caller app's.
type world struct {
	*issuer.Set
	clock
	of      *issuertest.Issuer
	options issuer.Options
}

func newWorld(t testing.TB, change ...func(*issuer.Options)) *world {
	t.Helper()
	w := &world{of: issuertest.New(t)}
	w.options = issuer.Options{
		Issuers:  []issuer.Issuer{w.trusted()},
		Bindings: []issuer.Binding{{Issuer: "corp", Caller: "app", Subject: "app"}},
		Now:      w.now, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&w.options)
	}
	w.reload(t)
	return w
}

func (w *world) reload(t testing.TB) {
	t.Helper()
	var err error
	if w.Set, err = issuer.New(w.options); err != nil {
		t.Fatal(err)
	}
}

func (w *world) trusted() issuer.Issuer {
	return issuer.Issuer{
		Name: "corp", URL: w.of.URL, CAFile: w.of.CAFile, Audiences: []string{audience}, AssertionAudiences: []string{exchange},
		Algorithms: []string{"RS256", "ES256"}, MaxLife: 25 * time.Hour,
	}
}

func (w *world) claims() issuertest.Claims { return w.of.Claims(w.now(), "app", audience) }

// fault wants a refusal, and returns it.
func fault(t testing.TB, err error) *access.TokenError {
	t.Helper()
	e, ok := errors.AsType[*access.TokenError](err)
	if !ok {
		t.Fatalf("%v: want a TokenError", err)
	}
	return e
}

// opens wants the token to be the caller's.
func (w *world) opens(t testing.TB, token, caller string) access.Grant {
	t.Helper()
	g, err := w.Bearer(token)
	if err != nil || g.Caller.ID != caller {
		t.Fatalf("%q, %v (%s)", g.Caller.ID, err, access.Reason(err))
	}
	return g
}
