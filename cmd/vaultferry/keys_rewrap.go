package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/keysource"
	"github.com/vaultferry/vaultferry/backup/saved"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

func (a *app) keysRewrapCommand(keyring *string) *cobra.Command {
	run := rewrapping{a: a}
	cmd := &cobra.Command{
		Use: "rewrap PATH...", Short: "Seal backups anew for the key that encrypts now",
		Long: `PATH is a file with backups, in any form that "restore" takes, or the folder of a
repository of snapshots. Each backup is opened and sealed anew in memory for the
keyring's present key, with its origin and its time. It takes the place of the old
one in the file, in the same form; all around it stays. The file is replaced whole
or not at all: if one backup in it cannot be opened, nothing of it changes.

Of a repository the key files alone change: the present key becomes a recipient,
and keys that are retired in this keyring are removed. No document is touched.

What is done already is left as it is, so the same command again goes on where one
was interrupted. A backup that nothing proves (see "inspect") is refused: sealed
anew it would say that a holder of this keyring made it. --vouch says so.

What a cloud made, and copies elsewhere, stay under the old key.`,
		Example: `  vaultferry keys rewrap /backup/*.backup
  vaultferry keys rewrap /backup/vaults /var/lib/vaultferry/archive/* --dry-run`,
		Args: atLeast("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error { return run.all(cmd.Context(), *keyring, args) },
	}
	cmd.Flags().BoolVar(&run.vouch, "vouch", false, "seal anew also what nothing proves")
	run.flags(cmd)
	return cmd
}

// rewrapping is a rewrap on its way.
type rewrapping struct {
	writeFlags
	a     *app
	vouch bool
	at    keysource.Source // of the keyring
	keys  *backup.Keyring
}

// rewrapReport is what became of one path, for programs.
type rewrapReport struct {
	Path    string   `json:"path"`
	Result  string   `json:"result"`            // done, already, would, declined, failed or not tried
	Backups int      `json:"backups,omitempty"` // that were sealed anew, or would be
	Foreign int      `json:"foreign,omitempty"` // that a cloud made: they stay
	Added   string   `json:"added,omitempty"`   // to the recipients of a repository
	Removed []string `json:"removed,omitzero"`  // of these
	Error   string   `json:"error,omitempty"`
}

func (run *rewrapping) all(ctx context.Context, keyring string, paths []string) error {
	if err := run.requireTerminal(run.a); err != nil {
		return err
	}
	var err error
	if run.at, _, err = run.a.sourceOf(keyring); err != nil {
		return err
	}
	if run.keys, err = loadSource(ctx, run.at); err != nil {
		return err
	}
	reports, failed := []rewrapReport{}, failures{}
	for _, path := range paths {
		r := rewrapReport{Path: path, Result: notTried}
		if ctx.Err() == nil {
			switch err := run.one(ctx, &r); {
			case errors.Is(err, errDeclined):
				r.Result = "declined"
			case err != nil:
				r.Result, r.Error = failedOrInterrupted(ctx), message(err)
				run.a.complain(path + ": " + r.Error)
				failed.add(err)
			}
		} else {
			failed.untried++
		}
		reports = append(reports, r)
	}
	failed.complain(run.a)
	err = run.a.print(reports, func(w io.Writer) error {
		for _, r := range reports {
			if _, err := fmt.Fprintf(w, "%s: %s\n", printable(r.Path), r.sentence()); err != nil {
				return err
			}
		}
		return nil
	})
	if failed.untried > 0 || (failed.n > 0 && ctx.Err() != nil) {
		err = errors.Join(err, ctx.Err())
	}
	return errors.Join(err, failed.exit())
}

func (r *rewrapReport) sentence() string {
	did := map[string]string{"done": "sealed anew", "would": "would seal anew"}[r.Result]
	switch {
	case did == "":
		return r.Result
	case r.Backups > 0:
		return fmt.Sprintf("%s: %d", did, r.Backups)
	}
	s := "the repository"
	if r.Added != "" {
		s += ", for key " + r.Added
	}
	for _, kid := range r.Removed {
		s += ", no more for key " + kid
	}
	return did + ": " + s
}

func (run *rewrapping) one(ctx context.Context, r *rewrapReport) error {
	info, err := os.Stat(r.Path)
	switch {
	case err != nil:
		return secret.WithoutPath(err)
	case info.IsDir():
		return run.repository(ctx, r)
	case !info.Mode().IsRegular():
		return errors.New("it is no file")
	}
	return run.file(ctx, r)
}

func (run *rewrapping) repository(ctx context.Context, r *rewrapReport) error {
	repo, err := snapshot.Open(r.Path, run.keys, run.a.now)
	if errors.Is(err, secret.NotFound) {
		return errors.New("it is a folder, and no repository of snapshots: name its files")
	}
	if err != nil {
		return err
	}
	p, err := repo.PlanRewrap()
	if err != nil {
		return err
	}
	r.Added, r.Removed = p.Add, p.Remove
	if done, err := run.decided(ctx, r, p.None(), "wrap the keys of "+r.Path+" anew?"); done || err != nil {
		return err
	}
	err = run.a.locked(ctx, repo, "keys.rewrap", func(_ context.Context, lock *snapshot.Lock) error {
		p, err := repo.Rewrap(lock)
		r.Added, r.Removed = p.Add, p.Remove
		return err
	})
	if err != nil {
		return err
	}
	r.Result = "done"
	e := run.a.auditEntry("cli.keys.rewrap")
	e.Key, e.Reason = r.Added, "repository "+repo.ID()
	return run.a.changedRepository(r.Path, e)
}

// decided ends what is done already, or only foretold, or declined.
func (run *rewrapping) decided(ctx context.Context, r *rewrapReport, nothing bool, question string) (bool, error) {
	switch {
	case nothing:
		r.Result = "already"
	case run.dryRun:
		r.Result = "would"
	default:
		return false, run.approve(ctx, run.a, question)
	}
	return true, nil
}

func (run *rewrapping) file(ctx context.Context, r *rewrapReport) error {
	path, err := filepath.EvalSymlinks(r.Path)
	if err != nil {
		return secret.WithoutPath(err)
	}
	raw, err := run.a.readBlob(ctx, path)
	if err != nil {
		return err
	}
	several := false
	again, err := saved.Replace(raw, func(b saved.Backup) ([]byte, error) {
		if f := backup.FormatOf(b.Blob); f == backup.FormatAzure || f == backup.FormatHuawei {
			r.Foreign++
			return nil, nil
		}
		blob, err := run.keys.Rewrap(b.Blob, run.vouch)
		if blob != nil && err == nil {
			r.Backups++
		}
		if err != nil && b.Path != "" {
			several = true
			err = fmt.Errorf("at %s: %w", printable(b.Path), err)
		}
		return blob, err
	})
	switch {
	case errors.Is(err, secret.Denied):
		return fmt.Errorf("%s; --vouch says so", message(err))
	case err != nil && several:
		return fmt.Errorf("%s; nothing of the file was changed", message(err))
	case err != nil:
		return err
	}
	if done, err := run.decided(ctx, r, r.Backups == 0, fmt.Sprintf("seal %d in %s anew?", r.Backups, r.Path)); done || err != nil {
		return err
	}
	if err := replaceFile(path, raw, again); err != nil {
		return err
	}
	r.Result = "done"
	return run.audit(path)
}

// audit writes the line of a file, if the keyring is that of a gateway.
func (run *rewrapping) audit(path string) error {
	cfg, err := run.a.loadUnresolved()
	if err != nil || !run.a.isOwn(cfg, run.at) {
		return nil // no gateway, no audit
	}
	log, err := audit.OpenWith(cfg.Audit.File, run.a.besideAudit())
	if err != nil {
		return err
	}
	e := run.a.auditEntry("cli.keys.rewrap")
	for _, key := range run.keys.Keys() {
		if key.Use == "enc" && key.Active {
			e.Key = key.ID
		}
	}
	if e.File, err = filepath.Abs(path); err == nil {
		e.Digest, err = fileDigest(path)
	}
	if err == nil {
		err = log.Write(e, true)
	}
	return errors.Join(err, log.Close())
}

// replaceFile puts what was made of a file in its place, whole or not at all, with
// its owner and mode. One that somebody else has changed meanwhile is left.
func replaceFile(path string, was, now []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return secret.WithoutPath(err)
	}
	return secret.WithoutPath(writeWhole(path, true, func(f *os.File) error {
		if _, err := f.Write(now); err != nil {
			return err
		}
		if err := errors.Join(f.Chmod(info.Mode().Perm()), ownfile.Give(f, path)); err != nil {
			return err
		}
		stands, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(stands, was) {
			err = errors.New("somebody else has changed it meanwhile: nothing was done")
		}
		return err
	}))
}
