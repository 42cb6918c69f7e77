package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/transit"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/keysource"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/secret"
)

// keeper is a source that a gateway keeps while it runs, so that it can be read
// again.
type keeper interface {
	Keep() error
	Close() error
}

// transitSource is a keyring that Vault opens.
type transitSource struct {
	*keysource.Sealed
	*transit.Engine
}

// Name implements keysource.Source.
func (s *transitSource) Name() string { return s.Sealed.Name() }

// keyringSource is where the configuration's keyring is. It reads nothing, and contacts
// nobody. The configuration may be one of LoadUnresolved.
func (a *app) keyringSource(cfg *config.Config) (keysource.Source, error) {
	if err := cfg.CheckKeyring(); err != nil {
		return nil, err
	}
	k := &cfg.Keyring
	switch {
	case k.Transit != nil:
		return a.transitSource(cfg), nil
	case k.Env != "":
		return keysource.Variable{ID: k.Env}, nil
	case k.Credential != "":
		return keysource.Credential{ID: k.Credential, Path: k.CredentialPath()}, nil
	}
	return keysource.File{Path: k.File}, nil
}

// transitSource is the one that was asked for last, where that is of the same
// configuration: a command loads the keyring more than once, and Vault need not open
// it each time.
func (a *app) transitSource(cfg *config.Config) *transitSource {
	same := func(c *config.Config) any { return c.Keyring.Transit }
	if a.sealed == nil || !config.Same(a.sealedOf, cfg, same) {
		t := cfg.Keyring.Transit
		engine := transit.New(&t.Config, a.log(), a.now)
		a.sealed, a.sealedOf = &transitSource{keysource.NewSealed(t.File, engine), engine}, cfg
	}
	return a.sealed
}

// keyringName says where the configuration's keyring is, for people.
func (a *app) keyringName(cfg *config.Config) string {
	s, err := a.keyringSource(cfg)
	if err != nil {
		return "the keyring"
	}
	return s.Name()
}

// loadSource takes a keyring that cannot be used as wrong usage, unless it may be
// there later.
func loadSource(ctx context.Context, s keysource.Source) (*backup.Keyring, error) {
	k, err := fromPipe(ctx, func() (*backup.Keyring, error) { return s.Load(ctx) })
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, err
	case err == nil:
		return k, nil
	case temporary(err), errors.Is(err, secret.Upstream):
		return nil, fmt.Errorf("the keyring cannot be opened: %w", err)
	}
	return nil, &exitError{exitUsage, errors.New(message(err))}
}

// temporary reports whether waiting may help.
func temporary(err error) bool {
	return errors.Is(err, secret.Unavailable) || errors.Is(err, secret.Throttled)
}

// keyring loads the configuration's.
func (a *app) keyring(ctx context.Context, cfg *config.Config) (*backup.Keyring, error) {
	s, err := a.keyringSource(cfg)
	if err != nil {
		return nil, err
	}
	return loadSource(ctx, s)
}

// loadKeyring loads a file that the command line names.
func loadKeyring(path string) (*backup.Keyring, error) {
	return loadSource(context.Background(), keysource.File{Path: path})
}

// sourceOf is that of the flag's file, or of the configuration, which is then
// returned, too.
func (a *app) sourceOf(flag string) (keysource.Source, *config.Config, error) {
	if flag != "" {
		return keysource.File{Path: flag}, nil, nil
	}
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, nil, err
	}
	s, err := a.keyringSource(cfg)
	return s, cfg, err
}

// keepSource has a gateway's source be ready for the next reload.
func keepSource(s keysource.Source) error {
	if k, ok := s.(keeper); ok {
		return k.Keep()
	}
	return nil
}

func closeSource(s keysource.Source) error {
	if k, ok := s.(keeper); ok {
		return k.Close()
	}
	return nil
}

// How long a gateway waits at its start for who opens the keyring. What then
// restarts it, such as systemd, waits on.
const (
	keyringPatience = time.Minute
	keyringPause    = 500 * time.Millisecond // after the first try; it doubles
	longestPause    = 8 * time.Second
)

// awaitKeyring loads the keyring of a gateway that begins. Where that is not
// possible for now it tries again, and says why.
func (a *app) awaitKeyring(ctx context.Context, s keysource.Source) (*backup.Keyring, error) {
	end := time.Now().Add(keyringPatience)
	for pause := keyringPause; ; pause = min(2*pause, longestPause) {
		k, err := loadSource(ctx, s)
		if err == nil && pause > keyringPause {
			tellSystemd(a.log(), "STATUS=the keyring is open")
		}
		if err == nil || !temporary(err) || time.Now().Add(pause).After(end) {
			return k, err
		}
		log := a.log()
		log.Warn("the gateway waits for its keyring", slog.String("reason", message(err)))
		tellSystemd(log, fmt.Sprintf("STATUS=waiting for the keyring: %s\nEXTEND_TIMEOUT_USEC=%d", message(err), (pause+startExtension).Microseconds()))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// startExtension is how much longer than a pause a try may take.
const startExtension = 30 * time.Second
