package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/audit/syslog"
	"github.com/vaultferry/vaultferry/internal/pemfile"
	"github.com/vaultferry/vaultferry/secret"
)

// auditOptions are those of a gateway, or of one command beside it, which only
// appends.
func (a *app) auditOptions(rt *runtime) audit.Options {
	if !rt.serves {
		return a.besideAudit()
	}
	o := audit.Options{Now: a.now, Log: rt.log}
	o.Gateway = gatewayID(rt.cfg, rt.keys)
	if signer, _, ok := rt.keys.Signer(); ok {
		o.Signer = signer
	}
	c := rt.cfg.Audit
	o.MaxSize, o.MaxAge, o.LowWater = int64(c.MaxSize), c.MaxAge, int64(c.LowWater)
	return o
}

// besideAudit are the options of a command beside a gateway. Nobody's request waits
// for it, so it waits longer for its turn than a gateway does: many may have theirs
// before.
func (a *app) besideAudit() audit.Options {
	return audit.Options{Now: a.now, Log: a.log(), LockWait: 15 * time.Second}
}

// openAudit opens the file, and the way to the collector where callers are
// served.
func (a *app) openAudit(rt *runtime) (err error) {
	o := a.auditOptions(rt)
	if s := rt.cfg.Audit.Syslog; rt.serves && s.Address != "" {
		config, err := syslogTLS(s)
		if err != nil {
			return err
		}
		rt.syslog = syslog.New(s.Address, config, rt.log, a.now)
		rt.metrics.CountMissed(rt.syslog.Missed, rt.syslog.Waiting)
		o.Sink = rt.syslog.Offer
	}
	if rt.serves && len(rt.cfg.Audit.Witnesses) > 0 {
		if rt.witnesses, err = witnessesOf(rt.cfg.Audit.Witnesses, a.now); err != nil {
			return err
		}
		rt.metrics.WatchWitnesses(rt.witnesses.States)
		o.Cosign = rt.witnesses.Cosign
	}
	rt.audit, err = audit.OpenWith(rt.cfg.Audit.File, o)
	if err != nil && rt.syslog != nil {
		err = errors.Join(err, rt.syslog.Close())
	}
	return err
}

// closeAudit has the collector get the last line, too.
func (rt *runtime) closeAudit() error {
	err := rt.audit.Close()
	if rt.syslog != nil {
		err = errors.Join(err, rt.syslog.Close())
	}
	return err
}

// syslogTLS says whom the gateway trusts with its audit, and what it shows.
func syslogTLS(s config.Syslog) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		var err error
		if c.RootCAs, err = poolOf("audit.syslog.ca_file", s.CAFile); err != nil {
			return nil, err
		}
	}
	if s.CertFile != "" {
		cert, err := pemfile.Pair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("audit.syslog: %w", err)}
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// begins writes the line of a gateway's start, with the configuration that it
// read.
func (a *app) begins(rt *runtime) error {
	e := a.auditEntry(audit.OpStart)
	e.File, e.Digest, e.Reason = a.configPath(), rt.cfg.Digest().String(), readVersion().line()
	if over := overrides(os.Environ()); len(over) > 0 {
		e.Reason += "; the environment overrides " + strings.Join(over, ", ")
	}
	return rt.audit.Write(e, true)
}

// overrides names the variables that may stand over a key of the file.
func overrides(environ []string) (names []string) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "VAULTFERRY_") && name != "VAULTFERRY_CONFIG" && value != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (a *app) auditEntry(op string) audit.Entry {
	caller := access.Local(userName())
	return audit.Entry{Phase: audit.Outcome, RequestID: uuid.NewString(), Caller: caller.ID, Via: caller.Via, Op: op, Result: audit.OK}
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// between does what changes a file, between its two lines in the audit. do fills
// in what the second one says of it.
func (a *app) between(cfg *config.Config, op, path string, do func(*audit.Entry) error) (err error) {
	log, err := audit.OpenWith(cfg.Audit.File, a.besideAudit())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	e := a.auditEntry(op)
	e.Phase, e.Result, e.File = audit.Intent, "", path
	if err := log.Write(e, true); err != nil {
		return err
	}
	e.Phase, e.Result = audit.Outcome, audit.OK
	if err = do(&e); err != nil {
		e.Result, e.Reason = secret.KindOf(err).Error(), secret.ReasonOf(err)
	}
	if lineErr := log.Write(e, true); lineErr != nil {
		return errors.Join(err, fmt.Errorf("it is done, and its audit line could not be written: %w", lineErr))
	}
	return err
}

// copied writes the line of a whole store's copy.
func (a *app) copied(cfg *config.Config, store, file, digest string) (err error) {
	log, err := audit.OpenWith(cfg.Audit.File, a.besideAudit())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	e := a.auditEntry("cli.store.copied")
	e.Action, e.Store, e.Digest = string(access.Backup), store, digest
	if e.File, err = filepath.Abs(file); err != nil {
		return err
	}
	return log.Write(e, true)
}
