package azurekv

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

var (
	errBefore = errors.New("fails before it is sent")
	errAfter  = errors.New("the answer is lost")
)

// breaker fails one write: the one with this number, counted from one.
type breaker struct {
	next   http.RoundTripper
	at     atomic.Int64
	before bool
}

func (b *breaker) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPut || r.Header.Get("Authorization") == "" || b.at.Add(-1) != 0 {
		return b.next.RoundTrip(r)
	}
	if b.before {
		_ = r.Body.Close()
		return nil, errBefore
	}
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	return nil, errAfter
}

// TestImportInterrupted: whichever write fails, and however, the import says
// what stands, nobody lists it, and the second try completes exactly.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for _, before := range []bool{true, false} {
		br := &breaker{before: before}
		b := open(t, g, func(c *Config) {
			c.wrap = func(next http.RoundTripper) http.RoundTripper { br.next = next; return br }
		})
		if err := b.Check(t.Context()); err != nil { // the challenge is over
			t.Fatal(err)
		}
		const writes = 11 // the sample's versions that have a value
		for k := 1; k <= writes; k++ {
			s := backendtest.Sample(secret.Name(fmt.Sprintf("s-%v-%d", before, k)))
			br.at.Store(int64(k))
			interrupted(t, b, s, k, before, k == writes)
		}
	}
}

func interrupted(t *testing.T, b *Backend, s *secret.Secret, k int, before, last bool) {
	t.Helper()
	done, err := b.Import(t.Context(), s, "token")
	switch kind := secret.KindOf(err); {
	case err == nil:
		t.Fatalf("write %d did not fail", k)
	case before && k == 1:
		if kind != secret.Unavailable || done != nil {
			t.Errorf("nothing was written, and the error is: %v", err)
		}
	case before && kind != secret.Partial, !before && kind != secret.Unknown:
		t.Errorf("write %d failed: %v", k, err)
	case len(done.Stands) != k-1 || done.Secret != nil:
		t.Errorf("write %d failed and %d versions are said to stand", k, len(done.Stands))
	}
	page, err := b.List(t.Context(), secret.Query{})
	if err != nil {
		t.Fatal(err)
	}
	complete := last && !before // only the answer was lost
	if listed := slices.ContainsFunc(page.Secrets, func(l *secret.Secret) bool { return l.Name == s.Name }); listed != complete {
		t.Errorf("after write %d the secret is listed: %v", k, listed)
	}
	if k > 1 || !before {
		_, err := b.Import(t.Context(), s, "other")
		wantKind(t, "another import", err, secret.AlreadyExists)
	}
	if _, err := b.Import(t.Context(), s, "token"); complete != errors.Is(err, secret.AlreadyExists) || (!complete && err != nil) {
		t.Errorf("the second try after write %d: %v", k, err)
	}
	got, err := b.Export(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, s, got, b.Forecast(s))
}

// TestImportIntruded: what this import has not written, it neither adds to nor
// takes for its own: a secret of native tools, one that they wrote into midway,
// and one of another document under the same token.
func TestImportIntruded(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	br := &breaker{before: true}
	b := open(t, g, func(c *Config) {
		c.wrap = func(next http.RoundTripper) http.RoundTripper { br.next = next; return br }
	})
	native := func(t *testing.T) {
		t.Helper()
		if _, err := b.client.sdk.SetSecret(t.Context(), "s", azsecrets.SetSecretParameters{Value: new("canary-native")}, nil); err != nil {
			t.Fatal(err)
		}
	}
	half := func(t *testing.T, s *secret.Secret) {
		t.Helper()
		br.at.Store(4)
		if _, err := b.Import(t.Context(), s, "token"); !errors.Is(err, secret.Partial) {
			t.Fatalf("the cut import: %v", err)
		}
	}
	if err := b.Check(t.Context()); err != nil { // the challenge is over
		t.Fatal(err)
	}
	for what, stands := range map[string]func(t *testing.T){
		"a native secret":          native,
		"a native write midway":    func(t *testing.T) { half(t, backendtest.Sample("s")); native(t) },
		"another document's start": func(t *testing.T) { half(t, plain(1, 2, 3, 4, 5)) },
	} {
		t.Run(what, func(t *testing.T) {
			stands(t)
			before := nativeVersions(t, b)
			for _, token := range []string{"token", ""} {
				done, err := b.Import(t.Context(), backendtest.Sample("s"), token)
				wantKind(t, "the import", err, secret.AlreadyExists)
				if done != nil || !slices.Equal(nativeVersions(t, b), before) {
					t.Error("it wrote something, or says so")
				}
			}
			if _, err := b.Delete(t.Context(), "s", time.Time{}); err != nil {
				t.Fatal(err)
			}
			if err := b.Purge(t.Context(), "s"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// nativeVersions are the product's own ids of the secret "s", sorted.
func nativeVersions(t *testing.T, b *Backend) []string {
	t.Helper()
	items, err := b.client.versions(t.Context(), "s", "s", nothing)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, it := range items {
		out = append(out, it.id)
	}
	slices.Sort(out)
	return out
}

// TestPutUnknown: a write whose answer is lost is unknown, one that was never
// sent is unavailable.
func TestPutUnknown(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for want, before := range map[secret.Kind]bool{secret.Unavailable: true, secret.Unknown: false} {
		br := &breaker{before: before}
		b := open(t, g, func(c *Config) {
			c.wrap = func(next http.RoundTripper) http.RoundTripper { br.next = next; return br }
		})
		br.at.Store(1)
		_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("canary-x")})
		wantKind(t, "Put", err, want)
		if strings.Contains(err.Error(), "canary") {
			t.Error("the error holds the value")
		}
	}
}

// TestAnswers: what each answer of the vault becomes, for a read and a write.
func TestAnswers(t *testing.T) {
	t.Parallel()
	body := func(code, inner string) string {
		return `{"error":{"code":"` + code + `","message":"vendor text canary-message","innererror":{"code":"` + inner + `"}}}`
	}
	for _, c := range []struct {
		status      int
		body        string
		header      string
		read, write secret.Kind
	}{
		{400, body("BadParameter", ""), "", secret.Invalid, secret.Invalid},
		{401, body("Unauthorized", ""), "", secret.Upstream, secret.Upstream},
		{403, body("Forbidden", "AccessDenied"), "", secret.Upstream, secret.Upstream},
		{403, body("Forbidden", "ForbiddenByRbac"), "", secret.Upstream, secret.Upstream},
		{404, body("SecretNotFound", ""), "", secret.NotFound, secret.NotFound},
		{408, "", "", secret.Unavailable, secret.Unknown},
		{409, body("Conflict", "ObjectIsDeletedButRecoverable"), "", secret.Trashed, secret.Trashed},
		{409, body("Conflict", "ObjectIsBeingDeleted"), "", secret.Conflict, secret.Conflict},
		{409, body("Conflict", "ObjectIsBeingRecovered"), "", secret.Conflict, secret.Conflict},
		{413, "", "", secret.TooLarge, secret.TooLarge},
		{429, body("Throttled", ""), "Retry-After: 7", secret.Throttled, secret.Throttled},
		{500, "<html>canary-page", "", secret.Unavailable, secret.Unknown},
		{503, "", "", secret.Unavailable, secret.Unknown},
		{302, "", "Location: https://elsewhere.example/", secret.Internal, secret.Internal},
		{200, `{"value":`, "", secret.Unavailable, secret.Unknown},
		{200, `{"value":12345678}`, "", secret.Unavailable, secret.Unknown},
		{200, `{"value":"canary-v","id":"nonsense","attributes":{"created":1}}`, "", secret.Unavailable, secret.Unknown},
		{200, `{"value":"canary-v"}`, "", secret.Unavailable, secret.Unknown},
	} {
		name := fmt.Sprintf("%d %.20s", c.status, c.body)
		h := reply(c.status, c.body)
		if c.header != "" {
			h = reply(c.status, c.body, c.header)
		}
		b := stub(t, "v.vault.example", "https://vault.example", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/versions") {
				reply(200, `{"value":[],"nextLink":null}`)(w, r)
				return
			}
			h(w, r)
		})
		_, err := b.Get(t.Context(), "s", secret.Current)
		wantKind(t, "read: "+name, err, c.read)
		checkText(t, err)
		if strings.Contains(c.body, "nonsense") && !strings.Contains(secret.DetailOf(err), "not what its API promises") {
			t.Errorf("read: %s: the detail is %q", name, secret.DetailOf(err))
		}
		if errors.Is(err, kit.ErrDeadCredential) != (c.status == 401) {
			t.Errorf("read: %s: the credential is dead or not: %v", name, err)
		}
		_, err = b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("canary-x")})
		wantKind(t, "write: "+name, err, c.write)
		if errors.Is(err, kit.ErrDeadCredential) != (c.status == 401) {
			t.Errorf("write: %s: the credential is dead or not: %v", name, err)
		}
		checkText(t, err)
		var e *secret.Error
		if errors.As(err, &e); c.status == 429 && e.RetryAfter.Seconds() != 7 {
			t.Errorf("Retry-After is %v", e.RetryAfter)
		}
	}
}

func checkText(t *testing.T, err error) {
	t.Helper()
	for _, bad := range []string{"canary", "12345678", "vendor"} {
		if err != nil && strings.Contains(err.Error(), bad) {
			t.Errorf("the error holds text of the vault: %q", bad)
		}
	}
}

// TestForeignLinks: the token goes to no other host, whatever a page says.
func TestForeignLinks(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"https://elsewhere.example/secrets?x", "https://v.vault.example:444/secrets?x", "https://v.vault.example.evil/secrets?x"} {
		b := stub(t, "v.vault.example", "https://vault.example", reply(200, `{"value":[],"nextLink":"`+link+`"}`))
		_, err := b.List(t.Context(), secret.Query{})
		wantKind(t, link, err, secret.Unavailable)
		if !errors.Is(err, errForeignHost) {
			t.Errorf("%s: %v", link, err)
		}
	}
}

// TestChallenge: a vault that asks for a token of another resource gets none.
func TestChallenge(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	vault := func(w http.ResponseWriter, r *http.Request) {
		asked.Store(true)
		reply(200, `{"value":[],"nextLink":null}`)(w, r)
	}
	b := stub(t, "v.vault.example", "https://vault.azure.net", vault)
	if err := b.Check(t.Context()); err == nil || asked.Load() {
		t.Error("the token was sent to a vault that asked for another resource's")
	}
	b = stub(t, "v.vault.example", "https://vault.azure.net", vault, func(c *Config) { c.DisableChallengeVerification = true })
	if err := b.Check(t.Context()); err != nil || !asked.Load() {
		t.Errorf("with the verification off: %v", err)
	}
}

// TestImportLooks: what an import does with each answer about a deleted secret
// of the name, and with each to its first write.
func TestImportLooks(t *testing.T) {
	t.Parallel()
	const gone = `{"recoveryId":"https://v.vault.example/deletedsecrets/s","id":"https://v.vault.example/secrets/s/0123","attributes":{"enabled":true}}`
	for _, c := range []struct {
		name           string
		deleted, write http.HandlerFunc
		want           secret.Kind
		writes         int64
	}{
		{"in the trash", reply(200, gone), reply(500, ""), secret.Trashed, 0},
		{
			"in the trash, and we may not look", reply(403, `{"error":{"code":"Forbidden"}}`),
			reply(409, `{"error":{"code":"Conflict","innererror":{"code":"ObjectIsDeletedButRecoverable"}}}`), secret.Trashed, 1,
		},
		{
			"still being deleted", reply(404, `{"error":{"code":"SecretNotFound"}}`),
			reply(409, `{"error":{"code":"Conflict","innererror":{"code":"ObjectIsBeingDeleted"}}}`), secret.Conflict, 1,
		},
		{"no soft delete, throttled", reply(400, `{"error":{"code":"NotSupported"}}`), reply(429, ""), secret.Throttled, 1},
		{"the vault is down", reply(503, ""), reply(503, ""), secret.Unavailable, 0},
	} {
		var writes atomic.Int64
		b := stub(t, "v.vault.example", "https://vault.example", func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPut:
				writes.Add(1)
				c.write(w, r)
			case strings.HasPrefix(r.URL.Path, "/deletedsecrets/"):
				c.deleted(w, r)
			default:
				reply(200, `{"value":[],"nextLink":null}`)(w, r)
			}
		})
		done, err := b.Import(t.Context(), backendtest.Sample("s"), "token")
		wantKind(t, c.name, err, c.want)
		if done != nil || writes.Load() != c.writes {
			t.Errorf("%s: %d writes, want %d", c.name, writes.Load(), c.writes)
		}
	}
}

// TestImportThrottled midway tells what stands and when to come back.
func TestImportThrottled(t *testing.T) {
	t.Parallel()
	var writes atomic.Int64
	b := stub(t, "v.vault.example", "https://vault.example", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && writes.Add(1) > 2:
			reply(429, "", "Retry-After: 9")(w, r)
		case r.Method == http.MethodPut:
			reply(200, fmt.Sprintf(`{"value":"","id":"https://v.vault.example/secrets/s/%d","attributes":{"created":1}}`, writes.Load()))(w, r)
		case strings.HasPrefix(r.URL.Path, "/deletedsecrets/"):
			reply(404, "")(w, r)
		default:
			reply(200, `{"value":[],"nextLink":null}`)(w, r)
		}
	})
	done, err := b.Import(t.Context(), backendtest.Sample("s"), "token")
	wantKind(t, "throttled midway", err, secret.Partial)
	var e *secret.Error
	if !errors.As(err, &e) || e.RetryAfter.Seconds() != 9 || e.Detail != "2 of 11 versions are written" {
		t.Errorf("the error says %q, after %v", e.Detail, e.RetryAfter)
	}
	if done == nil || !slices.Equal(done.Stands, []secret.Ordinal{1, 2}) {
		t.Error("what stands is not said")
	}
}

// TestHang: a vault that does not answer holds nobody who has gone, and a
// write that it has seen is unknown.
func TestHang(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{}, 1)
	b := stub(t, "v.vault.example", "https://vault.example", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/versions") {
			reply(200, `{"value":[],"nextLink":null}`)(w, r)
			return
		}
		seen <- struct{}{}
		<-r.Context().Done()
	})
	for want, call := range map[secret.Kind]func(context.Context) error{
		secret.Unavailable: func(ctx context.Context) error { _, err := b.Get(ctx, "s", secret.Current); return err },
		secret.Unknown: func(ctx context.Context) error {
			_, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("x")})
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-seen
			cancel()
		}()
		err := call(ctx)
		wantKind(t, "a vault that hangs", err, want)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error does not say why: %v", err)
		}
	}
}
