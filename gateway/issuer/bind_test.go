package issuer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

// TestBindings: which tokens are a caller's.
func TestBindings(t *testing.T) {
	t.Parallel()
	claim := func(name string, values ...string) issuer.Claim { return issuer.Claim{Name: name, Values: values} }
	for name, c := range map[string]struct {
		binding issuer.Binding
		claims  issuertest.Claims
		want    bool
	}{
		"a claim":              {issuer.Binding{Claims: []issuer.Claim{claim("project", "42")}}, issuertest.Claims{"project": "42"}, true},
		"a number":             {issuer.Binding{Claims: []issuer.Claim{claim("project", "42")}}, issuertest.Claims{"project": 42}, true},
		"a large number":       {issuer.Binding{Claims: []issuer.Claim{claim("project", "9007199254740993")}}, issuertest.Claims{"project": json.RawMessage("9007199254740993")}, true},
		"a boolean":            {issuer.Binding{Claims: []issuer.Claim{claim("protected", "true")}}, issuertest.Claims{"protected": true}, true},
		"one of a list":        {issuer.Binding{Claims: []issuer.Claim{claim("roles", "b", "c")}}, issuertest.Claims{"roles": []string{"a", "b"}}, true},
		"none of a list":       {issuer.Binding{Claims: []issuer.Claim{claim("roles", "c")}}, issuertest.Claims{"roles": []string{"a", "b"}}, false},
		"an object":            {issuer.Binding{Claims: []issuer.Claim{claim("roles", "a")}}, issuertest.Claims{"roles": map[string]any{"a": "a"}}, false},
		"nothing":              {issuer.Binding{Claims: []issuer.Claim{claim("roles", "a")}}, issuertest.Claims{}, false},
		"null":                 {issuer.Binding{Claims: []issuer.Claim{claim("roles", "a")}}, issuertest.Claims{"roles": json.RawMessage("null")}, false},
		"one claim of two":     {issuer.Binding{Claims: []issuer.Claim{claim("a", "1"), claim("b", "2")}}, issuertest.Claims{"a": "1", "b": "1"}, false},
		"a star is a star":     {issuer.Binding{Claims: []issuer.Claim{claim("ref", "refs/*")}}, issuertest.Claims{"ref": "refs/heads/main"}, false},
		"a pattern":            {issuer.Binding{Glob: true, Claims: []issuer.Claim{claim("ref", "refs/*")}}, issuertest.Claims{"ref": "refs/heads/main"}, true},
		"a claim as pattern":   {issuer.Binding{Glob: true, Claims: []issuer.Claim{claim("ref", "main")}}, issuertest.Claims{"ref": "*"}, false},
		"a pointer":            {issuer.Binding{Claims: []issuer.Claim{claim("/a~1b/c", "1")}}, issuertest.Claims{"a/b": map[string]any{"c": "1"}}, true},
		"a pointer to nothing": {issuer.Binding{Claims: []issuer.Claim{claim("/a/b/c", "1")}}, issuertest.Claims{"a": "b"}, false},
		"a name with dots":     {issuer.Binding{Claims: []issuer.Claim{claim("https://a.example/b", "1")}}, issuertest.Claims{"https://a.example/b": "1"}, true},
		"case counts":          {issuer.Binding{Claims: []issuer.Claim{claim("a", "x")}}, issuertest.Claims{"a": "X", "A": "x"}, false},
		"subject and claim":    {issuer.Binding{Subject: "app", Claims: []issuer.Claim{claim("a", "1")}}, issuertest.Claims{"a": "2"}, false},
		"its audience":         {issuer.Binding{Subject: "app", Audiences: []string{audience}}, issuertest.Claims{"aud": []string{audience, "second"}}, true},
		"another audience":     {issuer.Binding{Subject: "app", Audiences: []string{"second"}}, issuertest.Claims{}, false},
	} {
		c.binding.Issuer, c.binding.Caller = "corp", "caller"
		w := newWorld(t, func(o *issuer.Options) {
			o.Bindings = []issuer.Binding{c.binding}
			o.Issuers[0].Audiences = append(o.Issuers[0].Audiences, "second")
		})
		g, err := w.Bearer(w.of.Key.Sign(t, w.claims().With(c.claims)))
		if c.want && (err != nil || g.Caller.ID != "caller") || !c.want && (err == nil || fault(t, err).Fault != access.UnboundToken) {
			t.Errorf("%s: %q, %v", name, g.Caller.ID, err)
		}
	}
}

// TestAmbiguous: a token of two callers is nobody's, and the audit names both;
// two bindings of one caller are no doubt. At the login the client says which
// caller is meant.
func TestAmbiguous(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *issuer.Options) {
		o.Bindings = append(o.Bindings, issuer.Binding{Issuer: "corp", Caller: "app", Claims: []issuer.Claim{{Name: "sub", Values: []string{"app"}}}})
	})
	w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")
	w.options.Bindings = append(w.options.Bindings, issuer.Binding{Issuer: "corp", Caller: "all", Glob: true, Claims: []issuer.Claim{{Name: "sub", Values: []string{"a*"}}}})
	w.reload(t)
	_, err := w.Bearer(w.of.Token(t, w.now(), "app", audience))
	if e := fault(t, err); e.Fault != access.AmbiguousToken || !strings.Contains(access.Reason(err), "app") || !strings.Contains(access.Reason(err), "all") || strings.Contains(e.Error(), "app") {
		t.Errorf("%v: %s", err, access.Reason(err))
	}
	for _, caller := range []string{"app", "all"} {
		if _, err := w.Assertion(w.of.Token(t, w.now(), "app", exchange), caller); err != nil {
			t.Errorf("as %s: %v", caller, err)
		}
	}
	for _, caller := range []string{"", "nobody"} {
		if _, err := w.Assertion(w.of.Token(t, w.now(), "app", exchange), caller); fault(t, err).Fault != access.UnboundToken {
			t.Errorf("as %q: %v", caller, err)
		}
	}
}

// entraWorld is a world whose issuer has the URL of one of Entra's. The keys are
// in a file, for the real ones are elsewhere.
func entraWorld(t *testing.T, url string, change ...func(*issuer.Options)) *world {
	t.Helper()
	w := newWorld(t, func(o *issuer.Options) { o.Issuers, o.Bindings = nil, nil })
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{w.of.Key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.of.URL = url
	w.options.Issuers = []issuer.Issuer{w.trusted()}
	w.options.Issuers[0].JWKSFile = file
	w.options.Issuers[0].Audiences = []string{audience, apiClient}
	w.options.Bindings = []issuer.Binding{{
		Issuer: "corp", Caller: "app", Claims: []issuer.Claim{{Name: "oid", Values: []string{object}}}, GroupsClaim: "groups",
	}}
	w.options.Groups = []issuer.Group{{Name: "payments", Issuer: "corp", Value: "g1"}, {Name: "all", Issuer: "corp", Value: "g1"}, {Name: "others", Issuer: "other", Value: "g2"}}
	for _, f := range change {
		f(&w.options)
	}
	w.reload(t)
	return w
}

const (
	tenant    = "11111111-2222-3333-4444-555555555555"
	apiClient = "99999999-8888-7777-6666-555555555555"
	object    = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
)

// TestEntra: tokens of both versions, as their reference documents show them, and
// what must not pass for one of the tenant.
func TestEntra(t *testing.T) {
	t.Parallel()
	v1 := "https://sts.windows.net/" + tenant + "/"
	v2 := "https://login.microsoftonline.com/" + tenant + "/v2.0"
	says := map[string]issuertest.Claims{
		v1: {"aud": audience, "appid": "c", "appidacr": "1", "tid": tenant, "oid": object, "sub": object, "ver": "1.0", "idp": v1},
		v2: {"aud": apiClient, "azp": "c", "azpacr": "1", "tid": tenant, "oid": object, "sub": object, "ver": "2.0"},
	}
	for url, c := range says {
		w := entraWorld(t, url)
		claims := w.claims().With(c)
		if g := w.opens(t, w.of.Key.Sign(t, claims), "app"); g.Caller.Credential != "issuer-token:corp/"+object {
			t.Errorf("%s: the audit gets %s", url, g.Caller.Credential)
		}
		// a managed identity's lives for a day and five minutes
		w.opens(t, w.of.Key.Sign(t, claims.With(issuertest.Claims{"exp": w.now().Add(24 * time.Hour).Unix(), "iat": w.now().Unix() - 300, "nbf": w.now().Unix() - 300})), "app")
		other := v1
		if url == v1 {
			other = v2
		}
		for name, change := range map[string]issuertest.Claims{
			"of the other version":     {"iss": other},
			"the other version's ver":  {"ver": says[other]["ver"]},
			"without a version":        {"ver": nil},
			"of another tenant":        {"tid": "22222222-2222-3333-4444-555555555555"},
			"of no tenant":             {"tid": nil},
			"issued by another tenant": {"iss": strings.Replace(url, "1111", "2222", 1)},
			"with another end":         {"iss": url + "/"},
			"of another person":        {"oid": "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee"},
			"by a name":                {"oid": nil, "upn": object},
			"for spn:":                 {"aud": "spn:" + apiClient},
			"for the real Key Vault":   {"aud": "https://vault.azure.net"},
			"for its application":      {"aud": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"},
		} {
			if _, err := w.Bearer(w.of.Key.Sign(t, claims.With(change))); err == nil {
				t.Errorf("%s: a token %s is accepted", url, name)
			}
		}
	}
	w := entraWorld(t, v2, func(o *issuer.Options) {
		o.Issuers[0].Audiences = append(o.Issuers[0].Audiences, "https://vault.azure.net")
	})
	w.opens(t, w.of.Key.Sign(t, w.claims().With(says[v2]).With(issuertest.Claims{"aud": "https://vault.azure.net"})), "app")
}

// TestGroups: values of the claim add those groups that are configured for the
// issuer, and an issuer that left groups out gets none counted.
func TestGroups(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := entraWorld(t, "https://login.microsoftonline.com/"+tenant+"/v2.0", func(o *issuer.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	pointed := entraWorld(t, "https://login.microsoftonline.com/"+tenant+"/v2.0", func(o *issuer.Options) { o.Bindings[0].GroupsClaim = "/groups" })
	for name, c := range map[string]struct {
		claims issuertest.Claims
		want   []string
	}{
		"none":              {issuertest.Claims{}, nil},
		"one of two":        {issuertest.Claims{"groups": []string{"g0", "g1", "g1"}}, []string{"payments", "all"}},
		"another issuer's":  {issuertest.Claims{"groups": []string{"g2"}}, nil},
		"a name, no value":  {issuertest.Claims{"groups": []string{"payments"}}, nil},
		"a text":            {issuertest.Claims{"groups": "g1"}, []string{"payments", "all"}},
		"elsewhere":         {issuertest.Claims{"groups": []string{"g1"}, "_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.example"}}}, nil},
		"hasgroups":         {issuertest.Claims{"groups": []string{"g1"}, "hasgroups": true}, nil},
		"hasgroups, text":   {issuertest.Claims{"groups": []string{"g1"}, "hasgroups": "true"}, nil},
		"has none":          {issuertest.Claims{"groups": []string{"g1"}, "hasgroups": false}, []string{"payments", "all"}},
		"other claims":      {issuertest.Claims{"groups": []string{"g1"}, "_claim_names": map[string]any{"roles": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{}}}, []string{"payments", "all"}},
		"implicit flow's":   {issuertest.Claims{"groups": []string{"g1"}, "groups:src1": "https://graph.example"}, nil},
		"ten thousand more": {issuertest.Claims{"groups": many(800)}, nil},
	} {
		claims := w.claims().With(issuertest.Claims{"aud": apiClient, "tid": tenant, "oid": object, "ver": "2.0"}).With(c.claims)
		if g := w.opens(t, w.of.Key.Sign(t, claims), "app"); !slices.Equal(g.Caller.Groups, c.want) {
			t.Errorf("%s: %v, want %v", name, g.Caller.Groups, c.want)
		}
		if g := pointed.opens(t, pointed.of.Key.Sign(t, claims), "app"); !slices.Equal(g.Caller.Groups, c.want) {
			t.Errorf("%s, by a pointer: %v, want %v", name, g.Caller.Groups, c.want)
		}
	}
	if n := strings.Count(log.String(), "too many groups"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
}

func many(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("x%d", i))
	}
	return all
}

// TestGitHub: the subject has two shapes; ids are what does not change.
func TestGitHub(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *issuer.Options) {
		o.Bindings = []issuer.Binding{{
			Issuer: "corp", Caller: "deploy", UserClaim: "actor_id",
			Claims: []issuer.Claim{{Name: "repository_id", Values: []string{"123456789"}}, {Name: "repository_owner_id", Values: []string{"987654"}}, {Name: "ref", Values: []string{"refs/heads/main"}}},
		}}
	})
	job := issuertest.Claims{
		"aud": exchange, "repository": "acme/app", "repository_id": "123456789", "repository_owner": "acme", "repository_owner_id": "987654",
		"ref": "refs/heads/main", "actor": "octocat", "actor_id": "583231", "runner_environment": "github-hosted",
	}
	for _, sub := range []string{"repo:acme/app:ref:refs/heads/main", "repo:acme@987654/app@123456789:ref:refs/heads/main"} {
		id, err := w.Assertion(w.of.Key.Sign(t, w.claims().With(job).With(issuertest.Claims{"sub": sub})), "deploy")
		if err != nil || id.User != "corp/583231" {
			t.Errorf("%s: %+v, %v", sub, id, err)
		}
	}
	for name, change := range map[string]issuertest.Claims{
		"the name taken over": {"repository_id": "555", "sub": "repo:acme/app:ref:refs/heads/main"},
		"another owner":       {"repository_owner_id": "1"},
		"another branch":      {"ref": "refs/heads/evil"},
		"a pull request":      {"ref": "refs/pull/7/merge", "sub": "repo:acme/app:pull_request"},
		"nobody acted":        {"actor_id": nil},
	} {
		if _, err := w.Assertion(w.of.Key.Sign(t, w.claims().With(job).With(change)), "deploy"); fault(t, err).Fault != access.UnboundToken {
			t.Errorf("%s: %v", name, err)
		}
	}
}
