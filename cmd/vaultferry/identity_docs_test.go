package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/internal/issuertest"
	"github.com/vaultferry/vaultferry/internal/pages"
)

// TestIdentityPage: each configuration of docs/identity.md and docs/credentials.md loads, and a token with
// the claims below it is its caller's. The keys are the test's own: fetching them
// is what only the platform can show, and what gateway/issuer tests otherwise.
func TestIdentityPage(t *testing.T) {
	t.Parallel()
	docs, tokens := documents(t), 0
	for section := range strings.SplitSeq(docs["docs/identity.md"]+docs["docs/credentials.md"], "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		claims, shown := pages.First(section, "json")
		for _, b := range pages.Blocks(section) {
			if b.Kind != "yaml" {
				continue
			}
			t.Run(title, func(t *testing.T) {
				cfg := loadPage(t, b.Text)
				if shown {
					tokens++
					opensPage(t, cfg, claims)
				}
			})
			shown = false // the claims are for the first
		}
	}
	if tokens < 7 {
		t.Errorf("only %d tokens were tried", tokens)
	}
}

// loadPage fills in what the page leaves out.
func loadPage(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vaultferry.yaml")
	base := "stores: [ { name: payments, backend: memory } ]\n"
	if !strings.Contains(text, "server:") {
		base += "server: { tls: { off: true } }\n"
	}
	for _, m := range regexp.MustCompile(`header: \{ file: (\S+) \}`).FindAllStringSubmatch(text, -1) {
		sum := sha256.Sum256([]byte(m[1])) // as strong as a real one
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), m[1]), []byte(hex.EncodeToString(sum[:])), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(text, "dialects:") {
		base += "dialects: { azure: { routes: [ { host: payments.vault.corp.example, store: payments } ] } }\n"
	}
	if !strings.Contains(text, "policy:") {
		base += "policy: [ { callers: ['*'], allow: [get], stores: [payments], names: ['*'] } ]\n"
	}
	if err := os.WriteFile(file, []byte(base+text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, said, err := config.Load(file, all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range said {
		if !strings.HasPrefix(p.Path, "dialects") && !strings.HasPrefix(p.Path, "policy") {
			t.Errorf("%s: %s", p.Severity, p)
		}
	}
	return cfg
}

func opensPage(t *testing.T, cfg *config.Config, text string) {
	t.Helper()
	var claims issuertest.Claims
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		t.Fatal(err)
	}
	key := issuertest.NewKey(t)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	o := issuersOf(cfg)
	i := &o.Issuers[0]
	if iss, ok := claims["iss"].(string); ok && i.URL == "" {
		i.URL = iss // of the pod's own token
	}
	i.JWKSFile, i.JWKSURL, i.CAFile, i.BearerTokenFile = file, "", "", ""
	set, err := issuer.New(o)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token := key.Sign(t, claims.With(issuertest.Claims{"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}))
	caller := cfg.Callers[0]
	if caller.Client != nil {
		if _, err := set.Assertion(token, caller.Name); err != nil {
			t.Fatal(access.Reason(err))
		}
		return
	}
	g, err := set.Bearer(token)
	if err != nil || g.Caller.ID != caller.Name || len(g.Caller.Groups) != len(cfg.Groups) {
		t.Fatalf("%+v, %s", g, access.Reason(err))
	}
}
