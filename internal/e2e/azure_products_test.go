package e2e

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// keyVaultSuite drives a store of one product through the vendor's Go client,
// which verifies the challenge. other is a second store of the product.
type keyVaultSuite struct {
	gateway      *gatewaytest.Gateway
	store, other string
	days         int // of retention
	most         int // that the product holds of a secret; zero: any number
}

// atMost is n, or as many versions as the product holds.
func (s *keyVaultSuite) atMost(n int) int {
	if s.most > 0 {
		return min(n, s.most)
	}
	return n
}

// keyVaultParts run at once, each under names of its own.
var keyVaultParts = map[string]func(*keyVaultSuite, *testing.T){
	"life":         (*keyVaultSuite).life,
	"versions":     (*keyVaultSuite).versions,
	"values":       (*keyVaultSuite).values,
	"errors":       (*keyVaultSuite).errors,
	"errors-trash": (*keyVaultSuite).trashErrors,
	"writers":      (*keyVaultSuite).writers,
	"updaters":     (*keyVaultSuite).updaters,
	"move":         (*keyVaultSuite).move,
}

// TestKeyVaultOverProducts is the whole life of a secret with azsecrets, over
// every product, with the retention that a vault has by default: that of a
// real one cannot be chosen here. Lists need stores in which nothing else
// happens.
func TestKeyVaultOverProducts(t *testing.T) {
	t.Parallel()
	for kind, open := range products {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var stores []gateway.Store
			for _, name := range []string{"one", "two", "lists", "trash"} {
				stores = append(stores, gateway.Store{Name: name, Kind: kind, Backend: open(t, name), Concurrency: 64})
			}
			caps := stores[0].Backend.Capabilities()
			keyVault(t, gatewaytest.New(t, gatewaytest.Options{Stores: stores, MaxBlobs: 16}), retentionDays(caps), caps.MaxVersions)
		})
	}
}

// TestKeyVaultBehindFolders is the same where all stores are folders of one.
func TestKeyVaultBehindFolders(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"memory", "bolt", "hashivault"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			keyVault(t, gatewaytest.New(t, gatewaytest.Options{
				Stores:   []gateway.Store{{Name: "shared", Kind: kind, Backend: products[kind](t, "shared"), RetentionDays: 7}},
				Azure:    []azure.Route{{Host: "*.vault.localhost", Store: "shared", Prefix: "teams/{1}/"}},
				MaxBlobs: 16,
			}), 7, 0)
		})
	}
}

// retentionDays are those of a store that says no other, as far as the product
// goes.
func retentionDays(c backends.Capabilities) int {
	if c.MaxRetention > 0 {
		return min(gateway.DefaultRetentionDays, int(c.MaxRetention/(24*time.Hour)))
	}
	return gateway.DefaultRetentionDays
}

func keyVault(t *testing.T, g *gatewaytest.Gateway, days, versions int) {
	t.Helper()
	for name, part := range keyVaultParts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(&keyVaultSuite{g, "one", "two", days, versions}, t)
		})
	}
	t.Run("lists", func(t *testing.T) {
		t.Parallel()
		(&keyVaultSuite{g, "lists", "", days, versions}).lists(t)
	})
	t.Run("deleted lists", func(t *testing.T) {
		t.Parallel()
		(&keyVaultSuite{g, "trash", "", days, versions}).deletedLists(t)
	})
}

func (s *keyVaultSuite) client(t *testing.T, store string) *azsecrets.Client {
	t.Helper()
	return s.clientAs(t, store, s.gateway.Token)
}

func (s *keyVaultSuite) clientAs(t *testing.T, store, bearer string) *azsecrets.Client {
	t.Helper()
	c, err := azsecrets.NewClient(s.gateway.VaultURL(store), token(bearer), &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: s.gateway.Client, Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
