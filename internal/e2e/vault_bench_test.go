package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// BenchmarkGetFromVault is a GET of a current secret through the gateway, over
// loopback HTTP with authentication and an audit file, from a Vault on the same
// machine, beside the same read of Vault itself by the same client. With 16
// connections the metric vault/ours, time over time for as many reads, is to be
// at least 0.5; with one connection ours/vault, of the medians, is to be at most
// 2.5.
func BenchmarkGetFromVault(b *testing.B) {
	const connections, reads = 16, 25
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	server := vaulttest.Shared(b)
	mount := server.NewMount(b)
	g := gatewaytest.New(b, gatewaytest.Options{AuditLog: log, Stores: []gateway.Store{{Name: "main", Backend: openVault(b, server, mount, "main")}}})
	seed(b, g, "main", "bench", "a value of some length, as passwords are")
	front := httptest.NewServer(g.Handler)
	defer front.Close()
	ours := request(b, front.URL+"/secrets/bench/?api-version=2026-04-01", g.Token)
	vault := request(b, server.Address+"/v1/"+mount+"/data/bench", "")
	vault.Host = ""
	vault.Header.Set("X-Vault-Token", vaulttest.RootToken)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	get := func(r *http.Request) (int, []byte) {
		resp, err := client.Do(r)
		if err != nil {
			b.Error(err)
			return 0, nil
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			b.Error(err)
		}
		return resp.StatusCode, body
	}
	for _, r := range []*http.Request{ours, vault} {
		if status, body := get(r); status != http.StatusOK {
			b.Fatalf("%s answers %d: %s", r.URL, status, body)
		}
	}
	b.Run("one", func(b *testing.B) { compare(b, func() { get(ours) }, func() { get(vault) }, "ours/vault") })
	b.Run(fmt.Sprint(connections), func(b *testing.B) {
		burst := func(r *http.Request) {
			var all sync.WaitGroup
			for range connections {
				all.Go(func() {
					for range reads {
						get(r)
					}
				})
			}
			all.Wait()
		}
		compare(b, func() { burst(vault) }, func() { burst(ours) }, "vault/ours")
	})
}
