package azurekv

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// Answers of a vault to requests for the secret s.
const (
	facts   = `"id":"https://v.vault.example/secrets/s/0123","attributes":{"enabled":true,"created":1700000000,"updated":1700000000,"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90}}`
	live    = `{` + facts
	dead    = `{"recoveryId":"https://v.vault.example/deletedsecrets/s","deletedDate":1700000100,"scheduledPurgeDate":1707776100,` + facts
	absent  = `{"error":{"code":"SecretNotFound","message":"vendor text"}}`
	listed1 = `{"value":[` + live + `],"nextLink":null}`
	listed0 = `{"value":[],"nextLink":null}`
)

func conflict(inner string) http.HandlerFunc {
	return reply(409, `{"error":{"code":"Conflict","message":"vendor text","innererror":{"code":"`+inner+`"}}}`)
}

// scripted is a vault that gives the answers to each request in turn, the last
// of them for ever, and counts the requests.
type scripted struct {
	mu      sync.Mutex
	answers map[string][]http.HandlerFunc
	asked   map[string]int
}

func script(t *testing.T, answers map[string][]http.HandlerFunc) (*Backend, *scripted) {
	t.Helper()
	s := &scripted{answers: answers, asked: map[string]int{}}
	answer := challenged("https://vault.example", func(w http.ResponseWriter, r *http.Request) {
		h := s.next(r.Method + " " + r.URL.Path)
		if h == nil {
			t.Errorf("%s %s is not in the script", r.Method, r.URL.Path)
			h = reply(http.StatusTeapot, "")
		}
		h(w, r)
	})
	return serveOn(t, httptest.NewUnstartedServer(answer), newMemoryNet(), []string{"v.vault.example"}), s
}

func (s *scripted) next(request string) http.HandlerFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.answers[request]
	if all == nil {
		return nil
	}
	s.asked[request]++
	return all[min(s.asked[request], len(all))-1]
}

func (s *scripted) count(request string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[request]
}

const (
	getVersions = "GET /secrets/s/versions"
	getTrash    = "GET /deletedsecrets/s"
	doDelete    = "DELETE /secrets/s"
	doPurge     = "DELETE /deletedsecrets/s"
	doRecover   = "POST /deletedsecrets/s/recover"
	doSet       = "PUT /secrets/s"
	doUpdate    = "PATCH /secrets/s/0123"
)

// brief is a patience that ends within a test. Tests that wait for its end do so in a
// bubble, where it takes no time and what comes before it does not use it up.
const brief = 2 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestDeleteShowsLater: who deletes waits until the trash shows it, as long as
// there is patience, and is told the vault's own dates.
func TestDeleteShowsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for what, c := range map[string]struct {
			patience time.Duration // zero: no deadline
			shown    []http.HandlerFunc
			looks    int
		}{
			"shows with the third look": {time.Minute, []http.HandlerFunc{reply(404, absent), reply(404, absent), reply(200, dead)}, 3},
			"may not look":              {time.Minute, []http.HandlerFunc{reply(403, `{"error":{"code":"Forbidden"}}`)}, 1},
			"never shows":               {brief, []http.HandlerFunc{reply(404, absent)}, 0},
			"no deadline":               {0, []http.HandlerFunc{reply(404, absent)}, 1},
		} {
			b, vault := script(t, map[string][]http.HandlerFunc{
				getVersions: {reply(200, listed1)}, doDelete: {reply(200, dead)}, getTrash: c.shown,
			})
			ctx := t.Context()
			if c.patience != 0 {
				ctx = within(t, c.patience)
			}
			s, err := b.Delete(ctx, "s", time.Unix(1, 0))
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			if len(s.Versions) != 1 || !s.Deleted.At.Equal(time.Unix(1700000100, 0)) || !s.Deleted.Purge.Equal(time.Unix(1707776100, 0)) {
				t.Errorf("%s: %d versions, or other dates than the vault's", what, len(s.Versions))
			}
			if n := vault.count(getTrash); n != c.looks && c.looks != 0 {
				t.Errorf("%s: %d looks, want %d", what, n, c.looks)
			}
			if n := vault.count(doDelete); n != 1 {
				t.Errorf("%s: deleted %d times", what, n)
			}
		}
	})
}

// TestNoSoftDelete: a vault that would destroy the secret is not asked to.
func TestNoSoftDelete(t *testing.T) {
	t.Parallel()
	const hard = `{"value":[{"id":"https://v.vault.example/secrets/s/0123","attributes":{"enabled":true,"created":1,"recoveryLevel":"Purgeable"}}],"nextLink":null}`
	b, _ := script(t, map[string][]http.HandlerFunc{getVersions: {reply(200, hard)}})
	_, err := b.Delete(t.Context(), "s", time.Time{})
	wantKind(t, "Delete without soft delete", err, secret.Unsupported)
}

// TestRecoverShowsLater: who recovers can read when it returns, or is told
// that it is not known.
func TestRecoverShowsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, vault := script(t, map[string][]http.HandlerFunc{
			doRecover:   {conflict("ObjectIsBeingDeleted"), conflict("ObjectIsBeingRecovered"), reply(200, live)},
			getVersions: {reply(404, absent), reply(200, listed0), reply(429, ""), reply(503, ""), reply(200, listed1)},
		})
		s, err := b.Recover(within(t, time.Minute), "s")
		if err != nil || len(s.Versions) != 1 || s.Deleted != nil {
			t.Fatalf("Recover: %v", err)
		}
		if r, v := vault.count(doRecover), vault.count(getVersions); r != 3 || v != 5 {
			t.Errorf("%d recoveries and %d looks, want 3 and 5", r, v)
		}
		b, _ = script(t, map[string][]http.HandlerFunc{doRecover: {reply(200, live)}, getVersions: {reply(404, absent)}})
		_, err = b.Recover(within(t, brief), "s")
		wantKind(t, "a recovery that does not show", err, secret.Unknown)
		b, _ = script(t, map[string][]http.HandlerFunc{doRecover: {reply(200, live)}, getVersions: {reply(403, `{"error":{"code":"Forbidden"}}`)}})
		_, err = b.Recover(within(t, time.Minute), "s")
		wantKind(t, "a recovery that nobody may see", err, secret.Unknown)
		b, _ = script(t, map[string][]http.HandlerFunc{doRecover: {reply(404, absent)}})
		_, err = b.Recover(t.Context(), "s")
		wantKind(t, "Recover of what is not in the trash", err, secret.NotFound)
	})
}

// TestBusyVault: a write that the vault refuses for a while is made again as
// long as there is patience, and is a Conflict then.
func TestBusyVault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const set = `{"value":"x",` + facts
		calls := map[string]func(context.Context, *Backend) error{
			doSet: func(ctx context.Context, b *Backend) error {
				_, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("x")})
				return err
			},
			doUpdate: func(ctx context.Context, b *Backend) error {
				_, err := b.Update(ctx, "s", secret.Current, secret.Patch{ContentType: new("x")})
				return err
			},
			doRecover: func(ctx context.Context, b *Backend) error { _, err := b.Recover(ctx, "s"); return err },
			doRestore: func(ctx context.Context, b *Backend) error {
				_, err := b.RestoreNative(ctx, []byte(nativePrefix))
				return err
			},
			doPurge:  func(ctx context.Context, b *Backend) error { return b.Purge(ctx, "s") },
			doDelete: func(ctx context.Context, b *Backend) error { _, err := b.Delete(ctx, "s", time.Time{}); return err },
		}
		for request, call := range calls {
			done, shown, trash := reply(200, live), reply(200, listed1), reply(404, absent)
			switch request {
			case doSet:
				done, shown = reply(200, set), reply(200, listed0)
			case doPurge:
				done, shown = reply(204, ""), reply(200, listed0)
			case doDelete:
				done, trash = reply(200, dead), reply(200, dead)
			}
			b, vault := script(t, map[string][]http.HandlerFunc{
				getVersions: {shown}, getTrash: {trash}, request: {conflict("ObjectIsBeingDeleted"), conflict("ObjectIsBeingRecovered"), done},
			})
			if err := call(within(t, time.Minute), b); err != nil || vault.count(request) != 3 {
				t.Errorf("%s: %v after %d tries", request, err, vault.count(request))
			}
			b, vault = script(t, map[string][]http.HandlerFunc{getVersions: {shown}, getTrash: {trash}, request: {conflict("ObjectIsBeingDeleted")}})
			wantKind(t, request+" of a vault that stays busy", call(within(t, brief), b), secret.Conflict)
			if n := vault.count(request); n < 2 {
				t.Errorf("%s: tried %d times", request, n)
			}
			ctx, cancel := context.WithCancel(within(t, time.Minute))
			b, _ = script(t, map[string][]http.HandlerFunc{getVersions: {shown}, getTrash: {trash}, request: {conflict("ObjectIsBeingDeleted"), func(w http.ResponseWriter, r *http.Request) {
				conflict("ObjectIsBeingDeleted")(w, r)
				cancel()
			}}})
			if err := call(ctx, b); !errors.Is(err, context.Canceled) || secret.KindOf(err) == secret.Conflict {
				t.Errorf("%s for a caller who has gone: %v", request, err)
			}
		}
	})
}

// TestSetWhileDeleting: a deletion that is done while a write waits for it is
// what the write is told of.
func TestSetWhileDeleting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, vault := script(t, map[string][]http.HandlerFunc{
			getVersions: {reply(200, listed0)}, getTrash: {reply(404, absent)},
			doSet: {conflict("ObjectIsBeingDeleted"), conflict("ObjectIsDeletedButRecoverable")},
		})
		_, err := b.Put(within(t, time.Minute), "s", secret.Draft{Value: secret.TextValue("x")})
		wantKind(t, "a write while the name is being deleted", err, secret.Trashed)
		if n := vault.count(doSet); n != 2 {
			t.Errorf("%d writes, want 2", n)
		}
	})
}

// TestPurgeShowsLater: who purges waits until the trash shows the name no more,
// as long as there is patience; it is done either way.
func TestPurgeShowsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for what, c := range map[string]struct {
			patience time.Duration
			shown    []http.HandlerFunc
			looks    int // zero: some
		}{
			"gone with the third look": {time.Minute, []http.HandlerFunc{reply(200, dead), reply(200, dead), reply(404, absent)}, 3},
			"may not look":             {time.Minute, []http.HandlerFunc{reply(403, `{"error":{"code":"Forbidden"}}`)}, 1},
			"stays":                    {brief, []http.HandlerFunc{reply(200, dead)}, 0},
		} {
			b, vault := script(t, map[string][]http.HandlerFunc{doPurge: {reply(204, "")}, getTrash: c.shown})
			if err := b.Purge(within(t, c.patience), "s"); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if n := vault.count(getTrash); (c.looks != 0 && n != c.looks) || n == 0 || vault.count(doPurge) != 1 {
				t.Errorf("%s: %d looks, want %d", what, n, c.looks)
			}
		}
	})
}

// TestPurgeProtection is told from a permission that the gateway lacks, in the
// word that the dialects know.
func TestPurgeProtection(t *testing.T) {
	t.Parallel()
	forbidden := reply(403, `{"error":{"code":"Forbidden","message":"vendor text","innererror":{"code":"ForbiddenByPolicy"}}}`)
	const protected = `{"deletedDate":1700000100,"id":"https://v.vault.example/secrets/s/0123","attributes":{"created":1,"recoveryLevel":"CustomizedRecoverable"}}`
	for trash, want := range map[string]secret.Kind{dead: secret.Upstream, protected: secret.Denied} {
		b, _ := script(t, map[string][]http.HandlerFunc{doPurge: {forbidden}, getTrash: {reply(200, trash)}})
		err := b.Purge(t.Context(), "s")
		wantKind(t, "a purge that is forbidden", err, want)
		if want == secret.Denied && secret.DetailOf(err) != gateway.PurgeProtected {
			t.Errorf("the detail is %q", secret.DetailOf(err))
		}
	}
}

// TestTornDelete: an answer that does not come leaves the outcome unknown, and
// one that says nothing was done does not.
func TestTornDelete(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]secret.Kind{500: secret.Unknown, 503: secret.Unknown, 429: secret.Throttled, 403: secret.Upstream, 404: secret.NotFound, 200: secret.Unknown} {
		b, _ := script(t, map[string][]http.HandlerFunc{
			getVersions: {reply(200, listed1)}, doDelete: {reply(status, "{}")}, doRecover: {reply(status, "{}")}, getTrash: {reply(404, absent)},
		})
		_, err := b.Delete(t.Context(), "s", time.Time{})
		wantKind(t, "Delete", err, want)
		checkText(t, err)
		_, err = b.Recover(t.Context(), "s")
		wantKind(t, "Recover", err, want)
	}
}

// TestRecordedTrash: the life of a secret as the service told it, deleted and
// not yet shown, shown, purged.
func TestRecordedTrash(t *testing.T) {
	t.Parallel()
	const wire = "secret518723441"
	b, answer := recorded(t, "fakevault.local", "https://local", 14, 15, 16, 18, 634)
	ctx := t.Context()
	it, err := b.client.update(ctx, wire, wire, "d0215295974a4da8ab877cb69fefd5ec", azsecrets.UpdateSecretPropertiesParameters{})
	if err != nil || !it.expires.Equal(time.Unix(2208992461, 0)) || it.contentType != "big secret" {
		t.Errorf("the answer to an update is not understood: %v", err)
	}
	gone, err := b.client.remove(ctx, wire, wire)
	if err != nil || gone.unrecoverable || !gone.deleted.At.Equal(time.Unix(1680047573, 0)) || !gone.deleted.Purge.Equal(time.Unix(1680652373, 0)) {
		t.Fatalf("the answer to a deletion is not understood: %v", err)
	}
	_, err = b.DescribeTrash(ctx, wire)
	wantKind(t, "not shown yet", err, secret.NotFound)
	answer("GET", "/deletedsecrets/"+wire, 17)
	s, err := b.DescribeTrash(ctx, wire)
	if err != nil || len(s.Versions) != 1 || s.Versions[0].ContentType != "big secret" || !s.Deleted.At.Equal(gone.deleted.At) {
		t.Errorf("a deleted secret is not understood: %v", err)
	}
	if err := b.client.purge(ctx, wire, wire); err != nil {
		t.Error(err)
	}
	_, err = b.client.recover(ctx, "s", "non-existing")
	wantKind(t, "recovered from nothing", err, secret.NotFound)
	b, _ = recorded(t, "fakevault.local", "https://local", 59)
	if it, err := b.client.recover(ctx, "s", "secret422508987"); err != nil || it.id == "" || it.deleted != nil {
		t.Errorf("the answer to a recovery is not understood: %v", err)
	}
	b, _ = recorded(t, "fakekvurl.vault.azure.net", "https://vault.azure.net", 256)
	items, err := b.client.trash(ctx)
	if err != nil || len(items) != 2 || items[0].deleted == nil || items[0].id != "" {
		t.Errorf("a list of %d deleted secrets is not understood: %v", len(items), err)
	}
}
