package main

import (
	"crypto/x509"
	"fmt"
	"os"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/access"
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
	if rt.tls != nil && rt.tls.ClientCAs != nil {
		creds.TrustClients(rt.tls.ClientCAs)
	}
	return creds, nil
}

// clientAuthorities are those that certificates of clients must come from; nil:
// nobody is asked for one.
func clientAuthorities(s config.Server) (*x509.CertPool, error) {
	if s.ClientCAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.ClientCAFile)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("server.client_ca_file: %w", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usagef("server.client_ca_file: %s holds no certificate", s.ClientCAFile)
	}
	return pool, nil
}
