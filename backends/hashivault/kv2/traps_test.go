package kv2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestTraps takes the traps of KV v2 by the numbers of the wire reference's
// sections. Paths (2.1) and sizes (2.7) are TestTraversal and TestTooLarge;
// tokens and logins (2.10) are TestAppRoleOutlivesTokens, TestFixedTokenIsRenewed
// and TestTokenOfFewUses.
func TestTraps(t *testing.T) {
	for name, run := range map[string]func(*testing.T, *fixture){
		"2.2 keys without a version are listed": trapEmptyKeys, "2.3 data may be null": trapNull, "2.3 numbers are float64": trapNumbers,
		"2.4 max_versions lowered": trapLowered, "2.4 max_versions wraps around": trapWrapped, "2.4 the mount's max_versions": trapMountMax,
		"2.5 custom_metadata is full": trapFull, "2.6 cas_required": trapCasRequired, "2.6 cas on a deleted key": trapCasDeleted,
		"2.6 delete_version_after": trapDeleteAfter, "2.6 undelete re-arms delete_version_after": trapRearm,
		"2.6 destroyed versions stay so": trapDestroyed, "2.8 nested mounts": trapNested, "2.9 answers": trapAnswers,
	} {
		t.Run(name, func(t *testing.T) { run(t, newFixture(t)) })
	}
}

func trapEmptyKeys(t *testing.T, f *fixture) {
	f.nativeWrite(t, "metadata/empty", map[string]any{"max_versions": 5})
	f.nativePut(t, "gone", map[string]any{"value": "x"})
	if err := f.kv.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	p, err := f.List(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 0 {
		t.Errorf("List shows %d secrets of which a Get finds nothing: %v", len(p.Secrets), err)
	}
	if gone, err := f.Describe(t.Context(), "gone"); err != nil || gone.Versions[0].Missing != secret.Deleted {
		t.Errorf("Describe: %v", err)
	}
	if _, err := f.Get(t.Context(), "empty", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get of a key without a version: %v", err)
	}
	d := kvtest.Text("x")
	d.OnlyIfAbsent = true
	if v := f.mustPut(t, "empty", d); v.Ordinal != 1 {
		t.Errorf("the first version is %d", v.Ordinal)
	}
}

func trapNull(t *testing.T, f *fixture) {
	f.nativeWrite(t, "data/s", map[string]any{"data": nil})
	if v := f.mustGet(t, "s", secret.Current).Versions[0]; v.Missing != "" || !v.Value.Equal(secret.FieldsValue([]byte("{}"))) {
		t.Errorf("null reads as %v, missing %q", v.Value.Form(), v.Missing)
	}
}

// trapNumbers: what the product made of a number is what everybody reads, to
// the digit.
func trapNumbers(t *testing.T, f *fixture) {
	raw := []byte(`{"data":{"big":9007199254740993,"exact":9007199254740992,"one":1.0}}`)
	if _, err := f.native.Logical().WriteBytes(f.conf.Mount+"/data/s", raw); err != nil {
		t.Fatal(err)
	}
	want := secret.FieldsValue([]byte(`{"big":9007199254740992,"exact":9007199254740992,"one":1}`))
	if v := f.mustGet(t, "s", secret.Current).Versions[0]; !v.Value.Equal(want) {
		t.Errorf("the numbers read otherwise, in %d bytes", v.Value.Len())
	}
	ours := secret.FieldsValue([]byte(`{"big":9007199254740993,"one":1.0}`))
	f.mustPut(t, "s", secret.Draft{Value: ours})
	if v := f.mustGet(t, "s", secret.Current).Versions[0]; !v.Value.Equal(ours) {
		t.Errorf("our numbers come back otherwise, in %d bytes", v.Value.Len())
	}
}

// trapLowered: native tools set a limit below what is there; the next write of
// ours keeps to it, and tells before what it pushes out.
func trapLowered(t *testing.T, f *fixture) {
	for i := range 12 {
		f.mustPut(t, "s", kvtest.Text(fmt.Sprint(i)))
	}
	f.nativeWrite(t, "metadata/s", map[string]any{"max_versions": 3})
	var told []secret.Ordinal
	tell := func(_ context.Context, gone []secret.Ordinal) error {
		if n := len(f.mustExport(t, "s").Versions); n != 12 {
			t.Errorf("%d versions stand when it is told what goes", n)
		}
		told = gone
		return nil
	}
	if _, err := f.PutDisplacing(t.Context(), "s", kvtest.Text("12"), tell); err != nil {
		t.Fatal(err)
	}
	if got := f.mustExport(t, "s"); len(got.Versions) != 3 || got.Versions[0].Ordinal != 11 || len(told) != 10 || told[9] != 10 {
		t.Errorf("%d versions are kept of 13, and %d were told to go", len(got.Versions), told)
	}
}

func trapWrapped(t *testing.T, f *fixture) {
	for _, limit := range []int64{-1, 1 << 32, 1<<32 + 5} { // to the most, to none, and to 5
		kept := map[int64]int{1<<32 + 5: 5}
		if kept[limit] == 0 {
			kept[limit] = 12
		}
		name := fmt.Sprint("s", limit)
		f.nativeWrite(t, "metadata/"+name, map[string]any{"max_versions": limit})
		for i := range 12 {
			f.mustPut(t, secret.Name(name), kvtest.Text(fmt.Sprint(i)))
		}
		if n := len(f.mustExport(t, secret.Name(name)).Versions); n != kept[limit] {
			t.Errorf("max_versions %d: %d versions are kept of 12, want %d", limit, n, kept[limit])
		}
	}
}

func trapMountMax(t *testing.T, f *fixture) {
	f.nativeWrite(t, "config", map[string]any{"max_versions": 4})
	s := kvtest.Many("s", 12, "x")
	if _, err := f.Import(t.Context(), s, "token"); err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, s, f.mustExport(t, "s"), nil)
}

// trapFull: other tools use all of custom_metadata; ours finds its place, and
// theirs stays.
func trapFull(t *testing.T, f *fixture) {
	for _, n := range []int{maxKeys, 60, 64} {
		name, theirs := fmt.Sprint("s", n), map[string]any{}
		for i := range n {
			theirs[fmt.Sprint("theirs-", i)] = strings.Repeat("v", maxEntry)
		}
		f.nativePut(t, name, map[string]any{"value": "x"})
		f.nativeWrite(t, "metadata/"+name, map[string]any{"custom_metadata": theirs})
		d := secret.Draft{Value: secret.TextValue("canary-y"), Disabled: true, Tags: map[string]string{"a": "b"}, Stages: []string{"blue"}}
		f.mustPut(t, secret.Name(name), d)
		if v := f.mustGet(t, secret.Name(name), secret.Current).Versions[0]; !v.Disabled || v.Tags["a"] != "b" || len(v.Stages) != 1 {
			t.Errorf("beside %d keys the attributes did not come back", n)
		}
		m, err := f.kv.GetMetadata(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		most := max(64, n+1) // the head lies nowhere else, and a PATCH counts only what it brings
		if len(m.CustomMetadata) > most {
			t.Errorf("beside %d keys there are %d, want %d at most", n, len(m.CustomMetadata), most)
		}
		for k := range theirs {
			if m.CustomMetadata[k] != theirs[k] {
				t.Errorf("beside %d keys, %s is another", n, k)
			}
		}
	}
}

func trapCasRequired(t *testing.T, f *fixture) {
	f.nativeWrite(t, "config", map[string]any{"cas_required": true})
	s := kvtest.Many("s", 70, strings.Repeat("t", 600)) // with a companion
	f.moved(t, s)
	f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("x"), Disabled: true, Tags: map[string]string{"long": strings.Repeat("t", 600)}})
	if _, err := f.Delete(t.Context(), "s", time.Now().Add(time.Hour)); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, err := f.Recover(t.Context(), "s"); err != nil {
		t.Errorf("Recover: %v", err)
	}
}

func trapCasDeleted(t *testing.T, f *fixture) {
	f.nativePut(t, "s", map[string]any{"value": "x"})
	f.nativePut(t, "s", map[string]any{"value": "y"})
	if err := f.kv.Delete(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if v := f.mustPut(t, "s", kvtest.Text("z")); v.Ordinal != 3 {
		t.Errorf("the version after a deleted one is %d", v.Ordinal)
	}
	if got := f.mustExport(t, "s"); got.Current != 3 || got.Previous != 2 || got.Versions[1].Missing != secret.Deleted {
		t.Errorf("current %d, previous %d, missing %q", got.Current, got.Previous, got.Versions[1].Missing)
	}
}

// trapDeleteAfter: a deletion_time in the future is none yet.
func trapDeleteAfter(t *testing.T, f *fixture) {
	f.nativeWrite(t, "config", map[string]any{"delete_version_after": "1h"})
	f.mustPut(t, "s", kvtest.Text("x"))
	if v := f.mustGet(t, "s", secret.Current).Versions[0]; v.Missing != "" || v.Value.IsNone() {
		t.Errorf("before its time the version is missing %q", v.Missing)
	}
	f.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if s, err := f.Describe(t.Context(), "s"); err != nil || s.Versions[0].Missing != secret.Deleted {
		t.Errorf("after its time the version is there: %v", err)
	}
}

// trapRearm: what comes back from the trash has a new end, as natively, and is
// there until then.
func trapRearm(t *testing.T, f *fixture) {
	f.nativeWrite(t, "config", map[string]any{"delete_version_after": "1h"})
	f.mustPut(t, "s", kvtest.Text("canary-x"))
	if _, err := f.Delete(t.Context(), "s", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Recover(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if v := f.mustGet(t, "s", secret.Current).Versions[0]; v.Missing != "" || v.Value.Len() != len("canary-x") {
		t.Errorf("the version is missing %q", v.Missing)
	}
}

func trapDestroyed(t *testing.T, f *fixture) {
	f.mustPut(t, "s", kvtest.Text("x"))
	f.mustPut(t, "s", kvtest.Text("y"))
	if err := f.kv.Destroy(t.Context(), "s", []int{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Delete(t.Context(), "s", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	s, err := f.Recover(t.Context(), "s")
	if err != nil || s.Versions[0].Missing != secret.Destroyed || s.Versions[1].Missing != "" {
		t.Errorf("Recover: %v", err)
	}
}

func trapNested(t *testing.T, f *fixture) {
	f.conf.Mount = "team/app/" + f.conf.Mount
	if err := f.native.Sys().Mount(f.conf.Mount, &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}); err != nil {
		t.Fatal(err)
	}
	s := f.open(t, nil)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	if _, err := s.Put(t.Context(), "a/b", kvtest.Text("x")); err != nil {
		t.Errorf("Put: %v", err)
	}
	if p, err := s.List(t.Context(), secret.Query{}); err != nil || len(p.Secrets) != 1 {
		t.Errorf("List shows %d secrets: %v", len(p.Secrets), err)
	}
}

// trapAnswers scripts what the server of the tests does not say: each answer
// has its kind, for what reads and for what writes, and none is repeated here.
func trapAnswers(t *testing.T, f *fixture) {
	var status, requests atomic.Int64
	var message atomic.Value
	f.conf.Address = kvtest.Front(t, f.server.Address, func(w http.ResponseWriter, _ *http.Request) bool {
		requests.Add(1)
		w.WriteHeader(int(status.Load()))
		_, _ = fmt.Fprintf(w, `{"errors":[%q]}`, message.Load())
		return true
	})
	s := f.open(t, nil)
	for _, c := range []struct {
		status        int64
		message       string
		reads, writes secret.Kind
	}{
		{http.StatusBadRequest, "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period", secret.Unavailable, secret.Unavailable},
		{http.StatusBadRequest, "check-and-set parameter did not match the current version", secret.Conflict, secret.Conflict},
		{http.StatusBadRequest, "no data provided", secret.Internal, secret.Internal},
		{http.StatusForbidden, "1 error occurred: permission denied", secret.Upstream, secret.Upstream},
		{http.StatusMethodNotAllowed, "unsupported operation", secret.Unsupported, secret.Unsupported},
		{http.StatusPreconditionFailed, "required index state not present", secret.Unavailable, secret.Unavailable},
		{http.StatusRequestEntityTooLarge, "http: request body too large", secret.TooLarge, secret.TooLarge},
		{http.StatusTooManyRequests, "request path \"x\": rate limit quota exceeded", secret.Throttled, secret.Throttled},
		{472, "", secret.Unavailable, secret.Unavailable},
		{473, "", secret.Unavailable, secret.Unavailable},
		{http.StatusInternalServerError, "internal error", secret.Unavailable, secret.Unknown},
		{http.StatusInternalServerError, "JSON string value exceeds allowed length", secret.TooLarge, secret.TooLarge},
		{http.StatusInternalServerError, "local node not active but active cluster node not found", secret.Unavailable, secret.Unavailable},
		{http.StatusBadGateway, "upstream", secret.Unavailable, secret.Unknown},
		{http.StatusServiceUnavailable, "Vault is sealed", secret.Unavailable, secret.Unavailable},
		{http.StatusServiceUnavailable, "overloaded", secret.Unavailable, secret.Unknown},
	} {
		status.Store(c.status)
		message.Store(c.message)
		requests.Store(0)
		var out map[string]any
		read := s.Read(t.Context(), "/x", nil, &out)
		write := s.Write(t.Context(), "/x", []byte("{}"), nil)
		want := int64(2)
		if c.status == http.StatusForbidden { // each asks whether the token is dead
			want = 4
		}
		if secret.KindOf(read) != c.reads || secret.KindOf(write) != c.writes || requests.Load() != want {
			t.Errorf("%d %q: %v; %v, in %d requests", c.status, c.message, read, write, requests.Load())
		}
	}
}
