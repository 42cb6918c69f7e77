package attack

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/issuertest"
)

// TestIssuersUnderAttack: strangers with tokens under keys that nobody knows cost
// the issuer next to nothing, and its workloads are served meanwhile. A workload
// that a reload takes out is refused at once, and an invalid file changes nothing.
func TestIssuersUnderAttack(t *testing.T) {
	t.Parallel()
	of := issuertest.New(t)
	x := start(t, extra{
		More:    fmt.Sprintf("issuers: [ { name: corp, issuer: %q, ca_file: %q, audiences: [%q] } ]", of.URL, of.CAFile, "https://vault.localhost"),
		Callers: "  - { name: workload, identities: [ { issuer: corp, bound_subject: job } ] }\n",
		Rules:   "  - { callers: [workload], allow: [list], stores: [main], names: ['*'] }\n",
	})
	lasting := issuertest.Claims{"exp": time.Now().Add(time.Hour).Unix()}
	good := of.Key.Sign(t, of.Claims(time.Now(), "job", "https://vault.localhost").With(lasting))
	honest := x.from(t, "127.0.0.7")
	ask := func(client *http.Client, token string) int {
		code, _ := do(t, client, x.azure(t, "GET", "/secrets", token, http.NoBody))
		return code
	}
	if code := ask(honest, good); code != http.StatusOK {
		t.Fatal(code)
	}
	if up := x.metric(t, `vaultferry_issuer_up{issuer="corp"}`); up != 1 {
		t.Errorf("the issuer is up: %v", up)
	}
	began := time.Now()
	stranger := issuertest.NewKey(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			client := x.from(t, fmt.Sprintf("127.0.1.%d", i+1))
			for j := range 200 {
				key := stranger
				key.ID = fmt.Sprintf("%d-%d", i, j)
				token := issuertest.Unsigned(t, map[string]any{"alg": key.Algorithm, "kid": key.ID}, of.Claims(time.Now(), "job", "https://vault.localhost"), []byte("x"))
				if code := ask(client, token); code != http.StatusUnauthorized && code != http.StatusTooManyRequests {
					t.Errorf("a stranger: %d", code)
				}
			}
		})
	}
	for range 100 {
		if code := ask(honest, of.Token(t, time.Now(), "job", "https://vault.localhost")); code != http.StatusOK {
			t.Errorf("a workload: %d", code)
		}
	}
	all.Wait()
	fetched := of.Fetches()
	if most := 2 + int(time.Since(began)/(30*time.Second)); fetched > most {
		t.Errorf("the keys were fetched %d times", fetched)
	}
	x.change(t, "bound_subject: job", "bound_subject: nobody")
	eventually(t, "a workload that was taken out is refused", func() bool { return ask(honest, good) == http.StatusUnauthorized })
	if n := of.Fetches(); n != fetched { // who asked for one has waited for it
		t.Errorf("a reload fetches keys that are known: %d", n-fetched)
	}
	x.change(t, "bound_subject: nobody", "bound_subject: job")
	eventually(t, "it is served again", func() bool { return ask(honest, good) == http.StatusOK })
	x.change(t, "audiences: [", "jwks_file: none, audiences: [")
	eventually(t, "an invalid file is told of", func() bool { return x.metric(t, "vaultferry_configuration_stale") == 1 })
	if code := ask(honest, good); code != http.StatusOK {
		t.Errorf("after a reload of a configuration without its keys: %d", code)
	}
}

// change writes the configuration anew, and has it read.
func (x *target) change(t *testing.T, old, next string) {
	t.Helper()
	file := filepath.Join(x.dir, "vaultferry.yaml")
	b, err := os.ReadFile(file)
	must(t, err)
	if !strings.Contains(string(b), old) {
		t.Fatalf("there is no %q", old)
	}
	must(t, os.WriteFile(file, []byte(strings.Replace(string(b), old, next, 1)), 0o600))
	must(t, syscall.Kill(x.pid, syscall.SIGHUP))
}
