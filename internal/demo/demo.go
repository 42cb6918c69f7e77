// Package demo shows the main job of a gateway that serves: a secret with
// several versions leaves by one dialect and comes back by the other, both
// ways, and nothing is lost that was not foretold.
package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// The stores that a demo needs, by name.
const (
	boltStore   = "bolt"
	memoryStore = "memory"
	csmsStore   = "csms" // holds as few versions as CSMS
)

// Stores configures the stores that a demo needs, with their files in dir.
func Stores(dir string) []config.Store {
	return []config.Store{
		{Name: boltStore, Backend: "bolt", Sections: map[string]any{"bolt": map[string]any{"path": filepath.Join(dir, "demo.db")}}},
		{Name: memoryStore, Backend: "memory"},
		{Name: csmsStore, Backend: "memory", Sections: map[string]any{"memory": map[string]any{"as": "csms"}}},
	}
}

// Gateway is a gateway that serves the Stores, and how to be its client.
type Gateway struct {
	Client    *http.Client      // finds every host
	Vaults    map[string]string // a store's URL in the azure dialect
	Projects  map[string]string // a store's URL in the huawei dialect
	Token     string
	AccessKey string
	SecretKey secret.Value
	// RestoreWithArchive does what `vaultferry restore --on-loss archive` does.
	RestoreWithArchive func(ctx context.Context, store string, blob []byte, dryRun bool) (*gateway.Outcome, error)
	Now                func() time.Time
}

// Step is one thing that was done, and whether it went as it must.
type Step struct {
	Act     string `json:"act"` // what this and the steps beside it show
	Dialect string `json:"dialect"`
	Store   string `json:"store"`
	Did     string `json:"did"`
	OK      bool   `json:"ok"`
}

// Options of a demo. Report gets each step as it is done.
type Options struct {
	Reveal bool // show the values
	Report func(Step) error
}

// Run does all steps, and fails at the first that does not go as it must.
func Run(ctx context.Context, g Gateway, o Options) error {
	views := func(store string) []view {
		azure, huawei := g.views(store)
		return []view{azure, huawei}
	}
	bolt, memory, csms := views(boltStore), views(memoryStore), views(csmsStore)
	r := &runner{g: &g, o: o}
	act := &lossAct{runner: r, name: "many-versions", from: memory, to: csms, home: bolt}
	r.act = "out by Key Vault's API, back by CSMS's"
	azure := r.move(ctx, "from-azure", bolt[0], memory[1], bolt, memory)
	r.act = "out by CSMS's API, back by Key Vault's"
	huawei := r.move(ctx, "from-huawei", memory[1], bolt[0], memory, bolt)
	r.act = "into a store that holds fewer versions"
	return errors.Join(azure, huawei, act.run(ctx))
}

// runner does the steps and reports them.
type runner struct {
	g   *Gateway
	o   Options
	act string // that the next steps belong to
}

func (r *runner) step(v view, ok bool, format string, args ...any) error {
	return r.o.Report(Step{r.act, v.dialect, v.store, fmt.Sprintf(format, args...), ok})
}

// mask shows how long a value is, or the value.
func (r *runner) mask(value string) string {
	if r.o.Reveal {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("******** (%d bytes)", len(value))
}

// view is a store through one dialect.
type view struct {
	client
	dialect, store string
}

var errDiffer = errors.New("the two sides differ")

func values() []string {
	return []string{"correct horse battery staple", "-----BEGIN DEMO-----\nline two\n-----END DEMO-----\n", "motdepasse-été", ""}
}

// move writes through one view, restores through another, and compares the
// stores.
func (r *runner) move(ctx context.Context, name string, from, to view, source, target []view) error {
	var ids []string
	values := values()
	for i, value := range values {
		id, err := from.write(ctx, name, value, i == 0)
		if err != nil {
			return r.failed(from, "write "+name, err)
		}
		ids = append(ids, id)
		if err := r.step(from, true, "wrote %s, version %s: %s", name, id, r.mask(value)); err != nil {
			return err
		}
	}
	blob, err := from.backup(ctx, name)
	if err != nil {
		return r.failed(from, "back up "+name, err)
	}
	if err := r.step(from, true, "backed up %s: %d bytes, sealed", name, len(blob)); err != nil {
		return err
	}
	if err := to.restore(ctx, blob); err != nil {
		return r.failed(to, "restore "+name, err)
	}
	if err := r.step(to, true, "restored %s", name); err != nil {
		return err
	}
	if err := r.readOld(ctx, name, ids[0], values[0], from.dialect, target); err != nil {
		return err
	}
	return r.compare(ctx, name, len(values), source, target)
}

func (r *runner) failed(v view, what string, err error) error {
	return errors.Join(r.step(v, false, "%s", what), fmt.Errorf("%s through %s in %s: %w", what, v.dialect, v.store, err))
}

// readOld asks the other store for the first version by the id that it had.
func (r *runner) readOld(ctx context.Context, name, id, want, dialect string, target []view) error {
	v := target[slices.IndexFunc(target, func(v view) bool { return v.dialect == dialect })]
	got, err := v.read(ctx, name, id)
	if err != nil {
		return r.failed(v, "read old version "+id, err)
	}
	if err := r.step(v, got == want, "old version %s answers: %s", id, r.mask(got)); err != nil {
		return err
	}
	if got != want {
		return errDiffer
	}
	return nil
}

// compare reads every version from both stores through both dialects.
func (r *runner) compare(ctx context.Context, name string, versions int, source, target []view) error {
	for i := range source {
		a, err := readAll(ctx, source[i], name)
		if err != nil {
			return r.failed(source[i], "read "+name, err)
		}
		b, err := readAll(ctx, target[i], name)
		if err != nil {
			return r.failed(target[i], "read "+name, err)
		}
		same := len(a) == versions && maps.Equal(a, b)
		if err := r.step(target[i], same, "compared with %s: %d of %d versions, ids and values", source[i].store, len(b), versions); err != nil {
			return err
		}
		if !same {
			return errDiffer
		}
	}
	return nil
}

// readAll is each version's value by its id.
func readAll(ctx context.Context, v view, name string) (map[string]string, error) {
	ids, err := v.ids(ctx, name)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, id := range ids {
		if all[id], err = v.read(ctx, name, id); err != nil {
			return nil, err
		}
	}
	return all, nil
}
