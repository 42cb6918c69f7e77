package fleet

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// life is how long gateways are killed; "make soak" asks for more.
var life = flag.Duration("fleet", 12*time.Second, "how long the gateways of TestFleet are killed, one each second")

// TestFleet: three gateways over one store behind a round-robin, of which one is
// killed each second. Over PostgreSQL no acknowledged write is lost, no version is
// there twice, no client of a vendor's is refused for longer than it tries by
// itself, and what clients are told is linearizable.
func TestFleet(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{})
	f := newFleet(t, 3, fmt.Sprintf("postgres, postgres: { dsn: %q }", server.DSN("postgres")))
	r := f.live(t)
	t.Logf("PostgreSQL: %s", r)
	for _, problem := range slices.Concat(r.refused, r.lost, r.doubled, r.violated, r.undecided) {
		t.Error(problem)
	}
	if r.cut > 1+(r.acknowledged+r.calls)/1000 {
		t.Errorf("%d calls were cut at each try", r.cut)
	}
	if r.unknown > 1+r.calls/20 {
		t.Errorf("%d of %d calls are of unknown outcome: too few are known to tell anything", r.unknown, r.calls)
	}
	f.agree(t)
	f.audits(t, r)
}

// TestFleetOverVault: over one Vault no acknowledged write is lost either. What
// another gateway cannot know, that a write repeats one, is counted.
func TestFleetOverVault(t *testing.T) {
	t.Parallel()
	server := vaulttest.Shared(t)
	f := newFleet(t, 3, fmt.Sprintf("hashivault, hashivault: { address: %q, mount: %q, token: { env: VAULT_TOKEN } }", server.Address, server.NewMount(t)))
	r := f.live(t)
	t.Logf("HashiCorp Vault KV v2: %s", r)
	for _, problem := range slices.Concat(r.lost) {
		t.Error(problem)
	}
	f.agree(t)
}

// report is what came of a fleet's life.
type report struct {
	kills, acknowledged, calls, unknown, cut    int
	refused, lost, doubled, violated, undecided []string
	mu                                          sync.Mutex
}

func (r *report) String() string {
	return fmt.Sprintf("%d kills; %d versions acknowledged, %d lost, %d doubled; %d calls in histories, %d of unknown outcome, %d histories not linearizable; %d calls refused for longer than their client tried, and %d cut at each try",
		r.kills, r.acknowledged, len(r.lost), len(r.doubled), r.calls, r.unknown, len(r.violated), len(r.refused), r.cut)
}

// refuse counts a call that failed, once its client has given up: because gateways
// refused it, or because each try of it was cut.
func (r *report) refuse(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, azure := errors.AsType[*azcore.ResponseError](err)
	_, huawei := errors.AsType[*sdkerr.ServiceResponseError](err)
	if !azure && !huawei {
		r.cut++
		return
	}
	r.refused = append(r.refused, fmt.Sprintf("%s was refused: %v", what, err))
}

// Names of the clients: each kept one has one writer and only grows, and about
// each shared one all clients do everything.
const (
	keepers = 3
	sharers = 4
	shared  = 3
)

// live kills one gateway each second while clients work.
func (f *fleet) live(t *testing.T) *report {
	t.Helper()
	r := &report{}
	h := newHistory()
	ctx, cancel := context.WithTimeout(t.Context(), *life)
	defer cancel()
	var over atomic.Bool
	context.AfterFunc(ctx, func() { over.Store(true) })
	kept := make([]map[string]bool, 2*keepers) // values by keeper; false: nobody knows
	var working sync.WaitGroup
	for i := range keepers {
		kept[i], kept[keepers+i] = map[string]bool{}, map[string]bool{}
		az, hw := f.azure(t, f.balancer.address), f.huawei(t, f.balancer.address)
		working.Go(func() { r.keepAzure(t.Context(), az, keptName(i), kept[i], &over) })
		working.Go(func() { r.keepHuawei(hw, keptName(keepers+i), kept[keepers+i], &over) })
	}
	for i := range sharers {
		az := f.azureAs(t, f.balancer.address, tokenOf(i))
		working.Go(func() { r.share(t.Context(), az, h, i, &over) })
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !over.Load() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			continue
		}
		g := f.gateways[r.kills%len(f.gateways)]
		r.kills++
		g.kill()
		must(t, g.start())
	}
	working.Wait()
	r.calls, r.unknown = h.count()
	r.violated, r.undecided = h.check(true)
	az := f.azure(t, f.balancer.address)
	for i := range kept {
		r.compare(t, az, keptName(i), kept[i])
	}
	return r
}

func keptName(i int) string { return fmt.Sprint("kept-", i) }

// keepAzure adds version after version.
func (r *report) keepAzure(ctx context.Context, c *azsecrets.Client, name string, made map[string]bool, over *atomic.Bool) {
	for i := 0; !over.Load(); i++ {
		value := fmt.Sprintf("%s.%d", name, i)
		_, err := c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &value}, nil)
		made[value] = err == nil
		if err != nil {
			r.refuse("SetSecret", err)
		}
	}
}

// keepHuawei does so with a client that tries once, four times as its users do.
func (r *report) keepHuawei(c *csms.CsmsClient, name string, made map[string]bool, over *atomic.Bool) {
	for i := 0; !over.Load(); i++ {
		value := fmt.Sprintf("%s.%d", name, i)
		err := patiently(func() error {
			if i == 0 {
				_, err := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: &value}})
				return err
			}
			_, err := c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: name, Body: &model.CreateSecretVersionRequestBody{SecretString: &value}})
			return err
		})
		made[value] = err == nil
		if err != nil {
			r.refuse("CreateSecretVersion", err)
		}
	}
}

// patiently tries as often, and waits as long, as the other vendor's client.
func patiently(call func() error) (err error) {
	for n := range 4 {
		if err = call(); err == nil {
			return nil
		}
		<-time.After(800 * time.Millisecond << n)
	}
	return err
}

// share does whatever may be done to the names that all share.
func (r *report) share(ctx context.Context, c *azsecrets.Client, h *history, id int, over *atomic.Bool) {
	random := rand.New(rand.NewPCG(1, uint64(id)))
	for i := 0; !over.Load(); i++ {
		// A name is done with after a second: a history is cheap to check while it is short.
		name := fmt.Sprintf("shared-%d-%d", random.IntN(shared), h.now()/int64(time.Second))
		in := input{verb: verbs[random.IntN(len(verbs))], client: id}
		switch in.verb {
		case doCreate, doCurrent:
			in.verb = doPut // Azure's API has no such calls
		case doGet, doPut, doDelete, doRecover, doPurge:
		}
		if in.verb == doPut {
			in.value = fmt.Sprintf("v%d.%d", id, i)
		}
		h.record(id, name, in, func() (output, bool) {
			ctx, tries := countTries(ctx)
			value, err := azureCall(ctx, c, name, in)
			if err == nil {
				return output{done, value}, true
			}
			answer, answered := errors.AsType[*azcore.ResponseError](err)
			switch {
			case answered && answer.StatusCode < http.StatusInternalServerError && in.verb != doGet && *tries > 1:
				// The refusal is of the last try. An earlier one may have done it, and others
				// have changed the secret since.
				return output{result: unknown}, true
			case answered && in.verb == doPut && answer.StatusCode == http.StatusConflict:
				return output{result: trashed}, true
			case answered && (answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusConflict):
				return output{result: absent}, true
			}
			r.refuse(string(in.verb), err)
			return output{result: unknown}, true
		})
	}
}

func azureCall(ctx context.Context, c *azsecrets.Client, name string, in input) (value string, err error) {
	switch in.verb {
	case doPut:
		_, err = c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &in.value}, nil)
	case doGet:
		var got azsecrets.GetSecretResponse
		if got, err = c.GetSecret(ctx, name, "", nil); err == nil {
			value = *got.Value
		}
	case doDelete:
		_, err = c.DeleteSecret(ctx, name, nil)
	case doRecover:
		_, err = c.RecoverDeletedSecret(ctx, name, nil)
	case doPurge:
		_, err = c.PurgeDeletedSecret(ctx, name, nil)
	case doCreate, doCurrent:
		err = errors.New("Azure's API has no such call")
	}
	return value, err
}

// compare reads all versions of a kept secret.
func (r *report) compare(t *testing.T, c *azsecrets.Client, name string, made map[string]bool) {
	t.Helper()
	there := map[string]int{}
	for pages := c.NewListSecretPropertiesVersionsPager(name, nil); pages.More(); {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		for _, v := range page.Value {
			got, err := c.GetSecret(t.Context(), name, v.ID.Version(), nil)
			must(t, err)
			there[*got.Value]++
		}
	}
	for value, acknowledged := range made {
		if acknowledged {
			r.acknowledged++
		}
		if acknowledged && there[value] == 0 {
			r.lost = append(r.lost, value+" was acknowledged and is lost")
		}
		if there[value] > 1 {
			r.doubled = append(r.doubled, fmt.Sprintf("%s is there %d times", value, there[value]))
		}
	}
}

// agree wants all gateways to show the same, and what one hands out to be good at
// another.
func (f *fleet) agree(t *testing.T) {
	t.Helper()
	list := func(c *azsecrets.Client) (names []string) {
		for pages := c.NewListSecretPropertiesPager(nil); pages.More(); { // each page is another gateway's behind the balancer
			page, err := pages.NextPage(t.Context())
			must(t, err)
			for _, s := range page.Value {
				names = append(names, string(*s.ID))
			}
		}
		_, port, _ := strings.Cut(names[0], "localhost:")
		port, _, _ = strings.Cut(port, "/")
		for i := range names {
			names[i] = strings.Replace(names[i], ":"+port, "", 1)
		}
		return names
	}
	whole := list(f.azure(t, f.balancer.address))
	for _, g := range f.gateways {
		if got := list(f.azure(t, g.address)); !slices.Equal(got, whole) {
			t.Errorf("one gateway lists %d secrets, all of them %d", len(got), len(whole))
		}
	}
	one, two := f.azure(t, f.gateways[0].address), f.azure(t, f.gateways[1].address)
	blob, err := one.BackupSecret(t.Context(), keptName(0), nil)
	must(t, err)
	_, err = one.DeleteSecret(t.Context(), keptName(0), nil)
	must(t, err)
	_, err = two.PurgeDeletedSecret(t.Context(), keptName(0), nil)
	must(t, err)
	_, err = two.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob.Value}, nil)
	must(t, err)
	id := func(address string) string {
		out, err := f.huawei(t, address).ShowSecret(&model.ShowSecretRequest{SecretName: keptName(keepers)})
		must(t, err)
		return *out.Secret.Id
	}
	if a, b := id(f.gateways[0].address), id(f.gateways[2].address); a != b {
		t.Error("two gateways give one secret two ids")
	}
}

// audits wants each gateway's audit to be whole, and the fleet's to answer as one.
func (f *fleet) audits(t *testing.T, r *report) {
	t.Helper()
	var files []string
	for _, g := range f.gateways {
		g.kill()
		files = append(files, filepath.Join(g.dir, "audit.jsonl"))
		if out, err := g.command(t.Context(), "audit", "verify").CombinedOutput(); err != nil {
			t.Errorf("audit verify: %v\n%s", err, out)
		}
	}
	out, err := f.gateways[0].command(t.Context(), append([]string{"audit", "query", "--name", keptName(1), "--op", "azure.SetSecret", "--result", "ok", "--output", "json"}, files...)...).Output()
	if err != nil {
		t.Fatalf("audit query: %v", err)
	}
	if n := bytes.Count(out, []byte(`"azure.SetSecret"`)); n == 0 {
		t.Errorf("the audits of the fleet tell of no write to %s, of %d", keptName(1), r.acknowledged)
	}
}
