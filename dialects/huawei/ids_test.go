package huawei_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	ring "github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// fleet are gateways over one product, whose lists are counted, with one keyring
// and one clock.
type fleet struct {
	keys  *ring.Keyring
	store backends.Backend
	now   atomic.Int64 // seconds after start
	start time.Time
	lists atomic.Int64
	began chan struct{} // not nil: a list says here that it began,
	hold  chan struct{} // and waits for this to be closed
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	return &fleet{keys: gatewaytest.NewKeyring(t), store: memory.New(memory.Options{}), start: time.Now()}
}

func (f *fleet) time() time.Time { return f.start.Add(time.Duration(f.now.Load()) * time.Second) }

func (f *fleet) gateway(t *testing.T, names ...string) *gatewaytest.Gateway {
	t.Helper()
	var rules []access.Rule // none: everything
	if len(names) > 0 {
		rules = []access.Rule{{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: names}}
	}
	return gatewaytest.New(t, gatewaytest.Options{Keyring: f.keys, Now: f.time, Policy: rules, Stores: []gateway.Store{{
		Name: "a", Kind: "memory", Backend: &backendtest.Faulty{Backend: f.store, Before: func(_ context.Context, op string) error {
			if op == "List" {
				f.lists.Add(1)
				if f.hold != nil {
					f.began <- struct{}{}
					<-f.hold
				}
			}
			return nil
		}},
	}}})
}

func (f *fleet) put(t testing.TB, name secret.Name) {
	t.Helper()
	_, err := f.store.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("x")})
	must(t, err)
}

// id is what a gateway shows as the id of a secret.
func (f *fleet) id(t testing.TB, g *gatewaytest.Gateway, name string) string {
	t.Helper()
	_, id, ok := strings.Cut(message{Path: "/secrets/" + name, Now: f.time()}.send(t, g).Body, `"id":"`)
	if !ok {
		t.Fatalf("%s shows no id", name)
	}
	return id[:36]
}

// dead is the id of a secret that is gone.
func (f *fleet) dead(t testing.TB, g *gatewaytest.Gateway, name secret.Name) string {
	t.Helper()
	f.put(t, name)
	id := f.id(t, g, string(name))
	_, err := f.store.Delete(t.Context(), name, time.Time{})
	must(t, err)
	must(t, f.store.Purge(t.Context(), name))
	return id
}

// tags asks for the tags of a secret by its id.
func (f *fleet) tags(t *testing.T, g *gatewaytest.Gateway, id string) answer {
	t.Helper()
	return message{Path: "/csms/" + id + "/tags", Now: f.time()}.send(t, g)
}

// walks returns how many lists f caused.
func (f *fleet) walks(do func()) int64 {
	before := f.lists.Load()
	do()
	return f.lists.Load() - before
}

// TestIDsStay: Terraform's state holds them. Another keyring makes others.
func TestIDsStay(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(t, "n")
	id := f.id(t, f.gateway(t), "n")
	if again := f.id(t, f.gateway(t), "n"); again != id {
		t.Errorf("%s and %s on two gateways", id, again)
	}
	if u, err := uuid.Parse(id); err != nil || u.Version() != 8 || u.Variant() != uuid.RFC4122 {
		t.Errorf("%s is no UUID of version 8", id)
	}
	added, _, err := f.keys.Add(ring.AlgA256KW)
	must(t, err)
	f.keys, err = added.Retire(added.Keys()[0].ID, time.Now())
	must(t, err)
	if again := f.id(t, f.gateway(t), "n"); again != id {
		t.Errorf("%s and %s after a key was retired", id, again)
	}
	f.keys = gatewaytest.NewKeyring(t)
	if other := f.id(t, f.gateway(t), "n"); other == id {
		t.Error("the id follows from the name alone")
	}
}

// TestAMadeUpIDCostsNothing: no id that a stranger can make is looked for, whether
// it is of a secret's name or of none.
func TestAMadeUpIDCostsNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.gateway(t, "mine")
	f.put(t, "others")
	plain := sha256.Sum256([]byte("vaultferry huawei\x00secret\x00a\x00others"))
	u := uuid.UUID(plain[:16])
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	real := f.id(t, f.gateway(t), "others")
	swapped := real[:35] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", real[35])+1)%16])
	made := []string{u.String(), uuid.NewString(), swapped, strings.ToUpper(real)}
	for range 20 {
		u := uuid.New()
		u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
		made = append(made, u.String())
	}
	lists := f.walks(func() {
		for _, id := range made {
			if a := f.tags(t, g, id); a.Status != 404 || a.Code != "CSMS.0005" {
				t.Errorf("%s: %d %s", id, a.Status, a.Code)
			}
		}
	})
	if lists != 0 {
		t.Errorf("%d lists of the store for ids that nobody gave out", lists)
	}
}

// TestHiddenAndAbsentIDsAreAlike: an id that was given out once tells whoever may
// not act on its secret neither by answers nor by work whether that is there.
func TestHiddenAndAbsentIDsAreAlike(t *testing.T) {
	t.Parallel()
	trail := func(remembered, there bool) string {
		f := newFleet(t)
		owner := f.gateway(t)
		g := f.gateway(t, "mine")
		if remembered {
			f.put(t, "mine")
		}
		f.put(t, "others1")
		f.put(t, "others2")
		one, two := f.id(t, owner, "others1"), f.id(t, owner, "others2")
		if !there {
			one, two = f.dead(t, owner, "gone1"), f.dead(t, owner, "gone2")
		}
		if remembered { // the gateway has met every name
			if a := f.tags(t, g, f.id(t, owner, "mine")); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Msg)
			}
		}
		var steps []string
		step := func(id string) {
			n := f.walks(func() {
				a := f.tags(t, g, id)
				body := strings.ReplaceAll(a.Body, a.Header.Get("X-Request-Id"), "")
				steps = append(steps, fmt.Sprintf("%d %s %q", a.Status, body, a.Header.Get("Retry-After")))
			})
			steps = append(steps, fmt.Sprintf("%d lists", n))
		}
		step(one)
		step(one)
		step(two)
		f.now.Add(31)
		step(two)
		step(two)
		return strings.Join(steps, "\n")
	}
	for _, remembered := range []bool{false, true} {
		hidden, absent := trail(remembered, true), trail(remembered, false)
		if hidden != absent {
			t.Errorf("hidden:\n%s\nabsent:\n%s", hidden, absent)
		}
		if !strings.HasPrefix(hidden, "404") || strings.Count(hidden, "1 lists") != 2 || strings.Count(hidden, "429") != 1 {
			t.Errorf("the first is not looked for once in 30 seconds, or not found:\n%s", hidden)
		}
	}
}

// TestUnknownIDsShareOneLook, however many ask at once.
func TestUnknownIDsShareOneLook(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	owner := f.gateway(t)
	f.put(t, "others")
	ids := []string{f.id(t, owner, "others"), f.dead(t, owner, "gone")}
	g := f.gateway(t, "mine")
	f.began, f.hold = make(chan struct{}, 32), make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	lists := f.walks(func() {
		for i := range 32 {
			wg.Go(func() {
				a := f.tags(t, g, ids[i%2])
				mu.Lock()
				defer mu.Unlock()
				got[a.Status]++
			})
		}
		<-f.began
		close(f.hold)
		wg.Wait()
	})
	if lists != 1 || got[404]+got[429] != 32 || got[404] == 0 {
		t.Errorf("%d lists, answers %v", lists, got)
	}
}

// TestAnIDOfAnotherGatewayIsFound: behind a load balancer the next call may come
// to a gateway that has not met the secret. It never says that it is gone.
func TestAnIDOfAnotherGatewayIsFound(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one, two := f.gateway(t), f.gateway(t)
	for i := range 5 { // finding them costs a look each, and none is in vain
		name := fmt.Sprint("n", i)
		f.put(t, secret.Name(name))
		id := f.id(t, one, name)
		if a := f.tags(t, two, id); a.Status != 200 {
			t.Errorf("%s: %d %s", name, a.Status, a.Msg)
		}
		if n := f.walks(func() { f.tags(t, two, id) }); n != 0 {
			t.Errorf("%s is looked for again", name)
		}
	}
	if a := f.tags(t, two, f.dead(t, one, "gone")); a.Status != 404 {
		t.Errorf("an id of none: %d", a.Status)
	}
	f.put(t, "late")
	id := f.id(t, one, "late")
	if a := f.tags(t, two, id); a.Status != 429 || a.Header.Get("Retry-After") != "30" {
		t.Errorf("after a look in vain: %d, come again after %q", a.Status, a.Header.Get("Retry-After"))
	}
	f.now.Add(30)
	if a := f.tags(t, two, id); a.Status != 200 {
		t.Errorf("30 seconds later: %d %s", a.Status, a.Msg)
	}
}
