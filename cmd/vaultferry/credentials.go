package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/callerfile"
	"github.com/vaultferry/vaultferry/internal/pemfile"
	"github.com/vaultferry/vaultferry/secret"
)

// credentialsOf are those of the configuration's callers.
func credentialsOf(cfg *config.Config, keys *backup.Keyring) (*access.Credentials, error) {
	creds, err := cfg.Credentials(func(caller, sealed string) (string, secret.Value, error) {
		key, err := keys.OpenAccessKey(sealed)
		if err == nil && key.Caller != caller {
			err = secret.Errorf(secret.Invalid, "it was sealed for the caller %q", key.Caller)
		}
		return key.ID, key.Secret, err
	})
	if err != nil {
		return nil, usagef("%s", message(err))
	}
	return creds, nil
}

// credentials are those, and the certificates that a client may show.
func credentials(rt *runtime) (*access.Credentials, error) {
	creds, err := credentialsOf(rt.cfg, rt.keys)
	if err != nil {
		return nil, err
	}
	if err := addKept(creds, rt.cfg, rt.keys, rt.callers, rt.log); err != nil {
		return nil, err
	}
	if rt.tls != nil && rt.tls.ClientCAs != nil {
		creds.TrustClients(rt.tls.ClientCAs, rt.tls.ClientAuth == tls.RequireAndVerifyClientCert)
	}
	return creds, nil
}

// loadCallers reads callers_file. Nil: the configuration has none.
func loadCallers(cfg *config.Config, keys *backup.Keyring) (*callerfile.File, error) {
	if cfg.CallersFile == "" {
		return nil, nil
	}
	f, err := callerfile.Load(cfg.CallersFile, keys)
	if err != nil {
		return nil, usagef("%s", message(err))
	}
	return f, nil
}

// addKept adds what callers_file has of configured callers. Nobody else is one.
func addKept(creds *access.Credentials, cfg *config.Config, keys *backup.Keyring, f *callerfile.File, log *slog.Logger) error {
	if f == nil {
		return nil
	}
	unknown, err := f.AddTo(creds, keys, func(name string) bool { return isCaller(cfg, name) })
	if err != nil {
		return usagef("callers_file: %s", message(err))
	}
	for _, name := range unknown {
		log.Warn("callers_file has credentials of a caller who is not configured: they open nothing", slog.String("caller", name))
	}
	return nil
}

// clientAuthorities are those that certificates of clients must come from; nil:
// nobody is asked for one.
func clientAuthorities(s config.Server) (*x509.CertPool, error) {
	if s.ClientCAFile == "" {
		return nil, nil
	}
	return poolOf("server.client_ca_file", s.ClientCAFile)
}

// poolOf holds the authorities of a file that a key of the configuration names.
func poolOf(key, file string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if err := pemfile.AddTo(pool, file); err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("%s: %w", key, err)}
	}
	return pool, nil
}

// checkCallers says what keeps credentials from being read.
func (v *checkView) checkCallers(cfg *config.Config, keys *backup.Keyring, log *slog.Logger) {
	creds, err := credentialsOf(cfg, keys)
	if err != nil {
		v.add(config.Bad, "callers", "%s", err)
		return
	}
	f, err := loadCallers(cfg, keys)
	if err == nil {
		err = addKept(creds, cfg, keys, f, log)
	}
	if err != nil {
		v.add(config.Bad, "callers_file", "%s", strings.TrimPrefix(err.Error(), "callers_file "))
		return
	}
	for i := range cfg.Callers {
		name := cfg.Callers[i].Name
		kept := f != nil && slices.ContainsFunc(f.Callers, func(c callerfile.Caller) bool { return c.Name == name })
		if cfg.CallersFile != "" && !kept && !cfg.Callers[i].HasCredential() {
			v.add(config.Warning, fmt.Sprintf("callers[%d]", i), "%s: vaultferry callers token new %s makes one", config.NeverCalls, name)
		}
	}
}
