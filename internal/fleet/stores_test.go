package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// How the histories of single stores are made.
const (
	secrets = 24 // one after the other, each with a history of its own
	clients = 5
	calls   = 12 // of each client

	disturbEach = 40
)

// kept is a store under test: what several gateways have open, and what disturbs
// them meanwhile.
type kept struct {
	open    []backends.Backend
	disturb func() // called beside one call in disturbEach
	secrets int    // zero: secrets
}

func keptStores(t *testing.T) map[string]func(*testing.T) kept {
	t.Helper()
	return map[string]func(*testing.T) kept{
		"memory": func(*testing.T) kept { return kept{open: []backends.Backend{memory.New(memory.Options{})}} },
		"bolt": func(t *testing.T) kept {
			b, err := bolt.Open(t.Context(), backends.Env{Store: "s", Keys: gatewaytest.NewKeyring(t)}, &bolt.Config{Path: filepath.Join(t.TempDir(), "s.db")})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			return kept{open: []backends.Backend{b}}
		},
		"postgres": keptPostgres,
	}
}

// keptPostgres is two gateways over one database, whose connections are cut now
// and then.
func keptPostgres(t *testing.T) kept {
	server := postgrestest.Start(t, postgrestest.Options{})
	proxy := server.NewProxy(t, 0)
	env := backends.Env{Store: "s", Keys: gatewaytest.NewKeyring(t)}
	c := &postgres.Config{}
	c.SetDefaults()
	c.DSN = server.DSN("postgres")
	if _, err := postgres.Upgrade(t.Context(), env, c); err != nil {
		t.Fatal(err)
	}
	k := kept{disturb: proxy.CutAll}
	c.DSN = proxy.DSN("postgres")
	for range 2 {
		b, err := postgres.Open(t.Context(), env, c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		k.open = append(k.open, b)
	}
	return k
}

// others are the products of others, each with two gateways over it.
var others = map[string]func(*testing.T) kept{
	"HashiCorp Vault KV v2": func(t *testing.T) kept { return keptVault(t, (*vaulttest.Server).NewMount) },
	"HashiCorp Vault KV v1": func(t *testing.T) kept { return keptVault(t, (*vaulttest.Server).NewMountV1) },
	"Azure Key Vault": func(t *testing.T) kept {
		cloud := gatewaytest.New(t, gatewaytest.Options{Stores: gatewaytest.MemoryStores("cloud")})
		c := azurekv.Config{}
		c.SetDefaults()
		c.VaultURL, c.CAFile = cloud.VaultURL("cloud"), caFile(t, cloud)
		c.Credential = azurekv.Credential{Kind: "token", Token: secret.TextValue(cloud.Token)}
		c.Dial = always(cloud.Address)
		k := twoOf(t, azurekv.Driver, c)
		k.secrets = 6 // a deletion and a purge of Key Vault are waited for
		return k
	},
	"Huawei Cloud CSMS": func(t *testing.T) kept {
		cloud := gatewaytest.New(t, gatewaytest.Options{Stores: gatewaytest.MemoryStores("cloud")})
		return twoOf(t, huaweicsms.Driver, huaweicsms.Config{
			Endpoint: cloud.Endpoint(), ProjectID: gatewaytest.Project("cloud"), CAFile: caFile(t, cloud),
			AccessKey: huaweicsms.AccessKey{ID: cloud.AccessKey, Secret: secret.TextValue(cloud.SecretKey)}, Dial: always(cloud.Address),
		})
	},
}

func keptVault(t *testing.T, mount func(*vaulttest.Server, testing.TB) string) kept {
	server := vaulttest.Shared(t)
	c := hashivault.Config{}
	c.SetDefaults()
	c.Address, c.Mount, c.Token = server.Address, mount(server, t), secret.TextValue(vaulttest.RootToken)
	return twoOf(t, hashivault.Driver, c)
}

func caFile(t *testing.T, g *gatewaytest.Gateway) string {
	path := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(path, g.CAPEM, 0o600))
	return path
}

func always(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

func twoOf[C any](t *testing.T, d backends.Driver, c C) (k kept) {
	for range 2 {
		b, err := d.Open(t.Context(), backends.Env{Store: "s", Keys: gatewaytest.NewKeyring(t), Now: time.Now}, section[C]{c})
		must(t, err)
		t.Cleanup(func() { _ = b.Close() })
		k.open = append(k.open, b)
	}
	return k
}

// section is a configuration that is decoded already.
type section[C any] struct{ c C }

func (s section[C]) Decode(into any) error {
	p, ok := into.(*C)
	if !ok {
		return fmt.Errorf("want %T", p)
	}
	*p = s.c
	return nil
}

// TestLinearizable: what clients are told of one secret has one order that explains
// all of it, over the stores that promise so. Calls that were cut may have happened
// at any time, or not.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	for name, make := range keptStores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := makeHistory(t, make(t))
			n, lost := h.count()
			t.Logf("%d calls, of which %d were cut", n, lost)
			violated, undecided := h.check(false, checkTime)
			for _, v := range violated {
				t.Errorf("not linearizable: %s", v)
			}
			if len(undecided) > 0 {
				t.Errorf("not decided: %v", undecided)
			}
			if n < secrets*clients*calls/2 {
				t.Error("too few calls to tell anything")
			}
		})
	}
}

// TestOtherProducts counts what holds over a product that is not the gateway's
// own, for docs/consistency.md.
func TestOtherProducts(t *testing.T) {
	t.Parallel()
	for product, open := range others {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			h := makeHistory(t, open(t))
			violated, undecided := h.check(false, countTime)
			n, lost := h.count()
			t.Logf("%s: of %d secrets with %d calls (%d cut), %d are not linearizable, %d not decided", product, len(h.of), n, lost, len(violated), len(undecided))
			if n < clients*calls {
				t.Error("too few calls to tell anything")
			}
		})
	}
}

func makeHistory(t *testing.T, k kept) *history {
	t.Helper()
	h := newHistory()
	var begun atomic.Int64
	var disturbing sync.WaitGroup
	for n := range cmp.Or(k.secrets, secrets) {
		name := secret.Name(fmt.Sprint("s", n))
		var all sync.WaitGroup
		for c := range clients {
			all.Go(func() {
				r := rand.New(rand.NewPCG(uint64(n), uint64(c)))
				client := &storeClient{b: k.open[c%len(k.open)], name: name, id: c, r: r, uids: map[string]secret.UID{}}
				for i := range calls {
					if begun.Add(1)%disturbEach == 0 && k.disturb != nil {
						disturbing.Go(k.disturb)
					}
					client.call(t, h, i)
				}
			})
		}
		all.Wait()
	}
	disturbing.Wait()
	return h
}

// storeClient calls one store about one secret.
type storeClient struct {
	b    backends.Backend
	name secret.Name
	id   int
	r    *rand.Rand
	made []string // values that it wrote
	uids map[string]secret.UID

	deletions int            // that it made, each until another time
	seen      *secret.Secret // in the trash: what doExactly purges
}

// verbs are what clients do, the likelier the more often.
var verbs = []verb{doPut, doPut, doPut, doGet, doGet, doGet, doCreate, doCurrent, doCurrent, doDelete, doRecover, doRecover, doPurge}

func (c *storeClient) call(t *testing.T, h *history, i int) {
	in := input{verb: verbs[c.r.IntN(len(verbs))]}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	if c.r.IntN(8) == 0 { // a client that leaves
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(c.r.IntN(2000))*time.Microsecond)
	}
	defer cancel()
	switch in.verb {
	case doPut, doCreate:
		in.value = fmt.Sprintf("v%d.%d", c.id, i)
	case doCurrent:
		if len(c.made) == 0 {
			return
		}
		n := c.r.IntN(len(c.made))
		in.which = c.made[n]
	case doAdd, doGet, doDelete, doRecover, doPurge, doImport, doExactly:
	}
	c.ask(t, h, ctx, in)
}

// ask makes the call and records it.
func (c *storeClient) ask(t *testing.T, h *history, ctx context.Context, in input) {
	h.record(c.id, string(c.name), in, func() (output, bool) {
		out, err := c.do(ctx, in)
		switch {
		case err == nil:
			out.result = done
		case errors.Is(err, secret.NotFound):
			out.result = absent
		case errors.Is(err, secret.AlreadyExists):
			out.result = taken
		case errors.Is(err, secret.Trashed):
			out.result = trashed
		case errors.Is(err, secret.Unavailable):
			return out, false // it says that nothing was changed
		case errors.Is(err, secret.Unknown), errors.Is(err, secret.Partial):
			out.result = unknown
		case errors.Is(err, secret.Conflict): // another came between, and nothing was changed
			return out, false
		default:
			t.Errorf("%v: %v", in, err)
			return out, false
		}
		return out, true
	})
}

func (c *storeClient) do(ctx context.Context, in input) (output, error) {
	switch in.verb {
	case doPut, doCreate:
		s, err := c.b.Put(ctx, c.name, secret.Draft{Value: secret.TextValue(in.value), OnlyIfAbsent: in.verb == doCreate})
		if err == nil {
			c.made, c.uids[in.value] = append(c.made, in.value), s.Versions[0].UID
		}
		return output{}, err
	case doGet:
		s, err := c.b.Get(ctx, c.name, secret.Current)
		if err != nil {
			return output{}, err
		}
		return output{value: string(s.Versions[0].Value.Reveal())}, nil
	case doCurrent:
		_, err := c.b.Update(ctx, c.name, secret.ByUID(c.uids[in.which]), secret.Patch{MakeCurrent: true})
		return output{}, err
	case doImport:
		v := secret.Version{Ordinal: 1, UID: secret.NewUID(), Created: time.Unix(1, 0), Value: secret.TextValue(in.value)}
		_, err := c.b.Import(ctx, &secret.Secret{Name: c.name, Current: 1, Versions: []secret.Version{v}}, "")
		if err == nil {
			c.made, c.uids[in.value] = append(c.made, in.value), v.UID
		}
		return output{}, err
	case doDelete:
		_, err := c.b.Delete(ctx, c.name, time.Unix(4e9+int64(c.deletions), 0)) // no two deletions are alike
		if err == nil {
			c.deletions++
		}
		return output{}, err
	case doExactly:
		exact, ok := c.b.(backends.ExactPurger)
		if !ok {
			return output{}, errors.New("the store has no exact purge")
		}
		return output{}, exact.PurgeExactly(ctx, c.seen)
	case doRecover:
		_, err := c.b.Recover(ctx, c.name)
		return output{}, err
	case doPurge:
		return output{}, c.b.Purge(ctx, c.name)
	case doAdd: // is a dialect's
	}
	return output{}, errors.New("no such verb")
}
