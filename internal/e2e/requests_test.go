package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/golden"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// counted is a store whose requests are counted. hands is another gateway over
// the same product, which prepares what the counted one is to find.
type counted struct {
	backends.Backend
	hands backends.Backend
	gate  *gate // nil: no line leads to the product
}

// countedProducts open an empty store each, in the order of the table.
var countedProducts = []struct {
	kind string
	open func(*testing.T) *counted
}{
	{"memory", func(t *testing.T) *counted { return countedAlone(products["memory"](t, "counted")) }},
	{"bolt", func(t *testing.T) *counted { return countedAlone(products["bolt"](t, "counted")) }},
	{"postgres", func(t *testing.T) *counted { return countedAlone(products["postgres"](t, "counted")) }},
	{"hashivault", func(t *testing.T) *counted { return countedVault(t, vaulttest.Shared(t).NewMount(t)) }},
	{"hashivault1", func(t *testing.T) *counted { return countedVault(t, vaulttest.Shared(t).NewMountV1(t)) }},
	{"azurekv", func(t *testing.T) *counted {
		return countedCloud(t, func(cloud *gatewaytest.Gateway, address string) backends.Backend {
			c := overCloud(t, cloud)
			c.Dial = always(address)
			return open(t, azurekv.Driver, "counted", c)
		})
	}},
	{"huaweicsms", func(t *testing.T) *counted {
		return countedCloud(t, func(cloud *gatewaytest.Gateway, address string) backends.Backend {
			c := overCSMS(t, cloud)
			c.Dial = always(address)
			return open(t, huaweicsms.Driver, "counted", c)
		})
	}},
}

func countedAlone(b backends.Backend) *counted { return &counted{Backend: b, hands: b} }

func countedVault(t *testing.T, mount string) *counted {
	t.Helper()
	server := vaulttest.Shared(t)
	upstream := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(upstream.CloseIdleConnections)
	host, _ := strings.CutPrefix(server.Address, "http://")
	g := newGate(t, upstream)
	g.aside = vaulttest.KeepsToken
	p := faultproxy.Start(t, faultproxy.Options{Scheme: "http", Host: host, Upstream: g})
	c := hashivault.Config{}
	c.SetDefaults()
	c.Address, c.Mount, c.Token = p.URL, mount, secret.TextValue(vaulttest.RootToken)
	return &counted{open(t, hashivault.Driver, "counted", c), openVault(t, server, mount, "counted"), g}
}

func countedCloud(t *testing.T, open func(cloud *gatewaytest.Gateway, address string) backends.Backend) *counted {
	t.Helper()
	cloud := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{
		Name: "cloud", Kind: "memory", Backend: memory.New(memory.Options{}), Concurrency: 64,
	}}})
	g := newGate(t, cloud.Client.Transport)
	p := faultproxy.Start(t, faultproxy.Options{Scheme: "https", Upstream: g, TLS: cloud.TLS})
	return &counted{open(cloud, p.Address), open(cloud, cloud.Address), g}
}

// TestRequests: an operation costs each product the requests that the table in
// docs says, and as many of them at once: not more, and not less either, for
// then the table is stale.
func TestRequests(t *testing.T) {
	t.Parallel()
	const path = "../../docs/requests.md"
	known := map[cell]string{}
	if !golden.Updating() {
		known = readRequests(t, path)
	}
	var mu sync.Mutex
	seen, names := map[cell]string{}, map[string]string{}
	t.Run("products", func(t *testing.T) {
		for _, p := range countedProducts {
			t.Run(p.kind, func(t *testing.T) {
				t.Parallel()
				column, product := countAll(t, p.kind, p.open, known)
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(seen, column)
				names[p.kind] = product
			})
		}
	})
	if len(names) == len(countedProducts) && !t.Failed() {
		golden.Compare(t, path, requestsDocument(names, seen))
	}
}

// cell is a place in the table.
type cell struct{ operation, kind string }

// countAll counts each operation on one product.
func countAll(t *testing.T, kind string, open func(*testing.T) *counted, known map[cell]string) (column map[cell]string, product string) {
	t.Helper()
	column = map[cell]string{}
	shared := open(t)
	shared.warm(t)
	for _, o := range countedOperations {
		c := shared
		if o.alone {
			c = open(t)
			c.warm(t)
		}
		at := cell{o.name, kind}
		column[at] = c.count(t, o, known[at])
		if want, ok := known[at]; ok && column[at] != want {
			t.Errorf("%s of %s costs %s, and the table says %s. Where it is less, make golden", o.name, kind, column[at], want)
		}
	}
	return column, shared.Capabilities().Product
}

// warm lets a client do what it does once in its life.
func (c *counted) warm(t *testing.T) {
	t.Helper()
	if err := errors.Join(c.hands.Check(t.Context()), c.Check(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// count runs one operation, and returns its cell of the table.
func (c *counted) count(t *testing.T, o countedOperation, known string) string {
	t.Helper()
	call := o.prepare(c, t)
	if call == nil {
		return "–"
	}
	ctx, calls := backends.WithCallCount(t.Context())
	if c.gate == nil {
		if err := call(ctx); err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		return strconv.FormatInt(calls(), 10)
	}
	c.gate.shut(wavesOf(known))
	err := call(ctx)
	waves := c.gate.unlock()
	if err != nil {
		t.Fatalf("%s: %v", o.name, err)
	}
	sum := 0
	for _, n := range waves {
		sum += n
	}
	if int64(sum) != calls() {
		t.Errorf("%s: %d requests were counted, and %d went out", o.name, calls(), sum)
	}
	return cellOf(waves)
}

// cellOf writes waves as `13 = 2×1 + 10 + 1`.
func cellOf(waves []int) string {
	sum := 0
	var parts []string
	for i := 0; i < len(waves); {
		n := i
		for n < len(waves) && waves[n] == waves[i] {
			sum += waves[n]
			n++
		}
		part := strconv.Itoa(waves[i])
		if n-i > 1 {
			part = fmt.Sprintf("%d×%d", n-i, waves[i])
		}
		parts, i = append(parts, part), n
	}
	if len(waves) < 2 {
		return strconv.Itoa(sum)
	}
	return fmt.Sprintf("%d = %s", sum, strings.Join(parts, " + "))
}

// wavesOf is the way back; nil for a cell that says nothing.
func wavesOf(cell string) []int {
	if _, sum, found := strings.Cut(cell, " = "); found {
		cell = sum
	}
	var waves []int
	for part := range strings.SplitSeq(cell, " + ") {
		times, wide, found := strings.Cut(part, "×")
		if !found {
			times, wide = "1", part
		}
		n, err := strconv.Atoi(times)
		width, err2 := strconv.Atoi(wide)
		if err != nil || err2 != nil {
			return nil
		}
		waves = append(waves, slices.Repeat([]int{width}, n)...)
	}
	return waves
}

// readRequests reads the table.
func readRequests(t *testing.T, path string) map[cell]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cells := map[cell]string{}
	for line := range strings.Lines(string(text)) {
		row := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		if len(row) != len(countedProducts)+1 {
			continue
		}
		for i, p := range countedProducts {
			cells[cell{row[0], p.kind}] = row[i+1]
		}
	}
	return cells
}

const requestsIntro = `# What an operation costs

Written by ` + "`make golden`" + `; a test fails where it is stale.

How many requests an operation makes to the product. The audit's ` + "`backend_ops`" + ` counts the same ones, of all operations that a
call needs. ` + "`13 = 1 + 11 + 1`" + ` is thirteen requests: one, then eleven at once, then one more, so it takes three times the way to
the product and back. ` + "`3×1`" + ` is three, one after the other. A single number above 1 is that many at once. In memory and bolt
they are transactions, and in PostgreSQL round trips.

The operations are those between the gateway and a product. *Put* is SetSecret, CreateSecret or CreateSecretVersion. *Get* reads
a value and *Describe* all but the values. *Export* and *Import* are the parts of a backup and a restore that reach the product.
*Trash* is deleted secrets. *State* is the gateway's own records, such as events. *Check* is ` + "`vaultferry check --connect`" + `.

What the gateway does once is left out: a login, the challenge of Key Vault, the question which engine a mount is.
The secret has ten versions where nothing else is said, and one over KV v1, which holds no more. A gateway wrote them, with no
attributes. What is imported uses all that the model has: a disabled version and a destroyed one are among the ten, and their
numbers are 3 to 13 without 6. KV v2 numbers by itself, so there each number that is left out costs one request more. A first
page of Key Vault and CSMS reads the product's whole list of names, which the gateway keeps for the pages that follow.
A first page of a list of versions is a Describe; the pages that follow within a minute cost nothing, but one each in memory and
bolt, and two in PostgreSQL.

`

func requestsDocument(names map[string]string, seen map[cell]string) string {
	var b strings.Builder
	b.WriteString(requestsIntro + "| operation |")
	for _, p := range countedProducts {
		b.WriteString(" " + names[p.kind] + " |")
	}
	b.WriteString("\n|" + strings.Repeat("---|", len(countedProducts)+1) + "\n")
	for _, o := range countedOperations {
		b.WriteString("| " + o.name + " |")
		for _, p := range countedProducts {
			b.WriteString(" " + seen[cell{o.name, p.kind}] + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// does makes one call of an operation whose answer nobody looks at.
func does[T any](f func(context.Context) (T, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := f(ctx)
		return err
	}
}
