package azurekv

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// chained is a chain of gateways, each the vault of the one before; last is
// behind the last. It returns the backend of each, the first one first.
func chained(t *testing.T, last backends.Backend, layers int) []*Backend {
	t.Helper()
	var out []*Backend
	for range layers {
		b := open(t, gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "main", Kind: "any", Backend: last}}}))
		out, last = append(out, b), b
	}
	slices.Reverse(out)
	return out
}

func likeKeyVault() backends.Backend { return memory.New(memory.Options{}).Imitate(Profile()) }

// TestConformanceBehindAGateway: a vault that is a gateway over a vault is one
// like any other.
func TestConformanceBehindAGateway(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, backendtest.Harness{
		Open: func(t *testing.T) backends.Backend { return chained(t, memory.New(memory.Options{}), 2)[0] }, Writers: 8,
	})
}

// TestChainOfThree: what is foretold is what happens, however many tags there
// are, and each layer costs one.
func TestChainOfThree(t *testing.T) {
	t.Parallel()
	b := chained(t, likeKeyVault(), 3)[0]
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.MaxTags(); n != maxTags-4 {
		t.Fatalf("the first gateway of three has room for %d tags", n)
	}
	for n := range maxTags + 2 {
		s := backendtest.Sample(secret.Name(fmt.Sprint("s", n)))
		for i := range s.Versions {
			s.Versions[i].Tags = someTags(n)
		}
		losses := b.Forecast(s)
		if lost := slices.ContainsFunc(losses, func(l secret.Loss) bool { return l.Version != 0 && l.What == loss.Tags }); lost != (n > b.MaxTags()) {
			t.Errorf("%d tags: the losses are %v", n, losses)
		}
		if _, err := b.Import(t.Context(), s, ""); err != nil {
			t.Fatalf("%d tags: %v", n, err)
		}
		got, err := b.Export(t.Context(), s.Name)
		if err != nil {
			t.Fatal(err)
		}
		backendtest.Compare(t, s, got, losses)
	}
}

// TestChainKeepsState: the first gateway's own records have a place.
func TestChainKeepsState(t *testing.T) {
	t.Parallel()
	b := chained(t, likeKeyVault(), 3)[0]
	for _, key := range []string{"events", "records"} {
		if err := b.WriteState(t.Context(), key, []byte(`{"n":1}`), ""); err != nil {
			t.Fatal(err)
		}
		if text, _, err := b.ReadState(t.Context(), key); err != nil || string(text) != `{"n":1}` {
			t.Errorf("%s reads otherwise: %v", key, err)
		}
	}
	if p, err := b.List(t.Context(), secret.Query{}); err != nil || len(p.Secrets) != 0 {
		t.Errorf("%d secrets are listed: %v", len(p.Secrets), err)
	}
}

// TestChainUnasked: a gateway that has not heard from its vault refuses what it
// foretold wrongly before it writes anything, and foretells it from then on.
func TestChainUnasked(t *testing.T) {
	t.Parallel()
	b, s := chained(t, likeKeyVault(), 2)[0], plain(1, 2)
	s.Versions[0].Tags = someTags(maxTags - 1)
	if foretells(b, s, loss.Tags, secret.Meaning) {
		t.Fatal("it knows what nobody has told it")
	}
	_, err := b.Import(t.Context(), s, "")
	wantKind(t, "an import that was foretold wrongly", err, secret.Lossy)
	if !strings.Contains(secret.DetailOf(err), "at most 13 tags") {
		t.Errorf("the reason is %q", secret.DetailOf(err))
	}
	if !foretells(b, s, loss.Tags, secret.Meaning) {
		t.Error("what was refused is not foretold")
	}
	moved(t, b, s)
}

// TestMovedNames: the names of gateways' tags move on and back, and what is no
// such name stays.
func TestMovedNames(t *testing.T) {
	t.Parallel()
	for model, native := range map[string]string{
		"vaultferry": "vaultferry.2", "vaultferry.2": "vaultferry.3", "vaultferry.98": "vaultferry.99",
		"vaultferry.1": "vaultferry.1", "vaultferry.02": "vaultferry.02", "vaultferry.": "vaultferry.", "vaultferry2": "vaultferry2",
		"vaultferry.-2": "vaultferry.-2", "vaultferry.+2": "vaultferry.+2", "vaultferry.100": "vaultferry.100", "": "", "k": "k",
	} {
		if got := nativeName(model); got != native || modelName(got) != model {
			t.Errorf("%q is spelled %q, and that is read %q", model, got, modelName(got))
		}
		if isReserved(model) {
			t.Errorf("%q is reserved", model)
		}
	}
	for _, name := range []string{"Vaultferry", "VAULTFERRY.2", "vaultferry.99"} {
		if !isReserved(name) {
			t.Errorf("%q is not reserved", name)
		}
	}
}
