package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// behindProxy is an empty store of a product, the proxy between the two, and
// a look into the product past both.
type behindProxy struct {
	backends.Backend
	proxy *faultproxy.Proxy
	look  func(*testing.T) holding
}

// holding is what a product itself says that it holds.
type holding struct {
	things   []string // one line for each
	versions int      // of faulted, less what the gateway wrote to fill a gap
}

// faultProducts are the products that a line leads to: each makes n stores.
var faultProducts = map[string]func(*testing.T, int) []*behindProxy{
	"hashivault": func(t *testing.T, n int) []*behindProxy {
		return vaultBehindProxy(t, n, (*vaulttest.Server).NewMount, vaultKeys)
	},
	"hashivault1": func(t *testing.T, n int) []*behindProxy {
		return vaultBehindProxy(t, n, (*vaulttest.Server).NewMountV1, vaultPaths)
	},
	"azurekv": func(t *testing.T, n int) []*behindProxy {
		all := keyVaultBehindProxy(t, n)
		for _, p := range all {
			p.challenge(t)
		}
		return all
	},
	"huaweicsms": func(t *testing.T, n int) []*behindProxy {
		return cloudBehindProxy(t, n, func(cloud *gatewaytest.Gateway, store, proxy string) backends.Backend {
			c := overCSMS(t, cloud)
			c.ProjectID, c.Dial = gatewaytest.Project(store), always(proxy)
			return open(t, huaweicsms.Driver, store, c)
		})
	},
}

// challenge puts the challenge of Key Vault behind a store. Of requests that go
// out at once, each that comes before its answer is challenged, so that a count
// of them would be one of chance. TestChallengeFaults is for that request.
func (p *behindProxy) challenge(t *testing.T) {
	t.Helper()
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func keyVaultBehindProxy(t *testing.T, n int) []*behindProxy {
	t.Helper()
	return cloudBehindProxy(t, n, func(cloud *gatewaytest.Gateway, store, proxy string) backends.Backend {
		c := overCloud(t, cloud)
		c.VaultURL, c.Dial = cloud.VaultURL(store), always(proxy)
		return open(t, azurekv.Driver, store, c)
	})
}

func vaultBehindProxy(t *testing.T, n int, mounted func(*vaulttest.Server, testing.TB) string, look func(*testing.T, *api.Client, string) holding) []*behindProxy {
	t.Helper()
	server := vaulttest.Shared(t)
	client := server.Client(t, vaulttest.RootToken)
	upstream := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(upstream.CloseIdleConnections)
	host, _ := strings.CutPrefix(server.Address, "http://")
	c := hashivault.Config{}
	c.SetDefaults()
	c.Token = secret.TextValue(vaulttest.RootToken)
	all := make([]*behindProxy, n)
	for i := range all {
		p := faultproxy.Start(t, faultproxy.Options{Scheme: "http", Host: host, Upstream: upstream, Aside: vaulttest.KeepsToken})
		c.Address, c.Mount = p.URL, mounted(server, t)
		mount := c.Mount
		all[i] = &behindProxy{open(t, hashivault.Driver, away(i), c), p, func(t *testing.T) holding { return look(t, client, mount) }}
	}
	return all
}

// walk calls f for each secret of the product at or below a folder.
func walk(t *testing.T, c *api.Client, under, folder string, f func(path string)) {
	t.Helper()
	entries, err := c.Logical().ListWithContext(t.Context(), under+folder)
	if err != nil {
		t.Fatal(err)
	}
	if entries == nil {
		return
	}
	keys, _ := entries.Data["keys"].([]any)
	for _, k := range keys {
		if path := folder + fmt.Sprint(k); strings.HasSuffix(path, "/") {
			walk(t, c, under, path, f)
		} else {
			f(path)
		}
	}
}

// vaultKeys are the keys of KV v2 with the numbers of their versions and the
// names of their metadata. One without a version holds nothing.
func vaultKeys(t *testing.T, c *api.Client, mount string) holding {
	t.Helper()
	var all holding
	walk(t, c, mount+"/metadata/", "", func(path string) {
		m := got(c.KVv2(mount).GetMetadata(t.Context(), path))(t)
		if len(m.Versions) == 0 {
			return
		}
		if path != faulted { // a companion: it keeps its newest version alone
			all.things = append(all.things, fmt.Sprintf("%s keeps %d", path, len(m.Versions)))
			return
		}
		line := path
		for n := 1; n <= m.CurrentVersion; n++ {
			v, there := m.Versions[strconv.Itoa(n)]
			line += fmt.Sprintf(" %d:%v,%v,%v", n, there, v.Destroyed, !v.DeletionTime.IsZero())
		}
		all.things = append(all.things, line+" "+strings.Join(slices.Sorted(maps.Keys(m.CustomMetadata)), " "))
		if all.versions = m.CurrentVersion; all.versions >= faultGap {
			all.versions--
		}
	})
	return all
}

func vaultPaths(t *testing.T, c *api.Client, mount string) holding {
	t.Helper()
	var all holding
	walk(t, c, mount+"/", "", func(path string) {
		all.things = append(all.things, path)
		if path == faulted {
			all.versions = 1
		}
	})
	return all
}

// cloudBehindProxy stands for a cloud as in products, and looks into it past
// its API.
func cloudBehindProxy(t *testing.T, n int, open func(cloud *gatewaytest.Gateway, store, proxy string) backends.Backend) []*behindProxy {
	t.Helper()
	inside, stores := make([]backends.Backend, n), make([]gateway.Store, n)
	for i := range stores {
		inside[i] = memory.New(memory.Options{})
		stores[i] = gateway.Store{Name: away(i), Kind: "memory", Backend: inside[i]}
	}
	cloud := gatewaytest.New(t, gatewaytest.Options{Stores: stores})
	all := make([]*behindProxy, n)
	for i := range all {
		p := faultproxy.Start(t, faultproxy.Options{Scheme: "https", Upstream: cloud.Client.Transport, TLS: cloud.TLS})
		all[i] = &behindProxy{open(cloud, away(i), p.Address), p, func(t *testing.T) holding { return memoryKeeps(t, inside[i]) }}
	}
	return all
}

func memoryKeeps(t *testing.T, b backends.Backend) (all holding) {
	t.Helper()
	for _, sec := range got(b.List(t.Context(), secret.Query{WithTrash: true}))(t).Secrets {
		describe := b.Describe
		if sec.Deleted != nil {
			describe = b.DescribeTrash
		}
		all.versions = len(got(describe(t.Context(), sec.Name))(t).Versions)
		all.things = append(all.things, fmt.Sprintf("%s deleted:%v versions:%d", sec.Name, sec.Deleted != nil, all.versions))
	}
	return all
}

func away(i int) string { return "away-" + strconv.Itoa(i) }

// faultHall is a gateway with a store "home" of its own that holds the document,
// and many behind proxies.
type faultHall struct {
	*gatewaytest.Gateway
	home  backends.Backend
	doc   *secret.Secret
	blobs map[string][]byte // of the document, by dialect
	lines map[string]*faultLine
}

// faultLine is one store behind a proxy, on its way through one test.
type faultLine struct {
	*faultHall
	*behindProxy
	store string

	calls   sync.WaitGroup // under way in the gateway
	mu      sync.Mutex
	current *patience // of the call under way
}

func newFaultHall(t *testing.T, product string, n int) *faultHall {
	t.Helper()
	return faultHallOf(t, product, faultProducts[product](t, n))
}

func faultHallOf(t *testing.T, product string, stand []*behindProxy) *faultHall {
	t.Helper()
	h := &faultHall{home: memory.New(memory.Options{}), blobs: map[string][]byte{}, lines: map[string]*faultLine{}}
	stores := []gateway.Store{{Name: "home", Kind: "memory", Backend: h.home}}
	for i, p := range stand {
		l := &faultLine{faultHall: h, behindProxy: p, store: away(i)}
		h.lines[gatewaytest.Project(l.store)], h.lines[l.store] = l, l
		stores = append(stores, gateway.Store{Name: l.store, Kind: product, Backend: p.Backend, OnLoss: gateway.LossAccept})
	}
	h.Gateway = gatewaytest.New(t, gatewaytest.Options{Stores: stores, MaxBlobs: 16, Wrap: h.watched})
	if _, err := h.home.Import(t.Context(), faultDocument(), ""); err != nil {
		t.Fatal(err)
	}
	h.doc = got(h.home.Export(t.Context(), faulted))(t)
	for name, open := range dialects {
		h.blobs[name] = got(open(t, h.Gateway, "home").backup(t.Context(), faulted))(t)
	}
	return h
}

// line finds the store that a request is for: Azure's clients name it in the
// host, Huawei's in the path.
func (h *faultHall) line(r *http.Request) *faultLine {
	host, _, _ := strings.Cut(r.Host, ".")
	if l := h.lines[host]; l != nil {
		return l
	}
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		if l := h.lines[part]; l != nil {
			return l
		}
	}
	return nil
}

// watched notes each call, so that its time can be ended by its test.
func (h *faultHall) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := h.line(r)
		if l == nil {
			next.ServeHTTP(w, r)
			return
		}
		l.calls.Add(1)
		defer l.calls.Done()
		p := newPatience(r.Context())
		l.mu.Lock()
		l.current = p
		l.mu.Unlock()
		next.ServeHTTP(w, r.WithContext(p))
	})
}

// timeOut is the deadline of the call under way, come now.
func (l *faultLine) timeOut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.end(context.DeadlineExceeded)
}

// meet makes a call, one request of which meets the fault, and returns once
// nothing of it is under way any more.
func (l *faultLine) meet(t *testing.T, f faultproxy.Fault, picks func(*http.Request) bool, n int, leaves bool, call func(context.Context) error) error {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	met := l.proxy.Arm(f, picks, n)
	if f == faultproxy.Held || f == faultproxy.Late {
		go func() {
			select {
			case <-met.Began:
			case <-ctx.Done():
				return
			}
			if leaves {
				leave()
			} else {
				l.timeOut()
			}
		}()
	}
	err := call(ctx)
	l.calls.Wait()
	select {
	case <-met.Began:
	default:
		t.Fatalf("request %d never came; the call ended with: %v", n, err)
	}
	<-met.Settled
	return err
}

// patience is a context whose deadline comes when it is told.
type patience struct {
	context.Context
	done chan struct{}
	mu   sync.Mutex
	err  error
}

func newPatience(ctx context.Context) *patience {
	p := &patience{Context: ctx, done: make(chan struct{})}
	context.AfterFunc(ctx, func() { p.end(ctx.Err()) })
	return p
}

func (p *patience) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		close(p.done)
	}
}

func (p *patience) Done() <-chan struct{} { return p.done }

func (p *patience) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
