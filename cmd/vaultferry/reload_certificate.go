package main

import (
	"crypto/tls"

	"github.com/vaultferry/vaultferry/gateway"
)

// renewCertificate takes what now stands where the configuration that serves has its
// certificate, and nothing else: a change that was not taken, or waits for a
// restart, must not have the certificate end. It reports whether there was one.
func (r *reloader) renewCertificate(call gateway.Call) (renewed bool, err error) {
	files := r.rt.cfg.Server
	if r.rt.tls == nil || files.TLS.CertFile == "" {
		return false, nil
	}
	cert, err := serverCert(files)
	if err != nil { // the reload has told, if this still is what it names
		return false, nil //nolint:nilerror // there is none to take
	}
	next := *r.rt
	next.tls = r.rt.tls.Clone()
	next.tls.Certificates = []tls.Certificate{cert}
	if sameTLS(r.rt.tls, next.tls) {
		return false, nil
	}
	if err := r.audit(call, &upcoming{rt: &next, change: []string{"certificates"}}); err != nil {
		return false, err
	}
	r.server.UseTLS(next.tls)
	r.rt = &next
	r.log.Info("the certificate was renewed")
	return true, nil
}
