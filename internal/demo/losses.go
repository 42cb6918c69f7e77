package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// manyVersions is more versions than CSMS holds.
const manyVersions = 25

// lossAct is the third act: a secret with more versions than the target holds.
// What would be lost is foretold and refused, then kept whole in an archive,
// and restored from there into a store that holds it all.
type lossAct struct {
	*runner
	name          string
	from, to      []view // all versions, and too few
	home          []view // where the archive is restored
	blob          []byte
	foretold      []secret.Loss
	all           map[string]string // value by id, as the first of from says
	first, oldest string            // an id of from, and the same version's in to
}

func (a *lossAct) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{a.write, a.forecast, a.refused, a.archived} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a *lossAct) write(ctx context.Context) error {
	v := a.from[0]
	for i := range manyVersions {
		id, err := v.write(ctx, a.name, fmt.Sprint("value ", i+1), i == 0)
		if err != nil {
			return a.failed(v, "write "+a.name, err)
		}
		if i == 0 {
			a.first, a.oldest = id, "v1"
		}
	}
	var err error
	if a.all, err = readAll(ctx, v, a.name); err != nil {
		return a.failed(v, "read "+a.name, err)
	}
	if err := a.step(v, len(a.all) == manyVersions, "wrote %s, %d versions", a.name, manyVersions); err != nil {
		return err
	}
	if a.blob, err = v.backup(ctx, a.name); err != nil {
		return a.failed(v, "back up "+a.name, err)
	}
	return a.step(v, true, "backed up %s: %d bytes, sealed", a.name, len(a.blob))
}

// command is the target as the command line sees it.
func (a *lossAct) command() view { return view{dialect: "cli", store: a.to[0].store} }

func (a *lossAct) restore(ctx context.Context, dryRun bool) (*gateway.Outcome, error) {
	return a.g.RestoreWithArchive(ctx, a.to[0].store, a.blob, dryRun)
}

func (a *lossAct) forecast(ctx context.Context) error {
	v := a.command()
	out, err := a.restore(ctx, true)
	if err != nil {
		return a.failed(v, "foretell", err)
	}
	a.foretold = out.Losses
	gone, why := lostVersions(out.Losses)
	ok := len(gone)+len(out.Secret.Versions) == manyVersions && len(gone) > 0
	if err := a.step(v, ok, "foretold: %d of %d versions would go, %s: %s", len(gone), manyVersions, strings.Join(gone, " "), why); err != nil || ok {
		return err
	}
	return errDiffer
}

// lostVersions lists the versions that go, and why.
func lostVersions(losses []secret.Loss) (ids []string, why string) {
	for _, l := range losses {
		if l.What == "version" {
			ids = append(ids, "v"+l.Version.String())
			why, _, _ = strings.Cut(l.Why, ";") // what more there is tells which
		}
	}
	return ids, why
}

// refused proves that nobody loses anything without having said so.
func (a *lossAct) refused(ctx context.Context) error {
	for _, v := range a.to {
		err := v.restore(ctx, a.blob)
		ids, _ := v.ids(ctx, a.name) // of what is not there, an error
		ok := refusedAs(err, "this would lose data: version 1 is not kept: ") && len(ids) == 0
		if err := a.step(v, ok, "restoring it is refused, and nothing is written"); err != nil {
			return err
		}
		if !ok {
			return errors.Join(errDiffer, err)
		}
	}
	return nil
}

// archived restores it all the same, and finds every version: the newest in the
// target, and all of them in what was kept.
func (a *lossAct) archived(ctx context.Context) error {
	v := a.command()
	out, err := a.restore(ctx, false)
	if err != nil {
		return a.failed(v, "restore with an archive", err)
	}
	ok := slices.Equal(out.Losses, a.foretold)
	err = errors.Join(
		a.step(v, ok, "restored with an archive: %d versions stand, as foretold", len(out.Secret.Versions)),
		a.step(v, ok, "the whole is kept, sealed: %s", filepath.Base(out.Archive)),
	)
	if err != nil {
		return err
	}
	if !ok {
		return errDiffer
	}
	if err := a.standing(ctx, len(out.Secret.Versions)); err != nil {
		return err
	}
	kept, err := os.ReadFile(out.Archive)
	if err != nil {
		return a.failed(v, "read the archive", err)
	}
	home := a.home[0]
	if err := home.restore(ctx, kept); err != nil {
		return a.failed(home, "restore the archive", err)
	}
	if err := a.step(home, true, "restored %s from the archive", a.name); err != nil {
		return err
	}
	if err := a.readOld(ctx, a.name, a.first, a.all[a.first], home.dialect, a.home); err != nil {
		return err
	}
	return a.compare(ctx, a.name, manyVersions, a.from, a.home)
}

// standing proves that the target holds the newest under their old ids and
// values, and answers for the oldest that it is not there.
func (a *lossAct) standing(ctx context.Context, want int) error {
	v := a.to[0]
	have, err := readAll(ctx, v, a.name)
	if err != nil {
		return a.failed(v, "read "+a.name, err)
	}
	maps.DeleteFunc(have, func(id, value string) bool { return a.all[id] != value })
	_, gone := a.to[1].read(ctx, a.name, a.oldest)
	ok := len(have) == want && gone != nil
	if err := a.step(v, ok, "%d versions answer by their old ids, %s is not there", len(have), a.oldest); err != nil || ok {
		return err
	}
	return errDiffer
}
