package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// hush is in every value that badWorld holds or is sent, and nowhere else.
const hush = "hu5h-d0-n0t-te11"

// badWorld is a gateway in front of stores of which the caller of the requests
// may not do everything:
//
//	main     holds "taken" (two versions) and "off" (disabled), and fails as
//	         a test scripts it
//	spare    is empty
//	strict   foretells a loss for whatever comes
//	locked   is read-only
//	private  holds "theirs", and is not the caller's
//	extra    is what a row brings along, empty memory if nothing
type badWorld struct {
	*gatewaytest.Gateway
	main   *backendtest.Faulty
	stores map[string]backends.Backend // the real ones
	audit  *watchedAudit
	log    *sharedBuffer
	before map[string]string // fingerprints
	marked int               // audit lines of the preparation
}

// owner may do everything everywhere, but sends no requests.
var owner = gateway.Call{Caller: access.Caller{ID: "owner", Via: "test"}, Op: "test", RequestID: "test"}

func newBadWorld(t *testing.T, extra backends.Backend) *badWorld {
	t.Helper()
	if extra == nil {
		extra = memory.New(memory.Options{})
	}
	w := &badWorld{
		stores: map[string]backends.Backend{"extra": extra},
		audit:  &watchedAudit{changed: make(chan struct{}, 1)}, log: &sharedBuffer{},
	}
	for _, name := range []string{"main", "spare", "strict", "locked", "private"} {
		w.stores[name] = memory.New(memory.Options{})
	}
	w.main = &backendtest.Faulty{Backend: w.stores["main"]}
	w.Gateway = gatewaytest.New(t, gatewaytest.Options{
		Stores: []gateway.Store{
			{Name: "main", Kind: "memory", Backend: w.main},
			{Name: "spare", Kind: "memory", Backend: w.stores["spare"]},
			{Name: "strict", Kind: "memory", Backend: lossy{w.stores["strict"]}},
			{Name: "locked", Kind: "memory", Backend: w.stores["locked"], ReadOnly: true},
			{Name: "private", Kind: "memory", Backend: w.stores["private"]},
			{Name: "extra", Kind: "extra", Backend: extra},
		},
		Policy: []access.Rule{
			{Callers: []string{"owner"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}},
			{Callers: []string{gatewaytest.Caller}, Allow: []string{"*"}, Stores: []string{"main", "spare", "strict", "locked", "extra"}, Names: []string{"*"}},
		},
		AuditLog: gatewaytest.NewAuditLog(w.audit, time.Now),
		Log:      slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	w.seed(t)
	return w
}

// lossy foretells that every secret would lose something.
type lossy struct{ backends.Backend }

func (lossy) Forecast(s *secret.Secret) []secret.Loss {
	return []secret.Loss{{Version: s.Current, Grade: secret.Meaning, What: "expiry", Why: "this product has no expiry"}}
}

func (w *badWorld) seed(t *testing.T) {
	t.Helper()
	for _, s := range []struct {
		store, name, value string
		disabled           bool
	}{
		{"main", "taken", hush + " one", false},
		{"main", "taken", hush + " two", false},
		{"main", "off", hush + " off", true},
		{"private", "theirs", hush + " theirs", false},
	} {
		_, err := w.Service.Put(t.Context(), owner, gateway.Ref{Store: s.store, Name: secret.Name(s.name)},
			secret.Draft{Value: secret.TextValue(s.value), Disabled: s.disabled})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// mark ends the preparation: from here on nothing may change.
func (w *badWorld) mark(t *testing.T) {
	t.Helper()
	w.before = w.fingerprints(t)
	w.marked = len(w.audit.Entries(t))
}

func (w *badWorld) blob(t *testing.T, store, name string) []byte {
	t.Helper()
	b, err := w.Service.Backup(t.Context(), owner, gateway.Ref{Store: store, Name: secret.Name(name)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fingerprints tells of every secret of every store that answers all there is
// to tell, values included, as a hash.
func (w *badWorld) fingerprints(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for store, b := range w.stores {
		ctx := context.WithoutCancel(t.Context())
		page, err := b.List(ctx, secret.Query{})
		if errors.Is(err, secret.Unavailable) || errors.Is(err, secret.Upstream) || errors.Is(err, secret.Throttled) {
			continue // the row is about that
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Secrets {
			whole, err := b.Export(ctx, s.Name)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := (&backup.Document{Secret: whole, SealedAt: time.Unix(0, 0).UTC(), Origin: backup.Origin{Gateway: "g", Store: store, Name: s.Name}}).Encode()
			if err != nil {
				t.Fatal(err)
			}
			all[store+"/"+string(s.Name)] = fmt.Sprintf("%x", sha256.Sum256(plain))
		}
	}
	return all
}

// checkUnchanged compares every store with what it held at the mark.
func (w *badWorld) checkUnchanged(t *testing.T) {
	t.Helper()
	after := w.fingerprints(t)
	for id, print := range after {
		switch had, ok := w.before[id]; {
		case !ok:
			t.Errorf("%s appeared", id)
		case had != print:
			t.Errorf("%s changed", id)
		}
	}
	for id := range w.before {
		if _, ok := after[id]; !ok {
			t.Errorf("%s is gone", id)
		}
	}
}

// checkAudit wants exactly these lines since the mark, each of the request id.
func (w *badWorld) checkAudit(t *testing.T, id string, want []string) {
	t.Helper()
	var got []string
	for _, e := range w.audit.Entries(t)[w.marked:] {
		got = append(got, line(e))
		if id != "" && e.RequestID != id {
			t.Errorf("audited as request %s, answered as %s", e.RequestID, id)
		}
		if e.Address != "127.0.0.1" {
			t.Errorf("audited from %q", e.Address)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("audit:\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// line is what rows say of an entry.
func line(e audit.Entry) string {
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	s := fmt.Sprintf("%s %s %s %s %s/%s", e.Phase, e.Op, or(e.Caller), or(e.Action), or(e.Store), or(e.Name))
	if e.Result != "" {
		s += " " + e.Result
	}
	return s
}

// checkSilent fails if a value, a credential or a part of the machinery shows
// in what left the gateway.
func (w *badWorld) checkSilent(t *testing.T, where, text string) {
	t.Helper()
	for _, no := range []string{hush, strings.ToUpper(hush), w.Token, w.SecretKey, "goroutine ", "0xc0"} {
		if strings.Contains(text, no) {
			t.Errorf("%s shows what it must not (%d characters)", where, len(no))
		}
	}
	if where != "the answer" {
		return
	}
	for _, no := range []string{".go:", "/tmp/", "go-jose", "bbolt", "errno", "dial tcp", "connection refused", "permission denied", "127.0.0.1:", "X-Vault", "json:", "unexpected EOF"} {
		if strings.Contains(text, no) {
			t.Errorf("%s shows %q", where, no)
		}
	}
}

// watchedAudit is an audit file in memory that tells when it grows.
type watchedAudit struct {
	gatewaytest.Audit
	changed chan struct{}
}

func (a *watchedAudit) Write(b []byte) (int, error) {
	n, err := a.Audit.Write(b)
	select {
	case a.changed <- struct{}{}:
	default:
	}
	return n, err
}

// await waits until there are n lines since the mark.
func (w *badWorld) await(t *testing.T, n int) {
	t.Helper()
	patience := time.After(2 * time.Minute)
	for strings.Count(w.audit.Text(), "\n") < w.marked+n {
		select {
		case <-w.audit.changed:
		case <-patience:
			t.Fatalf("%d audit lines, waited for %d", strings.Count(w.audit.Text(), "\n")-w.marked, n)
		}
	}
}

type sharedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *sharedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *sharedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
