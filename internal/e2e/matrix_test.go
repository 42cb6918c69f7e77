package e2e

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// matrix is one gateway with, for each product, a store to leave, one to
// enter that accepts losses, and one that does not.
type matrix struct {
	*gatewaytest.Gateway
	backends map[string]backends.Backend
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{backends: map[string]backends.Backend{}}
	var stores []gateway.Store
	for kind, open := range moving() {
		for role, onLoss := range map[string]gateway.OnLoss{"from": gateway.LossAccept, "into": gateway.LossAccept, "strict": gateway.LossFail} {
			name := role + "-" + kind
			m.backends[name] = open(t, name)
			stores = append(stores, gateway.Store{Name: name, Kind: kind, Backend: m.backends[name], OnLoss: onLoss})
		}
	}
	m.Gateway = gatewaytest.New(t, gatewaytest.Options{Stores: stores, MaxBlobs: 16})
	return m
}

// TestMatrix is the promise: both dialects for the backup, both for the
// restore, every ordered pair of products, and what arrives is what left,
// less exactly what was foretold.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	kinds := slices.Sorted(maps.Keys(moving()))
	for _, out := range slices.Sorted(maps.Keys(dialects)) {
		for _, in := range slices.Sorted(maps.Keys(dialects)) {
			for _, from := range kinds {
				for _, into := range kinds {
					name := fmt.Sprintf("%s-%s-%s-%s", out, in, from, into)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						m.move(t, name, out, in, from, into)
					})
				}
			}
		}
	}
}

// move takes one secret through one cell of the matrix.
func (m *matrix) move(t *testing.T, name, out, in, from, into string) {
	sample := backendtest.Sample(secret.Name(name))
	source := m.backends["from-"+from]
	if _, err := source.Import(t.Context(), sample, name); err != nil {
		t.Fatal(err)
	}
	left, err := source.Export(t.Context(), sample.Name)
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, sample, left, source.Forecast(sample))
	blob, err := dialects[out](t, m.Gateway, "from-"+from).backup(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	losses := m.backends["into-"+into].Forecast(left)
	m.refuse(t, in, into, blob, left, losses)
	to := dialects[in](t, m.Gateway, "into-"+into)
	restored, err := to.restore(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	if restored != name {
		t.Errorf("the answer names %q", restored)
	}
	arrived, err := m.backends["into-"+into].Export(t.Context(), sample.Name)
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, left, arrived, losses)
	m.askOldIDs(t, into, left, arrived)
	if _, err := to.restore(t.Context(), blob); err == nil {
		t.Error("a second restore touches what stands")
	}
}

// refuse restores into the store that accepts no loss: it says which version
// and why, and writes nothing.
func (m *matrix) refuse(t *testing.T, in, into string, blob []byte, left *secret.Secret, losses []secret.Loss) {
	t.Helper()
	_, err := dialects[in](t, m.Gateway, "strict-"+into).restore(t.Context(), blob)
	if secret.Worst(losses) <= secret.Trace {
		if err != nil {
			t.Errorf("nothing would be lost, and still: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatal("a loss was not refused")
	}
	gravest := losses[slices.IndexFunc(losses, func(l secret.Loss) bool { return l.Grade == secret.Worst(losses) })]
	status, message := said(t, err)
	which := fmt.Sprintf("version %d", gravest.Version)
	if gravest.Version == 0 {
		which = "of the secret"
	}
	if status != 400 || !strings.Contains(message, which) || !strings.Contains(message, gravest.Why) {
		t.Errorf("the refusal does not name version and reason: %d %s", status, message)
	}
	if _, err := m.backends["strict-"+into].Describe(t.Context(), left.Name); !errors.Is(err, secret.NotFound) {
		t.Errorf("a refused restore wrote something: %v", err)
	}
}

// askOldIDs reads every version under the ids that it had where it came from,
// through both dialects.
func (m *matrix) askOldIDs(t *testing.T, into string, left, arrived *secret.Secret) {
	t.Helper()
	for dialect, open := range dialects {
		c := open(t, m.Gateway, "into-"+into)
		for i := range left.Versions {
			v := &left.Versions[i]
			now := arrived.Find(secret.ByOrdinal(v.Ordinal))
			got, err := c.read(t.Context(), string(left.Name), v)
			switch {
			case now == nil || now.Value.IsNone() || now.Disabled:
				if err == nil {
					t.Errorf("%s: version %d answers, though it is gone or disabled", dialect, v.Ordinal)
				}
			case err != nil:
				t.Errorf("%s: version %d does not answer: %v", dialect, v.Ordinal, err)
			case string(got) != string(now.Value.Reveal()):
				t.Errorf("%s: version %d answers with another value", dialect, v.Ordinal)
			}
		}
	}
}
