package main

import (
	"crypto"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit/witness"
)

// witnessTimeout bounds the wait for a witness; the audit does not wait.
const witnessTimeout = 5 * time.Second

// witnessesOf are those that sign this gateway's checkpoints as well.
func witnessesOf(configured []config.AuditWitness, now func() time.Time) (witness.Group, error) {
	var all witness.Group
	for _, w := range configured {
		keys, err := readPublicKeys(w.KeyFile)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("audit.witnesses: %w", err)}
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: witnessTimeout}
		if w.CAFile != "" {
			if transport.TLSClientConfig.RootCAs, err = poolOf("audit.witnesses", w.CAFile); err != nil {
				return nil, err
			}
		}
		all = append(all, &witness.Client{URL: w.URL, Name: witness.Name(w.Gateway), Keys: keys, HTTP: &http.Client{Transport: transport, Timeout: witnessTimeout}, Now: now})
	}
	return all, nil
}

// witness signs the checkpoints of others. Nil without error: it is not
// configured.
func (a *app) witness(rt *runtime, limits *wire.Limits) (*witness.Server, error) {
	w := rt.cfg.Audit.Witness
	if w.File == "" {
		return nil, nil
	}
	keys, err := readPublicKeys(w.KeyFile)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("audit.witness: %w", err)}
	}
	signer, err := witnessSigner(rt)
	if err != nil {
		return nil, err
	}
	return witness.NewServer(witness.Options{
		Gateway: gatewayID(rt.cfg, rt.keys), Signer: signer, Keys: keys, File: w.File, Now: a.now,
		Refused: func(reason string) { rt.log.Warn("a checkpoint was not signed", slog.String("reason", reason)) },
		Reject: func(r *wire.Request, err error) error {
			return rt.service.Reject(r.Context(), gateway.Call{Caller: r.Caller, Op: witness.Op, RequestID: r.ID, Address: r.Address}, gateway.Ref{}, err)
		},
		Limits: limits,
	})
}

func witnessSigner(rt *runtime) (crypto.Signer, error) {
	signer, _, ok := rt.keys.Signer()
	switch {
	case !ok:
		return nil, usagef("audit.witness: no key in %s signs: add one (keys new --add --type EdDSA)", rt.source.Name())
	case !witness.CanSign(signer):
		return nil, usagef("audit.witness: the key in %s that signs is not of type EdDSA", rt.source.Name())
	}
	return signer, nil
}
