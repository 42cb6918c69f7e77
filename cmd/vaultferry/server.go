package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/gateway/httpd"
	"github.com/vaultferry/vaultferry/internal/ownfile"
)

// server puts the dialects and the listeners before the service. tlsConfig
// may be nil: no TLS.
func (a *app) server(rt *runtime, tlsConfig *tls.Config) (*httpd.Server, error) {
	creds, err := rt.cfg.Credentials()
	if err != nil {
		return nil, err
	}
	throttle := access.NewThrottle(a.now)
	limits := wire.NewLimits(int64(rt.cfg.Server.MaxBody), rt.cfg.Server.MaxBlobs)
	limits.Pace = access.NewPace(a.now)
	az := azure.Options{
		Service: rt.service, Credentials: creds, Throttle: throttle, Now: a.now, MaxBlob: int64(rt.cfg.Server.MaxBody), Limits: limits,
		Authority: rt.cfg.Dialects.Azure.Authority, Login: rt.cfg.Login.Host, Resource: rt.cfg.Dialects.Azure.Resource,
	}
	for _, r := range rt.cfg.Dialects.Azure.Routes {
		az.Routes = append(az.Routes, azure.Route{Host: r.Host, Store: r.Store, Prefix: r.Prefix, Resource: r.Resource})
	}
	users, err := a.users(rt, creds)
	if err != nil {
		return nil, err
	}
	hw := huawei.Options{Service: rt.service, Events: events.New(rt.service, rt.recorder), Credentials: creds, IAM: users, SignedHost: rt.cfg.Dialects.Huawei.RequireSignedHost, Throttle: throttle, Now: a.now, MaxBlob: int64(rt.cfg.Server.MaxBody), Limits: limits}
	for _, r := range rt.cfg.Dialects.Huawei.Routes {
		hw.Routes = append(hw.Routes, huawei.Route{Project: r.Project, Name: r.Name, Store: r.Store})
	}
	azureDialect, err := azure.New(az)
	if err != nil {
		return nil, err
	}
	huaweiDialect, err := huawei.New(hw)
	if err != nil {
		return nil, err
	}
	mounted := []dialects.Dialect{huaweiDialect, azureDialect} // azure takes every other path
	if l, err := a.login(rt, creds, throttle, limits); err != nil {
		return nil, err
	} else if l != nil {
		mounted = append([]dialects.Dialect{l}, mounted...) // and the login every path of its host
	}
	if w, err := a.witness(rt, limits); err != nil {
		return nil, err
	} else if w != nil {
		mounted = append([]dialects.Dialect{w}, mounted...)
	}
	return httpd.New(httpd.Options{
		Service: rt.service, Dialects: mounted,
		Address: rt.cfg.Server.Address, TLS: tlsConfig, Admin: rt.cfg.Admin.Address, Metrics: rt.metrics, Log: rt.log,
		MaxConnections: rt.cfg.Server.MaxConnections, Pace: limits.Pace,
		Proxies: httpd.Proxies{Trusted: rt.cfg.Server.Proxies(), Protocol: rt.cfg.Server.ProxyProtocol},
	})
}

// serverTLS reads the configured certificate. Nil without error: TLS is off.
func serverTLS(s config.Server) (*tls.Config, error) {
	if s.TLS.Off {
		return nil, nil
	}
	for key, file := range map[string]string{"cert_file": s.TLS.CertFile, "key_file": s.TLS.KeyFile} {
		if d := ownfile.Look(file); d != nil && d.Sure {
			return nil, usagef("server.tls: %s: %s", key, d.What)
		}
	}
	cert, err := tls.LoadX509KeyPair(s.TLS.CertFile, s.TLS.KeyFile)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("server.tls: %w", err)}
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if s.ClientCAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(s.ClientCAFile)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("server.client_ca_file: %w", err)}
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("server.client_ca_file: %s holds no certificate", s.ClientCAFile)
	}
	return c, nil
}
