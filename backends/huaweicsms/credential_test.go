package huaweicsms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	pathOIDC = "/v3.0/OS-AUTH/id-token/tokens"
	pathKeys = "/v3.0/OS-CREDENTIAL/securitytokens"
)

// clock is moved by hand.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time           { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(by time.Duration) { c.at.Add(int64(by)) }

// desk is our own IAM and CSMS, to which it adds what IAM does with OIDC
// tokens. The keys and their signatures are real; when they end is said by the
// clock.
type desk struct {
	*clock
	g     *gatewaytest.Gateway
	b     *Backend
	file  string // of the OIDC token
	lives time.Duration
	log   bytes.Buffer // read it when no renewal runs

	oidc     atomic.Value                     // the token that is taken
	broken   atomic.Pointer[http.HandlerFunc] // takes the place of IAM
	asked    atomic.Int64                     // for keys
	signed   atomic.Int64                     // requests to CSMS
	sessions sync.Map                         // the security tokens of these
}

func newDesk(t *testing.T, lives time.Duration) *desk {
	t.Helper()
	d := &desk{clock: newClock(), file: filepath.Join(t.TempDir(), "oidc"), lives: lives}
	d.rotate(t, "canary-oidc-1")
	d.g = gatewaytest.New(t, gatewaytest.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.serve(next, w, r) })
	}})
	d.b = open(t, d.g, func(c *Config) {
		c.AccessKey = AccessKey{}
		c.Credential = &Credential{Kind: "federation", IdPID: "idp-1", TokenFile: d.file, IAMEndpoint: d.g.Endpoint()}
	})
	d.b.client.credentials.now = d.now
	d.b.client.credentials.log = slog.New(slog.NewTextHandler(&d.log, nil))
	return d
}

// rotate makes another OIDC token the only valid one.
func (d *desk) rotate(t *testing.T, token string) {
	t.Helper()
	d.oidc.Store(token)
	if err := os.WriteFile(d.file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	broken := d.broken.Load()
	switch r.URL.Path {
	case pathOIDC:
		if d.asked.Add(1); broken != nil {
			(*broken)(w, r)
			return
		}
		d.exchange(next, w, r)
	case pathKeys:
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var answer map[string]map[string]string
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			reply(500, "canary")(w, r)
			return
		}
		answer["credential"]["expires_at"] = d.now().Add(d.lives).UTC().Format("2006-01-02T15:04:05.000000Z")
		body, _ := json.Marshal(answer)
		reply(rec.Code, string(body))(w, r)
	default:
		d.signed.Add(1)
		d.sessions.Store(r.Header.Get("X-Security-Token"), true)
		next.ServeHTTP(w, r)
	}
}

// exchange gives a token of IAM's for the OIDC token.
func (d *desk) exchange(next http.Handler, w http.ResponseWriter, r *http.Request) {
	var body struct {
		Auth struct {
			IDToken struct{ ID string } `json:"id_token"`
		}
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil || body.Auth.IDToken.ID != d.oidc.Load() || r.Header.Get("X-Idp-Id") != "idp-1" {
		reply(401, `{"error":{"code":401,"message":"canary","title":"Unauthorized"}}`)(w, r)
		return
	}
	login := httptest.NewRequest(http.MethodPost, d.g.Endpoint()+"/v3/auth/tokens", strings.NewReader(fmt.Sprintf(
		`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"password":%q,"domain":{"name":%q}}}}}}`,
		d.g.ClientID, d.g.ClientSecret, gatewaytest.Domain)))
	login.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, login)
	reply(rec.Code, rec.Body.String(), "X-Subject-Token", rec.Header().Get("X-Subject-Token"))(w, r)
}

// settle waits until no renewal runs.
func settle(b *Backend) {
	c := b.client.credentials
	for {
		c.mu.Lock()
		run := c.running
		c.mu.Unlock()
		if run == nil {
			return
		}
		<-run.done
	}
}

// wantAsked makes a call that must succeed and counts the requests for keys.
func (d *desk) wantAsked(t *testing.T, what string, want int64) {
	t.Helper()
	if err := d.b.Check(t.Context()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	settle(d.b)
	if n := d.asked.Load(); n != want {
		t.Errorf("%s: %d keys were asked for, want %d", what, n, want)
	}
}

// TestFederation: nothing is asked for before the first call, one key serves
// many, the next is asked for 40 minutes before its end with the token that
// the file holds then, and nobody waits for it.
func TestFederation(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 6*time.Hour)
	if d.asked.Load() != 0 {
		t.Error("New asked for a key")
	}
	put(t, d.b, "s", secret.Draft{Value: secret.TextValue("x")})
	if got := must(d.b.Get(t.Context(), "s", secret.Current))(t); string(got.Versions[0].Value.Reveal()) != "x" {
		t.Error("the value is another")
	}
	d.wantAsked(t, "at first", 1)
	d.advance(5*time.Hour + 19*time.Minute)
	d.wantAsked(t, "41 minutes before the end", 1)
	d.rotate(t, "canary-oidc-2")
	d.advance(2 * time.Minute)
	d.wantAsked(t, "39 minutes before the end", 2)
	d.wantAsked(t, "after that", 2)
	d.rotate(t, "canary-oidc-3")
	d.advance(12 * time.Hour)
	d.wantAsked(t, "after the end", 3)
	n := 0
	d.sessions.Range(func(token, _ any) bool { n++; return token != "" })
	if n != 3 {
		t.Errorf("%d keys signed, want 3", n)
	}
	if d.log.Len() > 0 {
		t.Errorf("it logged %s", &d.log)
	}
}

// TestRenewedUnderLoad: whatever renewals come between, each call is signed
// with one whole key, which is not over.
func TestRenewedUnderLoad(t *testing.T) {
	t.Parallel()
	for _, lives := range []time.Duration{30 * time.Minute, 70 * time.Second} {
		d := newDesk(t, lives)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 40 {
					d.advance(time.Second)
					if err := d.b.Check(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		settle(d.b)
		if n := d.asked.Load(); n < 4 || n > 40 {
			t.Errorf("%d keys were asked for in 320 seconds, with a life of %v", n, lives)
		}
	}
}

// TestShortLife: a key that never has 40 minutes left is renewed once a minute
// at most.
func TestShortLife(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 15*time.Minute)
	d.wantAsked(t, "at first", 1)
	d.advance(pause - time.Second)
	d.wantAsked(t, "within the minute", 1)
	d.advance(time.Second)
	d.wantAsked(t, "after a minute", 2)
	d.wantAsked(t, "then", 2)
}

// TestRenewalFails: while a key serves, a failure is logged once in a row and
// tried again after a minute. Once the key is over it signs nothing more.
func TestRenewalFails(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]secret.Kind{503: secret.Unavailable, 401: secret.Upstream} {
		d := newDesk(t, 30*time.Minute)
		failing := reply(status, `{"error":{"code":1,"message":"canary"}}`)
		warned := func(what string, want int) {
			t.Helper()
			if n := strings.Count(d.log.String(), "level=WARN"); n != want || strings.Contains(d.log.String(), "canary") {
				t.Errorf("%d, %s: %d warnings, want %d: %s", status, what, n, want, &d.log)
			}
		}
		d.wantAsked(t, "at first", 1)
		d.broken.Store(&failing)
		d.advance(pause)
		d.wantAsked(t, "the first failure", 2)
		d.wantAsked(t, "within the minute", 2)
		warned("the first failure", 1)
		d.advance(pause)
		d.wantAsked(t, "the second failure", 3)
		warned("the second failure", 1)
		d.broken.Store(nil)
		d.advance(pause)
		d.wantAsked(t, "it works again", 4)
		d.broken.Store(&failing)
		d.advance(pause)
		d.wantAsked(t, "another failure", 5)
		warned("another failure", 2)

		d.advance(28*time.Minute - time.Second)
		d.wantAsked(t, "just before the end", 6)
		d.advance(soonest)
		signed := d.signed.Load()
		for range 6 {
			_, err := d.b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("canary")})
			wantKind(t, fmt.Sprint(status, " after the end"), err, kind)
			checkText(t, err)
		}
		if d.signed.Load() != signed {
			t.Errorf("%d: a key that is over signed", status)
		}
		if n := d.asked.Load(); kind == secret.Upstream && n != 7 || kind == secret.Unavailable && n < 8 {
			t.Errorf("%d: %d keys were asked for", status, n)
		}
		d.broken.Store(nil)
		d.advance(soonest)
		if err := d.b.Check(t.Context()); err != nil {
			t.Errorf("%d: once it works again: %v", status, err)
		}
		warned("at the end", 2)
	}
}

// federate leads a stub's client to IAM on the same host.
func federate(t *testing.T, change ...func(*Credential)) func(*Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "oidc")
	if err := os.WriteFile(file, []byte("canary-oidc"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *Config) {
		c.AccessKey = AccessKey{}
		c.Credential = &Credential{Kind: "federation", IdPID: "i", TokenFile: file, IAMEndpoint: "https://" + host}
		for _, f := range change {
			f(c.Credential)
		}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
	}
}

// scriptIAM answers both steps of a federation, and lists of secrets.
func scriptIAM(t *testing.T, oidc, keys http.HandlerFunc, change ...func(*Credential)) (*Backend, *atomic.Int64, *atomic.Int64) {
	t.Helper()
	asked, signed := new(atomic.Int64), new(atomic.Int64)
	return stub(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case pathOIDC:
			asked.Add(1)
			oidc(w, r)
		case pathKeys:
			keys(w, r)
		default:
			signed.Add(1)
			reply(200, `{"secrets":[],"page_info":{"current_count":0}}`)(w, r)
		}
	}, federate(t, change...)), asked, signed
}

// keyUntil is an answer with a key.
func keyUntil(end time.Time) string {
	return fmt.Sprintf(`{"credential":{"access":"AKT","secret":"canary-sk","securitytoken":"canary-st","expires_at":%q}}`, end.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// TestIssuerAnswers: what each failure of IAM becomes. None is CSMS's, none is
// asked twice, and no text of an answer is told.
func TestIssuerAnswers(t *testing.T) {
	t.Parallel()
	token := reply(201, `{"token":{"expires_at":"2044-01-01T00:00:00Z"}}`, "X-Subject-Token", "canary-subject")
	key := reply(201, keyUntil(time.Now().Add(time.Hour)))
	elsewhere := func(url string) func(*Credential) { return func(c *Credential) { c.IAMEndpoint = url } }
	tokenFile := func(text string) func(*Credential) {
		return func(c *Credential) {
			c.TokenFile = filepath.Join(filepath.Dir(c.TokenFile), "other")
			if text != "" {
				_ = os.WriteFile(c.TokenFile, []byte(text), 0o600)
			}
		}
	}
	same := func(*Credential) {}
	for what, c := range map[string]struct {
		oidc, keys http.HandlerFunc
		change     func(*Credential)
		kind       secret.Kind
	}{
		"a bad request":         {reply(400, `{"error_code":"IAM.0011","error_msg":"canary"}`), key, same, secret.Upstream},
		"a refusal":             {reply(401, `{"error":{"code":401,"message":"canary"}}`), key, same, secret.Upstream},
		"no right":              {reply(403, "canary"), key, same, secret.Upstream},
		"no provider":           {reply(404, "canary"), key, same, secret.Upstream},
		"late":                  {reply(408, ""), key, same, secret.Unavailable},
		"too many":              {reply(429, "canary"), key, same, secret.Unavailable},
		"a failure":             {reply(500, "canary"), key, same, secret.Unavailable},
		"nobody there":          {reply(503, "canary"), key, same, secret.Unavailable},
		"a redirection":         {reply(302, "", "Location", "https://elsewhere.example/"), key, same, secret.Unavailable},
		"an empty object":       {reply(201, `{}`, "X-Subject-Token", "canary"), key, same, secret.Unavailable},
		"no JSON":               {reply(201, `canary`), key, same, secret.Unavailable},
		"no subject token":      {reply(201, `{"token":{"expires_at":"2044-01-01T00:00:00Z"}}`), key, same, secret.Unavailable},
		"an odd subject":        {reply(201, `{"token":"canary"}`, "X-Subject-Token", "canary"), key, same, secret.Unavailable},
		"a refused key":         {token, reply(401, "canary"), same, secret.Upstream},
		"a failure of keys":     {token, reply(502, "canary"), same, secret.Unavailable},
		"no key":                {token, reply(201, `{}`), same, secret.Unavailable},
		"null":                  {token, reply(201, `{"credential":null}`), same, secret.Unavailable},
		"half a key":            {token, reply(201, `{"credential":{"access":"canary"}}`), same, secret.Unavailable},
		"an odd end":            {token, reply(201, strings.Replace(keyUntil(time.Now()), "T", "canary", 2)), same, secret.Unavailable},
		"an empty key":          {token, reply(201, strings.Replace(keyUntil(time.Now().Add(time.Hour)), "AKT", "", 1)), same, secret.Unavailable},
		"a key that is over":    {token, reply(201, keyUntil(time.Now().Add(slack))), same, secret.Upstream},
		"an answer without end": {token, reply(201, `{"a":"`+strings.Repeat("canary", maxAnswer/5)), same, secret.Unavailable},
		"no token file":         {token, key, tokenFile(""), secret.Upstream},
		"an empty token file":   {token, key, tokenFile("\n"), secret.Upstream},
		"another's certificate": {token, key, elsewhere("https://iam.other.example"), secret.Unavailable},
		"all well":              {token, key, same, 0},
	} {
		b, asked, signed := scriptIAM(t, c.oidc, c.keys, c.change)
		err := b.Check(t.Context())
		if c.kind == 0 {
			if err != nil || signed.Load() != 1 {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		wantKind(t, what, err, c.kind)
		checkText(t, err)
		refused := slices.Contains([]string{"a bad request", "a refusal", "no right", "no provider", "a refused key"}, what)
		if errors.Is(err, kit.ErrDeadCredential) != refused {
			t.Errorf("%s: the credential is dead or not: %v", what, err)
		}
		if n := asked.Load(); n > 1 || signed.Load() > 0 {
			t.Errorf("%s: asked %d times, and CSMS %d times", what, n, signed.Load())
		}
	}
}

// TestNoWaiting: a call whose time is over does not wait for a renewal, and the
// renewal goes on for others.
func TestNoWaiting(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}, 1), make(chan struct{})
	b, asked, signed := scriptIAM(t, func(w http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-release
		reply(201, `{"token":{"expires_at":"2044-01-01T00:00:00Z"}}`, "X-Subject-Token", "t")(w, r)
	}, reply(201, keyUntil(time.Now().Add(time.Hour))))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Check(ctx) }()
	<-reached
	cancel()
	wantKind(t, "a call that ended", <-ended, secret.Unavailable)
	wantKind(t, "a call that has ended before", b.Check(ctx), secret.Unavailable)
	go func() { ended <- b.Check(t.Context()) }()
	close(release)
	if err := <-ended; err != nil || asked.Load() != 1 || signed.Load() != 1 {
		t.Errorf("the call that waited: %v; %d keys, %d calls", err, asked.Load(), signed.Load())
	}
}

// TestSilentIssuer: one that never answers is left in the end.
func TestSilentIssuer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := &credentials{now: time.Now, issue: func(ctx context.Context) (*auth.BasicCredentials, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		_, err := c.get(t.Context())
		wantKind(t, "nobody answers", err, secret.Unavailable)
		if took := time.Since(start); took != longest {
			t.Errorf("it took %v", took)
		}
	})
}

// TestKeyTakenBack: a key that CSMS refuses is replaced before the next call,
// but not more than once a minute.
func TestKeyTakenBack(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	at := newClock()
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case pathOIDC:
			asked.Add(1)
			reply(201, `{"token":{"expires_at":"2044-01-01T00:00:00Z"}}`, "X-Subject-Token", "t")(w, r)
		case pathKeys:
			reply(201, keyUntil(at.now().Add(6*time.Hour)))(w, r)
		default:
			reply(401, `{"error_code":"APIGW.0301","error_msg":"canary"}`)(w, r)
		}
	}, federate(t))
	b.client.credentials.now = at.now
	for i, want := range []int64{1, 1, 1, 2, 2} { // the third call's refusal is the first after a minute
		if i == 2 {
			at.advance(pause)
		}
		err := b.Check(t.Context())
		wantKind(t, "a refused key", err, secret.Upstream)
		if errors.Is(err, kit.ErrDeadCredential) != (i != 2) { // then another key comes
			t.Errorf("call %d: the credential is dead or not: %v", i, err)
		}
		if n := asked.Load(); n != want {
			t.Errorf("call %d: %d keys were asked for, want %d", i, n, want)
		}
	}
}

// TestNothingPrints: no print of what holds a key shows it.
func TestNothingPrints(t *testing.T) {
	t.Parallel()
	key := &auth.BasicCredentials{BaseCredentials: auth.BaseCredentials{AK: "AKT", SK: "canary-sk", SecurityToken: "canary-st"}}
	c := &credentials{current: &issued{key: key}, running: &renewal{key: key}}
	b := &Backend{client: client{credentials: c}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		for _, holder := range []any{b, b.client, c} {
			if strings.Contains(fmt.Sprintf(verb, holder), "canary") {
				t.Errorf("%s of a %T shows a key", verb, holder)
			}
		}
	}
}

// TestEndOfKey: the end is read where the vendor's client keeps it.
func TestEndOfKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 2*time.Hour)
	d.wantAsked(t, "at first", 1)
	if end := d.b.client.credentials.current.end; !end.Equal(d.now().Add(2 * time.Hour).Truncate(time.Second)) {
		t.Errorf("the key ends at %v", end)
	}
	if got, want := d.b.Credentials(), []backends.Credential{{Kind: backends.CredentialAccessKey, Key: "credential", Ends: d.b.client.credentials.current.end, Renewed: true}}; !slices.Equal(got, want) {
		t.Errorf("it reports %+v", got)
	}
	if other := time.Unix(1, 0); !endOf(&struct{ A int }{}, other).Equal(other) {
		t.Error("an end is read where none is")
	}
}

// keyed is a CSMS that takes one key, and counts.
func keyed(t *testing.T, kind string, signed *atomic.Int64) *Backend {
	t.Helper()
	return stub(t, func(w http.ResponseWriter, r *http.Request) {
		signed.Add(1)
		if r.Header.Get("X-Security-Token") != "canary-st" || !strings.Contains(r.Header.Get("Authorization"), "Access=AKT,") || r.Header.Get("X-Project-Id") != project {
			reply(401, "canary")(w, r)
			return
		}
		reply(200, `{"secrets":[],"page_info":{"current_count":0}}`)(w, r)
	}, func(c *Config) {
		c.AccessKey, c.Credential = AccessKey{}, &Credential{Kind: kind}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

// wantIssued makes one call, for the kind or for none.
func wantIssued(t *testing.T, what string, b *Backend, signed *atomic.Int64, kind secret.Kind) {
	t.Helper()
	before := signed.Load()
	err := b.Check(t.Context())
	if kind == 0 {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	wantKind(t, what, err, kind)
	checkText(t, err)
	if signed.Load() != before {
		t.Errorf("%s: CSMS was called", what)
	}
}

func TestPodIdentity(t *testing.T) {
	var asked, signed atomic.Int64
	var answer atomic.Pointer[http.HandlerFunc]
	good := reply(200, `{"credentials":{"accessKeyId":"AKT","secretAccessKey":"canary-sk","securityToken":"canary-st","expiration":"`+
		time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}}`)
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/v1/credentials" || r.Header.Get("Authorization") != "canary-pod" || string(body) != "{}" {
			t.Errorf("the agent was asked %s %s", r.Method, r.URL)
		}
		(*answer.Load())(w, r)
	}))
	defer agent.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("canary-pod\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(podEndpoint, agent.URL+"/v1/credentials")
	t.Setenv(podTokenFile, file)
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		kind   secret.Kind
	}{
		"good":      {good, 0},
		"a refusal": {reply(403, `{"message":"canary"}`), secret.Upstream},
		"no JSON":   {reply(200, `canary`), secret.Unavailable},
		"null":      {reply(200, `{"credentials":null}`), secret.Unavailable},
		"empty":     {reply(200, `{}`), secret.Unavailable},
	} {
		asked.Store(0)
		answer.Store(&c.answer)
		b := keyed(t, "pod_identity", &signed)
		if asked.Load() != 0 {
			t.Error("New asked for a key")
		}
		wantIssued(t, what, b, &signed, c.kind)
		if asked.Load() != 1 {
			t.Errorf("%s: asked %d times", what, asked.Load())
		}
	}
	b := keyed(t, "pod_identity", &signed)
	agent.Close()
	wantIssued(t, "no agent", b, &signed, secret.Unavailable)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantIssued(t, "an empty token", b, &signed, secret.Upstream)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wantIssued(t, "no token", keyed(t, "pod_identity", &signed), &signed, secret.Upstream)
}

// TestMetadata: the address of the service is the vendor's and fixed, so the
// way to it leads to a scripted one.
func TestMetadata(t *testing.T) {
	var asked, signed atomic.Int64
	var answer atomic.Pointer[http.HandlerFunc]
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "169.254.169.254":
			t.Errorf("%s was asked", r.Host)
		case r.Method == http.MethodPut && r.URL.Path == "/meta-data/latest/api/token":
			reply(200, "canary-session")(w, r)
		case r.URL.Path == "/openstack/latest/securitykey" && r.Header.Get("X-Metadata-Token") == "canary-session":
			asked.Add(1)
			(*answer.Load())(w, r)
		default:
			t.Errorf("it was asked %s %s", r.Method, r.URL)
		}
	}))
	defer service.Close()
	before := http.DefaultTransport                      //nolint:forbidigo // the vendor's client of this service takes it and no other
	t.Cleanup(func() { http.DefaultTransport = before }) //nolint:forbidigo // as above
	way := &http.Transport{DialContext: leadTo(service.Listener.Addr().String()), DisableKeepAlives: true}
	http.DefaultTransport = way //nolint:forbidigo // as above
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		kind   secret.Kind
	}{
		"good":      {reply(200, keyUntil(time.Now().Add(24*time.Hour))), 0},
		"no agency": {reply(404, "canary"), secret.Upstream},
		"refused":   {reply(401, "Please configure Cloud Service Agency first canary"), secret.Upstream},
		"busy":      {reply(503, "canary"), secret.Unavailable},
		"no JSON":   {reply(200, "canary"), secret.Unavailable},
		"null":      {reply(200, `{"credential":null}`), secret.Unavailable},
	} {
		asked.Store(0)
		answer.Store(&c.answer)
		b := keyed(t, "metadata", &signed)
		if asked.Load() != 0 {
			t.Error("New asked for a key")
		}
		wantIssued(t, what, b, &signed, c.kind)
		if asked.Load() != 1 {
			t.Errorf("%s: asked %d times", what, asked.Load())
		}
	}
	b := keyed(t, "metadata", &signed)
	service.Close()
	wantIssued(t, "no service", b, &signed, secret.Unavailable)
}
