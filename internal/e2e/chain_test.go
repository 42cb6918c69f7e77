package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"
	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// nativeWrite writes a version with the product's own client alone.
type nativeWrite func(ctx context.Context, name, value string) error

// world is one gateway over the stores that chains lead through.
type world struct {
	*gatewaytest.Gateway
	stops   []*stop
	natives map[string]nativeWrite // by store
}

func newWorld(t *testing.T, stores map[string]backends.Backend, natives map[string]nativeWrite) *world {
	t.Helper()
	w := &world{natives: natives}
	var of []gateway.Store
	for name, b := range stores {
		of = append(of, gateway.Store{Name: name, Kind: name, Backend: b, OnLoss: gateway.LossAccept})
	}
	w.Gateway = gatewaytest.New(t, gatewaytest.Options{Stores: of, MaxBlobs: 16})
	slices.SortFunc(of, func(a, b gateway.Store) int { return compareNames(a.Name, b.Name) })
	for _, s := range of {
		w.stops = append(w.stops, newStop(t, w.Gateway, s.Kind, s.Name, s.Backend))
	}
	return w
}

func compareNames(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

// TestChains: whatever becomes of a secret in cheap stores, its versions stay
// who they are.
func TestChains(t *testing.T) {
	t.Parallel()
	stores := map[string]backends.Backend{}
	for _, kind := range []string{"memory", "bolt", "postgres"} {
		stores[kind] = products[kind](t, kind)
	}
	for as, im := range all.Profiles() {
		stores[as] = memory.New(memory.Options{}).Imitate(im)
	}
	newWorld(t, stores, nil).walk(t, 1*slowness)
}

// TestChainsOfProducts is the same over the real ones, where native clients
// write as well. It makes one chain in 10 of rapid's checks.
func TestChainsOfProducts(t *testing.T) {
	t.Parallel()
	stores, natives := map[string]backends.Backend{}, map[string]nativeWrite{}
	for _, kind := range []string{"memory", "bolt", "postgres", "hashivault1"} {
		stores[kind] = moving()[kind](t, kind)
	}
	server := vaulttest.Shared(t)
	mount := server.NewMount(t)
	stores["hashivault"] = openVault(t, server, mount, "hashivault")
	kv := server.Client(t, vaulttest.RootToken).KVv2(mount)
	natives["hashivault"] = func(ctx context.Context, name, value string) error {
		_, err := kv.Put(ctx, name, map[string]any{"value": value})
		return err
	}
	clock := seconds() // a vault knows whole ones, and native versions of one are in no order
	vault := newCloudAt(t, clock)
	stores["azurekv"] = openAt(t, azurekv.Driver, "azurekv", overCloud(t, vault), clock)
	az := (&keyVaultSuite{gateway: vault}).client(t, "cloud")
	natives["azurekv"] = func(ctx context.Context, name, value string) error {
		_, err := az.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &value}, nil)
		return err
	}
	cloud := newCloud(t)
	stores["huaweicsms"] = open(t, huaweicsms.Driver, "huaweicsms", overCSMS(t, cloud))
	hw := (&csmsSuite{gateway: cloud}).client(t, "cloud")
	natives["huaweicsms"] = func(_ context.Context, name, value string) error {
		_, err := hw.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: name, Body: &model.CreateSecretVersionRequestBody{SecretString: &value}})
		return err
	}
	newWorld(t, stores, natives).walk(t, 10*slowness)
}

// seconds is a clock that goes by one each time it is read.
func seconds() func() time.Time {
	start, n := time.Now(), new(atomic.Int64)
	return func() time.Time { return start.Add(time.Duration(n.Add(1)) * time.Second) }
}

// walk leads one secret in so many of rapid's checks through a chain.
func (w *world) walk(t *testing.T, checksPerChain int) {
	t.Helper()
	run, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if run++; checksPerChain > 1 && run%checksPerChain != 1 && !failed {
			return
		}
		s := backendtest.Document(rt)
		s.Name = secret.Name(fmt.Sprintf("chain-%d", run))
		c := &chain{world: w, name: s.Name, values: map[secret.UID]secret.Value{}, ordinals: map[secret.UID]secret.Ordinal{}}
		c.follow(t.Context(), rt, s)
		for _, wrong := range c.wrong {
			failed = true
			rt.Error(wrong)
		}
	})
}
