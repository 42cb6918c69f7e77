package main

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
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
)

// demoMany is more versions than CSMS holds.
const demoMany = 25

// narrow is the third act: a secret with more versions than the target holds.
// What would be lost is foretold and refused, then kept whole in an archive,
// and restored from there into a store that holds it all.
type narrow struct {
	*tour
	s             *sandbox
	name          string
	from, to      []place // all versions, and too few
	home          []place // where the archive is restored
	blob          []byte
	foretold      []secret.Loss
	all           map[string]string // value by id, as the first of from says
	first, oldest string            // an id of from, and the same version's in to
}

func (n *narrow) run(ctx context.Context) error {
	for _, act := range []func(context.Context) error{n.write, n.forecast, n.refused, n.archived} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (n *narrow) write(ctx context.Context) error {
	p := n.from[0]
	for i := range demoMany {
		id, err := p.write(ctx, n.name, fmt.Sprint("value ", i+1), i == 0)
		if err != nil {
			return n.fail(p, "write "+n.name, err)
		}
		if i == 0 {
			n.first, n.oldest = id, "v1"
		}
	}
	var err error
	if n.all, err = everything(ctx, p, n.name); err != nil {
		return n.fail(p, "read "+n.name, err)
	}
	if err := n.step(p, len(n.all) == demoMany, "wrote %s, %d versions", n.name, demoMany); err != nil {
		return err
	}
	if n.blob, err = p.backup(ctx, n.name); err != nil {
		return n.fail(p, "back up "+n.name, err)
	}
	return n.step(p, true, "backed up %s: %d bytes, sealed", n.name, len(n.blob))
}

// command is the target as the command line sees it.
func (n *narrow) command() place { return place{dialect: "cli", store: n.to[0].store} }

// restore is what `vaultferry restore --on-loss archive` does.
func (n *narrow) restore(ctx context.Context, dryRun bool) (*gateway.Outcome, error) {
	return n.s.parts.service.Restore(ctx, n.a.call("restore"), n.to[0].store, n.blob, gateway.RestoreOptions{
		OnLoss: gateway.LossArchive, DryRun: dryRun, Archive: archive.Dir(filepath.Join(n.s.dir, "archive")),
	})
}

func (n *narrow) forecast(ctx context.Context) error {
	p := n.command()
	out, err := n.restore(ctx, true)
	if err != nil {
		return n.fail(p, "foretell", err)
	}
	n.foretold = out.Losses
	gone, why := lostVersions(out.Losses)
	ok := len(gone)+len(out.Secret.Versions) == demoMany && len(gone) > 0
	if err := n.step(p, ok, "foretold: %d of %d versions would go, %s: %s", len(gone), demoMany, strings.Join(gone, " "), why); err != nil || ok {
		return err
	}
	return errDiffer
}

// lostVersions lists the versions that go, and why.
func lostVersions(losses []secret.Loss) (ids []string, why string) {
	for _, l := range losses {
		if l.What == "version" {
			ids, why = append(ids, "v"+l.Version.String()), l.Why
		}
	}
	return ids, why
}

// refused proves that nobody loses anything without having said so.
func (n *narrow) refused(ctx context.Context) error {
	for _, p := range n.to {
		err := p.restore(ctx, n.blob)
		ids, _ := p.ids(ctx, n.name) // of what is not there, an error
		ok := refusedAs(err, "this would lose data: version 1 is not kept: ") && len(ids) == 0
		if err := n.step(p, ok, "restoring it is refused, and nothing is written"); err != nil {
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
func (n *narrow) archived(ctx context.Context) error {
	p := n.command()
	out, err := n.restore(ctx, false)
	if err != nil {
		return n.fail(p, "restore with an archive", err)
	}
	ok := slices.Equal(out.Losses, n.foretold)
	if err := n.step(p, ok, "restored with an archive: %d versions stand as foretold, the whole is kept sealed in %s", len(out.Secret.Versions), filepath.Base(out.Archive)); err != nil {
		return err
	}
	if !ok {
		return errDiffer
	}
	if err := n.standing(ctx, len(out.Secret.Versions)); err != nil {
		return err
	}
	kept, err := os.ReadFile(out.Archive)
	if err != nil {
		return n.fail(p, "read the archive", err)
	}
	home := n.home[0]
	if err := home.restore(ctx, kept); err != nil {
		return n.fail(home, "restore the archive", err)
	}
	if err := n.step(home, true, "restored %s from the archive", n.name); err != nil {
		return err
	}
	if err := n.old(ctx, n.name, n.first, n.all[n.first], home.dialect, n.home); err != nil {
		return err
	}
	return n.compare(ctx, n.name, demoMany, n.from, n.home)
}

// standing proves that the target holds the newest under their old ids and
// values, and answers for the oldest that it is not there.
func (n *narrow) standing(ctx context.Context, want int) error {
	p := n.to[0]
	have, err := everything(ctx, p, n.name)
	if err != nil {
		return n.fail(p, "read "+n.name, err)
	}
	maps.DeleteFunc(have, func(id, value string) bool { return n.all[id] != value })
	_, gone := n.to[1].read(ctx, n.name, n.oldest)
	ok := len(have) == want && gone != nil
	if err := n.step(p, ok, "%d versions answer by their old ids, %s is not there", len(have), n.oldest); err != nil || ok {
		return err
	}
	return errDiffer
}
