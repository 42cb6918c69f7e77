package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/control"
	"github.com/vaultferry/vaultferry/internal/textfile"
)

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Verify, search, export, prove and rotate the audit",
		Long: `The audit is a file of JSON lines, each chained to the one before. A running
gateway signs a checkpoint over all lines each minute. Keep one elsewhere: with
it anybody can tell whether lines were changed, removed or made up since.

FILE is a file of the audit; those that end in .gz are unpacked. Without one, all
files of the audit that the configuration names are read.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.auditVerifyCommand(), a.auditQueryCommand(), a.auditExportCommand(), a.auditProofCommand(),
		a.auditCheckpointCommand(), a.auditRotateCommand(),
	)
	return cmd
}

// auditLogs are the files that were named, by the log that they are of, or those of
// the configuration.
func (a *app) auditLogs(named []string) ([][]string, error) {
	if len(named) == 0 {
		files, err := a.auditFiles(nil)
		return [][]string{files}, err
	}
	logs, err := audit.Logs(named)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return logs, nil
}

// auditFiles are those that were named, in the order of their lines, or those
// of the configuration.
func (a *app) auditFiles(named []string) ([]string, error) {
	if len(named) > 0 {
		files, err := audit.InOrder(named)
		if err != nil {
			return nil, &exitError{exitUsage, err}
		}
		return files, nil
	}
	cfg, _, err := a.load()
	if err != nil {
		return nil, err
	}
	files, err := audit.Files(cfg.Audit.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil, usagef("audit.file: there is no %s", cfg.Audit.File)
	}
	return files, err
}

// auditKeys are those of the file, or of the configuration's keyring where one
// can be read.
func (a *app) auditKeys(ctx context.Context, file string) ([]crypto.PublicKey, error) {
	if file != "" {
		return readPublicKeys(file)
	}
	cfg, _, err := a.load()
	if err != nil {
		return nil, nil //nolint:nilerr // without a configuration there are no keys, which the report says
	}
	ring, err := a.keyring(ctx, cfg)
	if err != nil {
		return nil, nil //nolint:nilerr // likewise
	}
	return signingKeys(ring), nil
}

func signingKeys(ring *backup.Keyring) (keys []crypto.PublicKey) {
	for _, k := range ring.SigningKeys() {
		keys = append(keys, k.Public)
	}
	return keys
}

// maxKeyFile bounds a file of public keys.
const maxKeyFile = 4 << 20

// readPublicKeys reads a JWK set, or keys in PEM.
func readPublicKeys(file string) (keys []crypto.PublicKey, err error) {
	all, err := readSigningKeys(file)
	for _, k := range all {
		keys = append(keys, k.Public)
	}
	return keys, err
}

// readSigningKeys is readPublicKeys with what a JWK set says of its keys.
func readSigningKeys(file string) ([]backup.SigningKey, error) {
	text, err := readText(file, maxKeyFile)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	var keys []backup.SigningKey
	if ring, err := backup.ParseKeyring(text); err == nil {
		keys = ring.SigningKeys()
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if k, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			keys = append(keys, backup.SigningKey{Public: k})
		}
	}
	if len(keys) == 0 {
		return nil, usagef("%s holds no key that signs: vaultferry keys public --signing writes such a file", file)
	}
	return keys, nil
}

func readSome(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", file, most)
	}
	return text, err
}

// readText is readSome of what an editor or a shell may have saved.
func readText(file string, most int64) ([]byte, error) {
	raw, err := readSome(file, most)
	if err != nil {
		return nil, err
	}
	text, err := textfile.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return text, nil
}

// auditGateway finds the running gateway. Nil without error: none runs, or it
// has no socket.
func auditGateway(ctx context.Context, cfg *config.Config) (*control.Client, error) {
	if cfg.Control.Socket == "" {
		return nil, nil
	}
	c, err := control.Connect(ctx, cfg.Control.Socket)
	if errors.Is(err, control.ErrNobody) {
		return nil, nil
	}
	return c, err
}

// withAudit asks the running gateway, or does it to the files where none runs.
func (a *app) withAudit(ctx context.Context, ask func(*control.Client) (string, error), do func(*audit.Log) (string, error)) (text string, err error) {
	cfg, _, err := a.load()
	if err != nil {
		return "", err
	}
	running, err := auditGateway(ctx, cfg)
	if err != nil {
		return "", err
	}
	if running != nil {
		defer func() { err = errors.Join(err, running.Close()) }()
		return ask(running)
	}
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return "", err
	}
	log, err := audit.OpenWith(cfg.Audit.File, a.auditOptions(&runtime{cfg: cfg, keys: keys, log: a.log(), serves: true}))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	return do(log)
}

func (a *app) auditRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Move the audit's file to a name with the time, and go on in another one",
		Long: `Writes a last checkpoint, moves the file to a name with the time, and prints that
name. The chain goes on in a new file. Nothing stops meanwhile, and nothing is
removed. A gateway does the same by itself (audit.max_size, audit.max_age), and
when it gets the signal SIGHUP.`,
		Example: `  vaultferry audit rotate`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			call := a.call("audit.rotate")
			file, err := a.withAudit(cmd.Context(),
				func(c *control.Client) (string, error) { return c.RotateAudit(cmd.Context(), call) },
				func(l *audit.Log) (string, error) { return l.Rotate("asked for by " + call.Caller.ID) })
			if err != nil {
				return err
			}
			return a.print(map[string]string{"file": file}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, file)
				return err
			})
		},
	}
}

func (a *app) auditCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Sign the audit as it stands now, and print the checkpoint",
		Long: `Prints a checkpoint of all lines. Keep it where nobody can reach it who can reach
the audit: "audit verify --checkpoint" then finds whatever is changed or cut
later. The last checkpoint also stands beside the audit, in a file whose name
ends in .checkpoint.`,
		Example: `  vaultferry audit checkpoint > monday.checkpoint`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			call := a.call("audit.checkpoint")
			text, err := a.withAudit(cmd.Context(),
				func(c *control.Client) (string, error) { return c.CheckpointAudit(cmd.Context(), call) },
				(*audit.Log).Checkpoint)
			if err != nil {
				return err
			}
			return a.print(map[string]string{"checkpoint": text}, func(w io.Writer) error {
				_, err := io.WriteString(w, text)
				return err
			})
		},
	}
}
