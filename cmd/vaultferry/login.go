package main

import (
	"crypto/sha256"
	"net"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/gateway/login"
)

// loginHost is the login of a sandbox and of a fresh configuration.
const loginHost = "login." + domain

// lacksSigningKey reports whether a login is configured that the keyring has no key
// for. It is asked before a store is opened, which may write the first time.
func lacksSigningKey(cfg *config.Config, keys *backup.Keyring) bool {
	_, _, signs := keys.Signer()
	return cfg.Login.Host != "" && !signs
}

const noSigningKey = "no key in it signs, so logins would fail"

// login opens the configured login, and makes creds accept its tokens. It is
// nil where none is configured.
func (a *app) login(rt *runtime, creds *access.Credentials, issuers *issuer.Set) (*login.Login, error) {
	if rt.cfg.Login.Host == "" {
		return nil, nil
	}
	o := login.Options{
		Service: rt.service, Credentials: creds, Keyring: rt.keys, Host: rt.cfg.Login.Host, Throttle: rt.edge.throttle,
		Issuers: issuers, Resource: rt.cfg.Advertises, Limits: rt.edge.limits, Log: rt.log, Now: a.now,
	}
	for _, c := range rt.cfg.Callers {
		if c.Client == nil {
			continue
		}
		client := login.Client{ID: c.Client.ID, Caller: c.Name, Bounds: c.Client.Bounds()}
		if s := c.Client.Secret; !s.IsNone() {
			client.Secret, client.Strong = sha256.Sum256(s.Reveal()), access.Strong(s.Reveal())
		}
		var err error
		if client.Keys, err = clientKeys(c.Client); err != nil {
			return nil, err
		}
		o.Clients = append(o.Clients, client)
	}
	for _, c := range rt.cfg.Callers {
		if i := c.ManagedIdentity; i != nil {
			o.Identities = append(o.Identities, login.Identity{ID: i.ID, Header: sha256.Sum256(i.Header.Reveal()), Caller: c.Name, Bounds: i.Bounds()})
		}
	}
	l, err := login.New(o)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if rt.cfg.ManagedIdentity.Address != "" {
		rt.local = l.IdentityEndpoint()
	}
	creds.Trust(l.Verify)
	return l, nil
}

// users are the callers' clients, as Huawei's IAM knows them.
func (a *app) users(rt *runtime, creds *access.Credentials) (*iam.IAM, error) {
	o := iam.Options{Keyring: rt.keys, Credentials: creds, Domain: rt.cfg.Dialects.Huawei.Domain, Now: a.now}
	for _, c := range rt.cfg.Callers {
		if c.Client != nil && !c.Client.Secret.IsNone() {
			o.Users = append(o.Users, iam.User{Name: c.Client.ID, Password: sha256.Sum256(c.Client.Secret.Reveal()), Strong: access.Strong(c.Client.Secret.Reveal()), Caller: c.Name, Bounds: c.Client.Bounds()})
		}
	}
	return iam.New(o)
}

// checkLogin says where clients log in, and what would keep them from it.
func (v *checkView) checkLogin(host, port string) {
	if host == "" {
		return
	}
	v.Login = "https://" + host
	if port != "443" {
		v.Login = "https://" + net.JoinHostPort(host, port)
	}
	if v.cert == nil {
		return
	}
	if err := v.cert.VerifyHostname(host); err != nil {
		v.add(config.Warning, "login.host", "the certificate is not valid for %s: clients will refuse it", host)
	}
}
