package fleet

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// life is how long gateways are killed, and pace how much clients do meanwhile; "make
// soak" asks for more.
var (
	life = flag.Duration("fleet", 45*time.Second, "how long the gateways of TestFleet are killed, one each second")
	pace = flag.Int("fleet-pace", 4, "how many calls each client makes around each of these kills; 0: as many as it can")
)

// lifeOverVault is the same for TestFleetOverVault.
const lifeOverVault = 10 * time.Second

// TestFleet: three gateways over one store behind a round-robin, of which one is
// killed each second. Over PostgreSQL no acknowledged write is lost, no version is
// there twice, no client of a vendor's is refused for longer than it tries by
// itself, and what clients are told is linearizable.
func TestFleet(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{})
	f := newFleet(t, 3, fmt.Sprintf("postgres, postgres: { dsn: %q }", server.DSN("postgres")))
	r := f.live(t, *life)
	t.Logf("PostgreSQL: %s", r)
	for _, problem := range slices.Concat(r.refused, r.lost, r.doubled, r.violated, r.undecided) {
		t.Error(problem)
	}
	if r.cut > 2+(r.acknowledged+r.calls)/100 {
		t.Errorf("%d calls were cut at each try", r.cut)
	}
	if 2*r.unknown > r.calls {
		t.Errorf("%d of %d calls are of unknown outcome: too few are known to tell anything", r.unknown, r.calls)
	}
	f.agree(t)
	f.audits(t, r)
}

// TestFleetOverVault: over one Vault no acknowledged write is lost either. What
// another gateway cannot know, that a write repeats one, is counted.
func TestFleetOverVault(t *testing.T) {
	t.Parallel()
	server := vaulttest.Shared(t)
	f := newFleet(t, 3, fmt.Sprintf("hashivault, hashivault: { address: %q, mount: %q, token: { env: VAULT_TOKEN } }", server.Address, server.NewMount(t)))
	r := f.live(t, lifeOverVault)
	t.Logf("HashiCorp Vault KV v2: %s", r)
	for _, twice := range r.doubled {
		t.Log(twice)
	}
	for _, problem := range slices.Concat(r.lost) {
		t.Error(problem)
	}
	f.agree(t)
}

// report is what came of a fleet's life.
type report struct {
	kills, acknowledged, calls, unknown, cut, once int
	refused, lost, doubled, violated, undecided    []string
	told                                           []deed // what clients were told is done
	mu                                             sync.Mutex
}

func (r *report) String() string {
	return fmt.Sprintf("%d kills; %d versions acknowledged, %d lost, %d doubled; %d calls in histories, %d of unknown outcome, %d histories not linearizable; %d calls refused for longer than their client tried, %d cut at each try, and %d cut that their SDK sends once",
		r.kills, r.acknowledged, len(r.lost), len(r.doubled), r.calls, r.unknown, len(r.violated), len(r.refused), r.cut, r.once)
}

// deed is a call of which a client was told that it is done.
type deed struct {
	verb    verb
	name    string
	request string // the id that its answer has
}

// note keeps what a client was told of a call.
func (r *report) note(v verb, name string, a answer) {
	switch {
	case a.result == unknown:
		r.refuse(v, a)
	case a.result == done && a.request != "": // Key Vault's SDK for JavaScript asks for no recovery of what is there
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, deed{v, name, a.request})
	}
}

// refuse counts a call that failed, once its client has given up: because gateways
// refused it, or because each try of it was cut.
func (r *report) refuse(v verb, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case a.refused:
		r.refused = append(r.refused, fmt.Sprintf("%s was refused after %d tries: %v", v, a.tries, a.err))
	case a.tries > 1:
		r.cut++
	default:
		r.once++
	}
}

// How many clients there are. Each secret of a keeper has one writer and only grows,
// and about those that are shared all sharers do everything.
const (
	keepers = 8
	sharers = 7
	shared  = 4 // at once
)

// clients are one of each vendor's SDKs for every language, and more of Go's.
func (f *fleet) clients(t *testing.T) (kept, sharing []client) {
	t.Helper()
	all := f.balancer.address
	js, python := f.program(t, "js", token, tokenOf(0)), f.program(t, "python", token, tokenOf(1))
	kept, sharing = []client{lane{js, 0}, lane{python, 0}}, []client{lane{js, 1}, lane{python, 1}}
	for len(kept) < keepers {
		if len(kept)%2 == 0 {
			kept = append(kept, azureClient{f.azure(t, all)})
		} else {
			kept = append(kept, f.huaweiAs(t, all, accessKey, secretKey))
		}
	}
	for i := len(sharing); i < sharers; i++ {
		if i == sharers-1 {
			id, sk := keyOf(i)
			sharing = append(sharing, f.huaweiAs(t, all, id, sk))
		} else {
			sharing = append(sharing, azureClient{f.azureAs(t, all, tokenOf(i))})
		}
	}
	return kept, sharing
}

// live kills one gateway each second while clients work.
func (f *fleet) live(t *testing.T, life time.Duration) *report {
	t.Helper()
	r := &report{}
	h := newHistory()
	kept, sharing := f.clients(t)
	end := time.Now().Add(life)
	rounds := newRounds(*pace, len(kept)+len(sharing))
	made := make([]map[string]bool, keepers) // values by keeper; false: nobody knows
	var working sync.WaitGroup
	for i, c := range kept {
		made[i] = map[string]bool{}
		working.Go(func() { r.keep(c, keptName(i), made[i], rounds) })
	}
	for i, c := range sharing {
		working.Go(func() { r.share(c, h, i, rounds) })
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Now().Before(end) && !t.Failed() {
		<-tick.C
		rounds.next()
		<-time.After(rand.N(30 * time.Millisecond)) // amid their calls
		g := f.gateways[r.kills%len(f.gateways)]
		r.kills++
		g.kill()
		if err := g.start(); err != nil {
			t.Error(err)
		}
	}
	rounds.end()
	working.Wait()
	r.calls, r.unknown = h.count()
	r.violated, r.undecided = h.check(true, checkTime)
	az := f.azureOver(t, f.balancer.address, token, f.steady(t, f.balancer.address))
	for i := range made {
		r.compare(t, az, keptName(i), made[i])
	}
	return r
}

func keptName(i int) string { return fmt.Sprint("kept-", i) }

// keep adds version after version.
func (r *report) keep(c client, name string, made map[string]bool, rounds *rounds) {
	for i, did := 0, false; rounds.goOn(i) || !did; i++ {
		in := input{verb: c.adds(!did), value: fmt.Sprintf("%s.%d", name, i)}
		a := c.call(name, in)
		made[in.value] = a.err == nil
		did = did || a.err == nil || a.result == taken // an earlier try made it
		if a.result != done && a.result != taken {
			a.result = unknown // nothing else may come of it
		}
		r.note(in.verb, name, a)
	}
}

// share does whatever may be done to the names that all share.
func (r *report) share(c client, h *history, id int, rounds *rounds) {
	random := rand.New(rand.NewPCG(1, uint64(id)))
	for i, did := 0, false; rounds.goOn(i) || !did; i++ {
		// A name is done with after a second: a history is cheap to check while it is short.
		name := fmt.Sprintf("shared-%d-%d", random.IntN(shared), h.now()/int64(time.Second))
		in := input{verb: c.shares()[random.IntN(len(c.shares()))], client: id, value: fmt.Sprintf("v%d.%d", id, i)}
		called, tries := h.now(), 0
		out := h.record(id, name, in, func() (output, bool) {
			a := c.call(name, in)
			tries = a.tries
			r.note(in.verb, name, a)
			switch {
			case a.result != done && in.verb != doGet && a.tries > 1:
				// The refusal is of the last try. An earlier one may have done it, and others
				// have changed the secret since.
				return output{result: unknown}, true
			}
			return a.output, true
		})
		did = did || out.result == done
		if out.result == done && tries > 1 && in.verb != doGet {
			h.mayHave(id, name, in, called)
		}
	}
}

// compare reads all versions of a kept secret.
func (r *report) compare(t *testing.T, c *azsecrets.Client, name string, made map[string]bool) {
	t.Helper()
	there := map[string]int{}
	for pages := c.NewListSecretPropertiesVersionsPager(name, nil); pages.More(); {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		for _, v := range page.Value {
			got, err := c.GetSecret(t.Context(), name, v.ID.Version(), nil)
			must(t, err)
			there[*got.Value]++
		}
	}
	if len(there) == 0 {
		t.Errorf("nobody has written %s", name)
	}
	for value, acknowledged := range made {
		if acknowledged {
			r.acknowledged++
		}
		if acknowledged && there[value] == 0 {
			r.lost = append(r.lost, value+" was acknowledged and is lost")
		}
		if there[value] > 1 {
			r.doubled = append(r.doubled, fmt.Sprintf("%s is there %d times", value, there[value]))
		}
	}
}
