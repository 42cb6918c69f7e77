package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/issuer"
)

// fromFiles is what the files say.
type fromFiles struct {
	rt       *runtime
	warnings []config.Problem
	wrong    error // joins every problem of what the configuration names
}

// read reads the configuration and what it names, but for stores. It changes
// nothing, so it may be left behind where it waits for a file that is none: what
// serves then may be another than was.
func (r *reloader) read(ctx context.Context, was *runtime) (*fromFiles, error) {
	next := *was
	cfg, warnings, err := r.app.load()
	if err == nil && r.address != "" {
		err = cfg.Listen(r.address)
	}
	if err != nil {
		return nil, err
	}
	next.cfg = cfg
	return &fromFiles{&next, warnings, r.readFiles(ctx, was, &next)}, nil
}

// readFiles reads what the configuration of next names, but for stores. Its error
// joins every problem; what could not be read is then as it was.
func (r *reloader) readFiles(ctx context.Context, was, next *runtime) error {
	cfg := next.cfg
	var errs []error
	tls, err := serverTLS(cfg.Server, next.acme)
	if err == nil {
		next.tls = tls
	}
	errs = append(errs, err)
	if err := issuer.Check(issuersOf(cfg)); err != nil {
		errs = append(errs, &exitError{exitUsage, err})
	}
	for i := range cfg.Callers {
		if client := cfg.Callers[i].Client; client != nil {
			_, err := clientKeys(client)
			errs = append(errs, err)
		}
	}
	keys, err := r.readKeyring(ctx, was, next)
	if err != nil { // without it, whatever it seals would seem broken
		return errors.Join(append(errs, err)...)
	}
	next.keys = keys
	if lacksSigningKey(cfg, keys) {
		errs = append(errs, usagef("%s: %s", cfg.Keyring.Key(), noSigningKey))
	}
	if next.witness != nil {
		_, err := witnessSigner(next)
		errs = append(errs, err)
	}
	creds, err := credentialsOf(cfg, keys)
	errs = append(errs, err)
	file, fileErr := loadCallers(cfg, keys)
	if fileErr == nil {
		next.callers = file
		if err == nil {
			fileErr = addKept(creds, cfg, keys, file, slog.New(slog.DiscardHandler)) // the dialects warn
		}
	}
	return errors.Join(append(errs, fileErr)...)
}

// readKeyring reads the keyring anew. What Vault opened is not asked for again
// while it is the same, so that a reload needs no Vault.
func (r *reloader) readKeyring(ctx context.Context, was, next *runtime) (*backup.Keyring, error) {
	if !config.Same(was.cfg, next.cfg, func(c *config.Config) any { return c.Keyring.Transit }) || next.cfg.Keyring.Transit == nil {
		var err error
		if next.source, err = r.app.keyringSource(next.cfg); err != nil {
			return nil, err
		}
	}
	keys, err := loadSource(ctx, next.source)
	if temporary(err) {
		err = fmt.Errorf("%w; the gateway goes on with the keyring that it has", err)
	}
	return keys, err
}
