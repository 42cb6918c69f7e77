package fleet

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
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

// interleaved are two gateways of a store. What the one sends waits for others.
type interleaved struct {
	proxy      *postgrestest.Proxy
	watch      *pgx.Conn
	held, free backends.Backend
}

func newInterleaved(t *testing.T) *interleaved {
	t.Helper()
	server := postgrestest.Start(t, postgrestest.Options{})
	w := &interleaved{proxy: server.NewProxy(t, 0)}
	env := backends.Env{Store: "s", Keys: gatewaytest.NewKeyring(t)}
	config := func(dsn string) *postgres.Config {
		c := &postgres.Config{}
		c.SetDefaults()
		c.DSN = dsn
		return c
	}
	open := func(dsn string) backends.Backend {
		b, err := postgres.Open(t.Context(), env, config(dsn))
		must(t, err)
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	_, err := postgres.Upgrade(t.Context(), env, config(server.DSN("postgres")))
	must(t, err)
	w.watch, err = pgx.Connect(t.Context(), server.DSN("postgres"))
	must(t, err)
	t.Cleanup(func() { _ = w.watch.Close(context.Background()) })
	w.held, w.free = open(w.proxy.DSN("postgres")), open(server.DSN("postgres"))
	return w
}

// TestInterleaved: before each round trip of a call at one gateway, others do
// what they like to the same secret at another. One order still explains what all
// were told. No chance of the machine decides what comes between.
func TestInterleaved(t *testing.T) {
	t.Parallel()
	two := newInterleaved(t)
	h := newHistory()
	for n := range *interleavings {
		r := rand.New(rand.NewPCG(uint64(n), 0))
		w := &interleaving{t: t, r: r, watch: two.watch, of: secretRows}
		name, uids := secret.Name(fmt.Sprint("s", n)), map[string]secret.UID{}
		w.h, w.act = h, w.other
		w.others = &storeClient{b: two.free, name: name, id: 1, r: r, uids: uids}
		for range r.IntN(4) { // absent, live, deleted or purged
			w.other()
		}
		one := &storeClient{b: two.held, name: name, id: 0, r: r, uids: maps.Clone(uids), made: slices.Clone(w.others.made)}
		in := w.input(one)
		in.value, in.which = valueOf(in.verb, one, 99), anyOf(one)
		two.proxy.Hold(w.between)
		one.ask(t, h, t.Context(), in)
		two.proxy.Hold(nil)
		w.finish()
		w.others.ask(t, h, t.Context(), input{verb: doGet})
	}
	violated, undecided := h.check(false, checkTime)
	for _, v := range violated {
		t.Errorf("not linearizable: %s", v)
	}
	if len(undecided) > 0 {
		t.Errorf("not decided: %v", undecided)
	}
}

// TestInterleavedRecords: of all who write a record of the gateway over one revision, one
// is told that it is done, and his text stands there, or that of who wrote over it.
func TestInterleavedRecords(t *testing.T) {
	t.Parallel()
	two := newInterleaved(t)
	for n := range *interleavings / 5 {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		key := fmt.Sprint("r", n)
		written, last := map[string]string{}, "" // by the revision below
		var mu sync.Mutex
		write := func(b backends.Backend, text, revision string) {
			err := b.(backends.StateStore).WriteState(context.Background(), key, []byte(text), revision)
			mu.Lock()
			defer mu.Unlock()
			earlier, taken := written[revision]
			switch {
			case err == nil && taken:
				t.Errorf("%s: %s and %s are both told to be written over revision %q", key, earlier, text, revision)
			case err == nil:
				written[revision] = text
			case !errors.Is(err, secret.Conflict):
				t.Errorf("%s: %v", key, err)
			}
		}
		read := func() (text, revision string) {
			b, revision, err := two.free.(backends.StateStore).ReadState(context.Background(), key)
			if err != nil && !errors.Is(err, secret.NotFound) {
				t.Errorf("%s: %v", key, err)
			}
			return string(b), revision
		}
		w := &interleaving{t: t, r: r, watch: two.watch, of: recordRows}
		w.act = func() {
			_, revision := read()
			w.acted++
			write(two.free, fmt.Sprintf(`"other %d"`, w.acted), revision)
		}
		for range r.IntN(3) {
			w.act()
		}
		_, revision := read()
		two.proxy.Hold(w.between)
		write(two.held, `"one"`, revision)
		two.proxy.Hold(nil)
		w.finish()
		for below := range written { // revisions are counted
			if len(below) > len(last) || len(below) == len(last) && below > last {
				last = below
			}
		}
		if text, _ := read(); text != written[last] {
			t.Errorf("%s: %s stands there, and %s was told to be written last", key, text, written[last])
		}
	}
}

// interleaving is one call, and what others do before each of its round trips.
type interleaving struct {
	t      *testing.T
	h      *history
	r      *rand.Rand
	others *storeClient
	act    func()         // what others do once
	of     *regexp.Regexp // the statements of calls
	watch  *pgx.Conn
	one    sync.Mutex // round trips of one connection after another
	did    int
	acted  int
	busy   chan struct{} // closed when the others have done what they were about to do
}

var (
	secretRows = regexp.MustCompile(`\.(secret|version)\b`)
	recordRows = regexp.MustCompile(`\.state\b`)
)

// most bounds what others do, for a call to come to its end.
const most = 8

// between runs before a round trip. It lets others do something, and waits until
// they have done it, or wait for a lock, which only the call may hold.
func (w *interleaving) between(statements []string) {
	if !w.of.MatchString(strings.Join(statements, ";")) {
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
			w.act()
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
	able := []verb{doPut, doCreate, doImport}
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

// input is what the one asks, whom others come between. Others have done what they did
// before.
func (w *interleaving) input(one *storeClient) (in input) {
	able := append([]verb{doImport, doImport}, verbs...)
	if len(one.made) == 0 {
		able = slices.DeleteFunc(able, func(v verb) bool { return v == doCurrent })
	}
	if seen, err := one.b.DescribeTrash(context.Background(), one.name); err == nil {
		one.seen, in.seen = seen, state{versions: w.versions(seen), deletion: w.others.deletions}
		able = append(able, doExactly, doExactly, doExactly, doExactly, doExactly, doExactly, doExactly)
	}
	in.verb = able[w.r.IntN(len(able))]
	return in
}

// versions are those of a secret, as a state has them.
func (w *interleaving) versions(of *secret.Secret) string {
	values := map[secret.UID]string{}
	for value, uid := range w.others.uids {
		values[uid] = value
	}
	var all []string
	for i := range of.Versions {
		all = append(all, values[of.Versions[i].UID])
	}
	return strings.Join(all, ",")
}

func valueOf(v verb, c *storeClient, n int) string {
	if v != doPut && v != doCreate && v != doImport {
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
