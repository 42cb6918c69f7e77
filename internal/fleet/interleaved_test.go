package fleet

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

var interleavings = flag.Int("interleavings", 500, "how often TestInterleaved lets others come between")

// TestInterleaved: before each round trip of a call at one gateway, others do
// what they like to the same secret at another. One order still explains what all
// were told. No chance of the machine decides what comes between.
func TestInterleaved(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{})
	proxy := server.NewProxy(t, 0)
	env := backends.Env{Store: "s", Keys: gatewaytest.NewKeyring(t)}
	open := func(dsn string) backends.Backend {
		c := &postgres.Config{}
		c.SetDefaults()
		c.DSN = dsn
		b, err := postgres.Open(t.Context(), env, c)
		must(t, err)
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	c := &postgres.Config{}
	c.SetDefaults()
	c.DSN = server.DSN("postgres")
	_, err := postgres.Upgrade(t.Context(), env, c)
	must(t, err)
	watch, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	must(t, err)
	t.Cleanup(func() { _ = watch.Close(context.Background()) })
	held, free := open(proxy.DSN("postgres")), open(server.DSN("postgres"))
	h := newHistory()
	for n := range *interleavings {
		r := rand.New(rand.NewPCG(uint64(n), 0))
		w := &interleaving{t: t, h: h, r: r, watch: watch}
		name, uids := secret.Name(fmt.Sprint("s", n)), map[string]secret.UID{}
		w.others = &storeClient{b: free, name: name, id: 1, r: r, uids: uids}
		for range r.IntN(4) { // absent, live, deleted or purged
			w.other()
		}
		one := &storeClient{b: held, name: name, id: 0, r: r, uids: uids, made: w.others.made}
		in := input{verb: verbs[r.IntN(len(verbs))]}
		if in.verb == doCurrent && len(one.made) == 0 {
			in.verb = doPut
		}
		in.value, in.which = valueOf(in.verb, one, 99), anyOf(one)
		proxy.Hold(w.between)
		one.ask(t, h, t.Context(), in)
		proxy.Hold(nil)
		w.finish()
		w.others.ask(t, h, t.Context(), input{verb: doGet})
	}
	violated, undecided := h.check(false)
	for _, v := range violated {
		t.Errorf("not linearizable: %s", v)
	}
	if len(undecided) > 0 {
		t.Errorf("not decided: %v", undecided)
	}
}

// interleaving is one call, and what others do before each of its round trips.
type interleaving struct {
	t      *testing.T
	h      *history
	r      *rand.Rand
	others *storeClient
	watch  *pgx.Conn
	one    sync.Mutex // round trips of one connection after another
	did    int
	busy   chan struct{} // closed when the others have done what they were about to do
}

// ofSecrets are the statements of calls.
var ofSecrets = regexp.MustCompile(`\.(secret|version)\b`)

// most bounds what others do, for a call to come to its end.
const most = 8

// between runs before a round trip. It lets others do something, and waits until
// they have done it, or wait for a lock, which only the call may hold.
func (w *interleaving) between(statements []string) {
	if !ofSecrets.MatchString(strings.Join(statements, ";")) {
		return // of the gateway's own, perhaps in the background
	}
	w.one.Lock()
	defer w.one.Unlock()
	w.wait()
	if w.isBusy() {
		return
	}
	n := min(w.r.IntN(3), most-w.did)
	w.did += n
	busy := make(chan struct{})
	w.busy = busy
	go func() {
		defer close(busy)
		for range n {
			w.other()
		}
	}()
	w.wait()
}

func (w *interleaving) isBusy() bool {
	select {
	case <-w.busy:
		return false
	default:
		return w.busy != nil
	}
}

// finish waits until the others are done.
func (w *interleaving) finish() {
	w.one.Lock()
	defer w.one.Unlock()
	if w.busy != nil {
		<-w.busy
	}
}

// wait waits until the others are done, or wait for a lock.
func (w *interleaving) wait() {
	for w.isBusy() {
		var locked int
		if err := w.watch.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").Scan(&locked); err != nil {
			w.t.Error(err)
			return
		}
		if locked > 0 {
			return
		}
	}
}

// other does what changes something, of what can be done.
func (w *interleaving) other() {
	c := w.others
	able := []verb{doPut, doCreate}
	switch s, err := c.b.Describe(context.Background(), c.name); {
	case err == nil && len(s.Versions) > 0:
		able = []verb{doPut, doDelete, doDelete}
		if len(c.made) > 1 {
			able = append(able, doCurrent)
		}
	default:
		if _, err := c.b.DescribeTrash(context.Background(), c.name); err == nil {
			able = []verb{doRecover, doRecover, doPurge}
		}
	}
	in := input{verb: able[w.r.IntN(len(able))]}
	in.value, in.which = valueOf(in.verb, c, len(c.made)), anyOf(c)
	c.ask(w.t, w.h, context.Background(), in)
}

func valueOf(v verb, c *storeClient, n int) string {
	if v != doPut && v != doCreate {
		return ""
	}
	return fmt.Sprintf("v%d.%d", c.id, n)
}

func anyOf(c *storeClient) string {
	if len(c.made) == 0 {
		return ""
	}
	return c.made[c.r.IntN(len(c.made))]
}
