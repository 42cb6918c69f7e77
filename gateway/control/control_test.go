package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// world is a gateway with a bolt store, "main", and one in memory, "scratch",
// that listens for commands.
type world struct {
	*gateway.Service
	dir    string
	clock  time.Time
	server *Server
	client *Client
	stop   func() // as a signal does
	ended  chan error
}

func (w *world) socket() string { return filepath.Join(w.dir, "vaultferry.sock") }

// shortDir is a folder whose paths fit into a socket's address.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newWorld(t *testing.T, rules ...access.Rule) *world {
	t.Helper()
	w := &world{dir: shortDir(t), clock: time.Now(), ended: make(chan error, 1)}
	now := func() time.Time { return w.clock }
	keys, err := backup.NewKeyringOf(backup.AlgA256KW, backup.AlgEdDSA)
	must(t, err)
	file := filepath.Join(w.dir, "main.db")
	b, err := bolt.Open(t.Context(), backends.Env{Store: "main", Keys: keys, Now: now}, &bolt.Config{Path: file})
	must(t, err)
	log, err := audit.Open(filepath.Join(w.dir, "audit.jsonl"), now)
	must(t, err)
	w.Service, err = gateway.New(gateway.Options{
		Stores: []gateway.Store{
			{Name: "main", Kind: "bolt", Backend: b},
			{Name: "scratch", Kind: "memory", Backend: memory.New(memory.Options{Now: now})},
		},
		Policy: access.NewPolicy(rules), Keyring: keys, Audit: log, Log: slog.New(slog.DiscardHandler), Now: now,
	})
	must(t, err)
	w.server, err = Listen(t.Context(), Options{
		Service: w.Service, Socket: w.socket(), Log: slog.New(slog.DiscardHandler),
		Stores: []Store{{"main", "bolt", file}, {"scratch", "memory", ""}},
	})
	must(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	w.stop = stop
	go func() { w.ended <- w.server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-w.ended, w.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	w.client, err = Connect(t.Context(), w.socket())
	must(t, err)
	t.Cleanup(func() { _ = w.client.Close() })
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call is a command's. The id joins its lines in the audit.
func call(op string) gateway.Call {
	return gateway.Call{Caller: access.Local("nobody"), Op: "cli." + op, RequestID: "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}
}

func (w *world) put(t *testing.T, store string, name secret.Name, value secret.Value) *secret.Secret {
	t.Helper()
	s, err := w.Put(t.Context(), call("test"), gateway.Ref{Store: store, Name: name}, secret.Draft{
		Value: value, ContentType: "text/plain", Tags: map[string]string{}, Stages: []string{"blue"},
		Expires:  w.clock.AddDate(1, 0, 0),
		OfSecret: &secret.Attributes{Description: "the database", Tags: map[string]string{"team": "a"}},
	})
	must(t, err)
	return s
}

func (w *world) audited(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "audit.jsonl"))
	must(t, err)
	return string(b)
}

// same compares what came over the socket with what the Service says. Extra is
// not carried.
func same(t *testing.T, what string, got, want *secret.Secret) {
	t.Helper()
	want = want.Clone()
	want.Extra = nil
	for i := range want.Versions {
		want.Versions[i].Extra = nil
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(secret.Value.Equal)); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// TestOperations: each answers as the Service does.
func TestOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	w.put(t, "main", "db", secret.TextValue("hush-1"))
	w.put(t, "main", "db", secret.BinaryValue([]byte{0xff, 0}))
	w.put(t, "main", "other", secret.FieldsValue([]byte(`{"user":"hush"}`)))
	ref := gateway.Ref{Store: "main", Name: "db"}

	if got := c.Status(); got.Gateway != w.Gateway() || got.PID != os.Getpid() || len(got.Stores) != 2 || got.Stores[0].File != filepath.Join(w.dir, "main.db") {
		t.Errorf("status: %+v", got)
	}
	if err := errors.Join(c.Check(ctx, "main"), c.Check(ctx, "scratch")); err != nil {
		t.Error(err)
	}

	want, err := w.Describe(ctx, call("show"), ref)
	must(t, err)
	got, err := c.Describe(ctx, call("show"), ref)
	must(t, err)
	same(t, "describe", got, want)

	for _, r := range []gateway.Ref{ref, {Store: "main", Name: "other"}} {
		for _, sel := range []secret.Selector{secret.Current, secret.ByOrdinal(1), secret.ByUID(want.Versions[0].UID)} {
			want, wantErr := w.Get(ctx, call("show"), r, sel)
			got, err := c.Get(ctx, call("show"), r, sel)
			if (err == nil) != (wantErr == nil) || err != nil && secret.KindOf(err) != secret.KindOf(wantErr) {
				t.Errorf("get %s of %s: %v, want %v", sel, r.Name, err, wantErr)
			} else if err == nil {
				same(t, "get "+sel.String(), got, want)
			}
		}
	}

	k := inventory.NewKey()
	for _, o := range []gateway.DigestOptions{{}, {Of: "source"}, {NoValues: true}, {Tags: map[string]string{"team": "a"}}, {Tags: map[string]string{"team": "b"}}} {
		want, err := w.Digest(ctx, call("inventory"), ref, k, o)
		must(t, err)
		got, err := c.Digest(ctx, call("inventory"), ref, k, o)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" || (got == nil) != (o.Tags["team"] == "b") {
			t.Errorf("digest %+v: %s", o, diff)
		}
	}

	packed, err := c.Pack(ctx, call("migrate"), ref, k, gateway.PackOptions{Foretell: true})
	must(t, err)
	digested, err := w.Digest(ctx, call("inventory"), ref, k, gateway.DigestOptions{})
	must(t, err)
	if k.StateOf(packed.Entry) != k.StateOf(digested) {
		t.Errorf("packed: %s", cmp.Diff(digested, packed.Entry))
	}
	if _, err := c.Restore(ctx, call("migrate"), "scratch", packed.Blob, gateway.RestoreOptions{As: "packed", DryRun: true}); err != nil {
		t.Error(err)
	}

	first, err := c.List(ctx, call("list"), "main", secret.Query{Limit: 1})
	must(t, err)
	second, err := c.List(ctx, call("list"), "main", secret.Query{Limit: 1, After: first.Next})
	must(t, err)
	if len(first.Secrets) != 1 || len(second.Secrets) != 1 || first.Secrets[0].Name != "db" || second.Secrets[0].Name != "other" || second.Next != "" {
		t.Errorf("pages %+v and %+v", first, second)
	}

	found, err := c.Verify(ctx, call("store.check"), "main")
	if err != nil || found.Secrets != 2 || found.Versions != 3 || !found.Sound() {
		t.Errorf("verify: %+v, %v", found, err)
	}
	var copied bytes.Buffer
	if err := c.Snapshot(ctx, call("store.backup"), "main", &copied); err != nil || copied.Len() == 0 {
		t.Errorf("snapshot: %d bytes, %v", copied.Len(), err)
	}
	if strings.Contains(w.audited(t), "hush") {
		t.Error("a value is in the audit")
	}
}

// TestBackupAndRestore: a blob that left through the socket comes back through
// it, and the options and the outcome survive the way.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	w.put(t, "main", "db", secret.TextValue("hush-1"))
	w.put(t, "main", "db", secret.TextValue("hush-2"))
	blob, _, err := c.BackupWith(ctx, call("backup"), gateway.Ref{Store: "main", Name: "db"}, gateway.BackupOptions{})
	must(t, err)
	if bytes.Contains(blob, []byte("hush")) {
		t.Error("the blob is not sealed")
	}
	would, err := c.Restore(ctx, call("restore"), "scratch", blob, gateway.RestoreOptions{As: "copy", DryRun: true})
	must(t, err)
	did, err := c.Restore(ctx, call("restore"), "scratch", blob, gateway.RestoreOptions{As: "copy"})
	must(t, err)
	for what, out := range map[string]*gateway.Outcome{"would": would, "did": did} {
		if out.Secret.Name != "copy" || len(out.Secret.Versions) != 2 || out.Secret.Size() != 0 || out.Origin.Store != "main" || out.Origin.Name != "db" || out.Origin.Gateway != w.Gateway() {
			t.Errorf("%s: %+v", what, out)
		}
	}
	if len(did.Versions) != 2 || did.Versions[2] != 2 {
		t.Errorf("versions %v", did.Versions)
	}
	_, err = c.Restore(ctx, call("restore"), "scratch", blob, gateway.RestoreOptions{As: "copy"})
	if e, ok := errors.AsType[*secret.Error](err); !ok || e.Kind != secret.AlreadyExists || e.Name != "copy" {
		t.Errorf("what exists: %v", err)
	}
	again, err := c.Restore(ctx, call("restore"), "scratch", blob, gateway.RestoreOptions{As: "copy", OnConflict: gateway.ConflictSkip})
	if err != nil || !again.Skipped {
		t.Errorf("skipped: %+v, %v", again, err)
	}
	again, err = c.Restore(ctx, call("restore"), "scratch", blob, gateway.RestoreOptions{As: "copy", OnConflict: gateway.ConflictAppend})
	if err != nil || !again.Appended || again.Added != 0 {
		t.Errorf("appended: %+v, %v", again, err)
	}
	if _, err := c.Restore(ctx, call("restore"), "main", blob[:len(blob)-1], gateway.RestoreOptions{As: "x"}); !errors.Is(err, secret.Corrupt) {
		t.Errorf("a blob cut short: %v", err)
	}
	asked := func(secret.Name) error { return nil }
	if _, err := c.Restore(ctx, call("restore"), "main", blob, gateway.RestoreOptions{CheckName: asked}); !errors.Is(err, secret.Unsupported) {
		t.Errorf("a question back: %v", err)
	}
}

// TestOutcomeSurvives: losses and the archive too, which the stores of a world
// have none of.
func TestOutcomeSurvives(t *testing.T) {
	t.Parallel()
	want := &gateway.Outcome{
		Origin: backup.Origin{Gateway: "g", Store: "s", Name: "n"}, Secret: &secret.Secret{Name: "n"},
		Versions: map[secret.Ordinal]secret.Ordinal{1: 2}, Refused: "r", Archive: "/a/b", Skipped: true, Appended: true, Added: 3,
		Losses: []secret.Loss{{Grade: secret.Data, Version: 1, What: "version", Why: "w"}, {Grade: secret.Trace, What: "created", Why: "w"}},
	}
	if diff := cmp.Diff(want, outcomeToWire(want).outcome(), cmp.Comparer(secret.Value.Equal)); diff != "" {
		t.Error(diff)
	}
	asked := gateway.RestoreOptions{
		As: "a", Folder: "f/", OnConflict: "skip", OnLoss: "archive", OnLossOf: map[string]gateway.OnLoss{"tags": "accept"}, Archive: "kept",
		DryRun: true, Foretell: true, Append: []secret.Ordinal{2}, Token: "t", KeepTrash: true, LookBack: true,
		RepositoryKey: "k", RepositoryVoucher: "v",
	}
	for f, v := range reflect.ValueOf(asked).Fields() {
		if v.IsZero() != (f.Name == "CheckName") { // which crosses no socket
			t.Errorf("nothing tells whether %s survives", f.Name)
		}
	}
	o := crossed(t, asked)
	if !filepath.IsAbs(string(o.Archive)) || filepath.Base(string(o.Archive)) != "kept" {
		t.Errorf("archive %s", o.Archive)
	}
	o.Archive = asked.Archive
	if !reflect.DeepEqual(o, asked) {
		t.Errorf("options %+v, want %+v", o, asked)
	}
	if o := crossed(t, gateway.RestoreOptions{Append: []secret.Ordinal{}}); o.Append == nil {
		t.Error("an append of no version has become one of all")
	}
}

// crossed are the options as a gateway gets them through its socket.
func crossed(t *testing.T, o gateway.RestoreOptions) gateway.RestoreOptions {
	t.Helper()
	sent, err := restoreToArgs("s", nil, o)
	must(t, err)
	text, err := json.Marshal(sent)
	must(t, err)
	var got restoreArgs
	must(t, json.Unmarshal(text, &got))
	return got.options()
}

// TestSweepTellsBoth: what was purged comes beside the error.
func TestSweepTellsBoth(t *testing.T) {
	t.Parallel()
	me := access.Local(currentUser(t)).ID
	everything := []string{"*"}
	w := newWorld(
		t,
		access.Rule{Callers: []string{"local:nobody"}, Allow: everything, Stores: everything, Names: everything},
		access.Rule{Callers: []string{me}, Allow: []string{"list"}, Stores: everything, Names: everything},
		access.Rule{Callers: []string{me}, Allow: []string{"purge"}, Stores: everything, Names: []string{"a"}},
	)
	for _, name := range []secret.Name{"a", "b"} {
		w.put(t, "main", name, secret.TextValue("hush"))
		_, err := w.Delete(t.Context(), call("test"), gateway.Ref{Store: "main", Name: name})
		must(t, err)
	}
	w.clock = w.clock.AddDate(0, 0, 100)
	would, err := w.client.Sweep(t.Context(), call("sweep"), "main", true)
	if err != nil || !slices.Equal(would.Names, []secret.Name{"a", "b"}) {
		t.Errorf("would purge %v, %v", would, err)
	}
	gone, err := w.client.Sweep(t.Context(), call("sweep"), "main", false)
	if !errors.Is(err, secret.Denied) || !slices.Equal(gone.Names, []secret.Name{"a"}) {
		t.Errorf("purged %v, %v", gone, err)
	}
}

func currentUser(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	must(t, err)
	return u.Username
}

// TestCallerIsThePeer: the audit names who is at the other end, whatever that
// one says, and the policy is asked about that one.
func TestCallerIsThePeer(t *testing.T) {
	t.Parallel()
	me := access.Local(currentUser(t)).ID
	w := newWorld(t, access.Rule{Callers: []string{"local:nobody"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}})
	w.put(t, "main", "db", secret.TextValue("hush"))
	_, err := w.client.Describe(t.Context(), call("show"), gateway.Ref{Store: "main", Name: "db"})
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || e.Kind != secret.Denied || e.Name != "db" || e.Detail == "" {
		t.Errorf("by another's rule: %v", err)
	}
	if _, err := w.client.Verify(t.Context(), call("store.check"), "main"); !errors.Is(err, secret.Denied) {
		t.Errorf("the whole store: %v", err)
	}
	if err := w.client.Snapshot(t.Context(), call("store.backup"), "main", io.Discard); !errors.Is(err, secret.Denied) {
		t.Errorf("a copy of it: %v", err)
	}
	for _, want := range []string{
		`"request_id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","caller":"` + me + `","via":"cli","op":"cli.show"`,
		`"op":"cli.store.check"`, `"op":"cli.store.backup"`,
	} {
		if !strings.Contains(w.audited(t), want) {
			t.Errorf("the audit does not say %s", want)
		}
	}
}

// TestErrorsCross: kind, name, detail and cause, and no more.
func TestErrorsCross(t *testing.T) {
	t.Parallel()
	for _, k := range secret.Kinds() {
		err := failureOf(&secret.Error{
			Kind: k, Op: "hashivault.put", Name: "n", Detail: "d", RetryAfter: 3 * time.Second,
			Err: &secret.Error{Kind: secret.Conflict, Op: "inner", Detail: "why", Err: errors.New("EOF")},
		}).err()
		e, ok := errors.AsType[*secret.Error](err)
		if !ok || e.Kind != k || e.Name != "n" || e.Detail != "d" || e.RetryAfter != 3*time.Second || secret.Explain(err) != "d: why: EOF" {
			t.Errorf("%v: %#v", k, err)
		}
	}
	if err := failureOf(errors.New("plain")).err(); secret.KindOf(err) != secret.Internal || !strings.Contains(err.Error(), "plain") {
		t.Errorf("of no kind: %v", err)
	}
	if err := (*failure)(nil).err(); err != nil {
		t.Errorf("no failure: %v", err)
	}
}

// TestConnect: who is there, who is not, and who says nothing.
func TestConnect(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	if _, err := Connect(t.Context(), filepath.Join(dir, "none.sock")); !errors.Is(err, ErrNobody) {
		t.Errorf("no socket: %v", err)
	}
	stale(t, filepath.Join(dir, "stale.sock"))
	if _, err := Connect(t.Context(), filepath.Join(dir, "stale.sock")); !errors.Is(err, ErrNobody) {
		t.Errorf("a stale one: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	if _, err := Connect(t.Context(), filepath.Join(dir, "file")); !errors.Is(err, ErrNobody) {
		t.Errorf("a file: %v", err)
	}
	silent, err := net.Listen("unix", filepath.Join(dir, "silent.sock"))
	must(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	if _, err := Connect(t.Context(), filepath.Join(dir, "silent.sock")); !errors.Is(err, secret.Unavailable) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a silent one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Connect(ctx, filepath.Join(dir, "silent.sock")); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
