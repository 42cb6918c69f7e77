package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/config"
)

func (a *app) demoCommand() *cobra.Command {
	var reveal, keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job: a secret leaves by one dialect and comes back by the other",
		Long: `Starts a gateway over two embedded stores, bolt on disk and memory, on a free
loopback port, and carries a secret with several versions from each to the
other, sealed, over the gateway's own HTTPS endpoints: written and backed up
through one dialect, restored through the other. Then it asks for an old
version by its old id and compares both sides version by version.

In the third act a secret has more versions than a store like Huawei's CSMS
holds: what would be lost is foretold and refused, then kept whole in an
archive, from which every version comes back.

Exit code 0 if everything came across, else 1.`,
		Example: `  vaultferry demo
  vaultferry demo --reveal --keep`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), reveal, keep) },
	}
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show the values")
	cmd.Flags().BoolVar(&keep, "keep", false, "go on serving afterwards")
	return cmd
}

func demoStores(dir string) []config.Store {
	return []config.Store{
		{Name: "bolt", Backend: "bolt", Sections: map[string]any{"bolt": map[string]any{"path": filepath.Join(dir, "demo.db")}}},
		{Name: "memory", Backend: "memory"},
		{Name: "csms", Backend: "memory", Sections: map[string]any{"memory": map[string]any{"as": "csms"}}},
	}
}

// demo runs the steps while the gateway serves.
func (a *app) demo(ctx context.Context, reveal, keep bool) (err error) {
	s, err := a.newSandbox("127.0.0.1:0", demoStores)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := s.listen(ctx, a); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.parts.close()) }()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(serving)
	g.Go(func() error { return s.server.Run(serving) })
	g.Go(func() error {
		defer stop()
		if err := a.demoRun(gctx, s, reveal); err != nil || !keep {
			return err
		}
		if err := errors.Join(s.hand(), s.guide(a)); err != nil {
			return err
		}
		<-gctx.Done()
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if !keep {
		return ctx.Err()
	}
	return nil
}

// tour prints and remembers what each step found.
type tour struct {
	a      *app
	reveal bool
	steps  []stepView
}

type stepView struct {
	Dialect string `json:"dialect"`
	Store   string `json:"store"`
	Did     string `json:"did"`
	OK      bool   `json:"ok"`
}

func (t *tour) step(p place, ok bool, format string, args ...any) error {
	v := stepView{p.dialect, p.store, fmt.Sprintf(format, args...), ok}
	t.steps = append(t.steps, v)
	if t.a.json() {
		return nil
	}
	word := "ok  "
	if !ok {
		word = "FAIL"
	}
	_, err := fmt.Fprintf(t.a.out, "%s  %-6s  %-6s  %s\n", word, v.Dialect, v.Store, v.Did)
	return err
}

// mask shows how long a value is, or the value.
func (t *tour) mask(value string) string {
	if t.reveal {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("******** (%d bytes)", len(value))
}

// place is a side with the words for it.
type place struct {
	side
	dialect, store string
}

func (a *app) demoRun(ctx context.Context, s *sandbox, reveal bool) error {
	c := s.client()
	defer c.CloseIdleConnections()
	azBolt, hwBolt := s.through(a, c, "bolt")
	azMemory, hwMemory := s.through(a, c, "memory")
	azCSMS, hwCSMS := s.through(a, c, "csms")
	boltPlaces := []place{{azBolt, "azure", "bolt"}, {hwBolt, "huawei", "bolt"}}
	memoryPlaces := []place{{azMemory, "azure", "memory"}, {hwMemory, "huawei", "memory"}}
	csmsPlaces := []place{{azCSMS, "azure", "csms"}, {hwCSMS, "huawei", "csms"}}
	t := &tour{a: a, reveal: reveal}
	err := errors.Join(
		t.ferry(ctx, "from-azure", boltPlaces[0], memoryPlaces[1], boltPlaces, memoryPlaces),
		t.ferry(ctx, "from-huawei", memoryPlaces[1], boltPlaces[0], memoryPlaces, boltPlaces),
		(&narrow{tour: t, s: s, name: "many-versions", from: memoryPlaces, to: csmsPlaces, home: boltPlaces}).run(ctx),
	)
	ok := err == nil
	if a.json() {
		return errors.Join(err, a.print(map[string]any{"ok": ok, "steps": t.steps}, nil))
	}
	if ok {
		_, err = fmt.Fprintln(a.out, "\nboth directions: every version came across, each under its own id; what did not fit is in the archive")
	}
	return err
}

var errDiffer = errors.New("the two sides differ")

func demoValues() []string {
	return []string{"correct horse battery staple", "-----BEGIN DEMO-----\nline two\n-----END DEMO-----\n", "motdepasse-été", ""}
}

// ferry writes at one place, restores at another, and compares the stores.
func (t *tour) ferry(ctx context.Context, name string, from, to place, source, target []place) error {
	var ids []string
	values := demoValues()
	for i, value := range values {
		id, err := from.write(ctx, name, value, i == 0)
		if err != nil {
			return t.fail(from, "write "+name, err)
		}
		ids = append(ids, id)
		if err := t.step(from, true, "wrote %s, version %s: %s", name, id, t.mask(value)); err != nil {
			return err
		}
	}
	blob, err := from.backup(ctx, name)
	if err != nil {
		return t.fail(from, "back up "+name, err)
	}
	if err := t.step(from, true, "backed up %s: %d bytes, sealed", name, len(blob)); err != nil {
		return err
	}
	if err := to.restore(ctx, blob); err != nil {
		return t.fail(to, "restore "+name, err)
	}
	if err := t.step(to, true, "restored %s", name); err != nil {
		return err
	}
	if err := t.old(ctx, name, ids[0], values[0], from.dialect, target); err != nil {
		return err
	}
	return t.compare(ctx, name, len(values), source, target)
}

func (t *tour) fail(p place, what string, err error) error {
	return errors.Join(t.step(p, false, "%s", what), fmt.Errorf("%s through %s in %s: %w", what, p.dialect, p.store, err))
}

// old asks the other store for the first version by the id that it had.
func (t *tour) old(ctx context.Context, name, id, want, dialect string, target []place) error {
	p := target[slices.IndexFunc(target, func(p place) bool { return p.dialect == dialect })]
	got, err := p.read(ctx, name, id)
	if err != nil {
		return t.fail(p, "read old version "+id, err)
	}
	if err := t.step(p, got == want, "old version %s answers: %s", id, t.mask(got)); err != nil {
		return err
	}
	if got != want {
		return errDiffer
	}
	return nil
}

// compare reads every version from both stores through both dialects.
func (t *tour) compare(ctx context.Context, name string, versions int, source, target []place) error {
	for i := range source {
		a, err := everything(ctx, source[i], name)
		if err != nil {
			return t.fail(source[i], "read "+name, err)
		}
		b, err := everything(ctx, target[i], name)
		if err != nil {
			return t.fail(target[i], "read "+name, err)
		}
		same := len(a) == versions && maps.Equal(a, b)
		if err := t.step(target[i], same, "compared with %s: %d of %d versions, ids and values", source[i].store, len(b), versions); err != nil {
			return err
		}
		if !same {
			return errDiffer
		}
	}
	return nil
}

// everything is each version's value by its id.
func everything(ctx context.Context, p place, name string) (map[string]string, error) {
	ids, err := p.ids(ctx, name)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, id := range ids {
		if all[id], err = p.read(ctx, name, id); err != nil {
			return nil, err
		}
	}
	return all, nil
}
