package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/pemfile"
)

// endsSoon is how long before an end it is told of.
const endsSoon = 7 * 24 * time.Hour

// ends lists what is good for a time only, soonest first. Credentials that ended
// long ago are nobody's concern.
func (rt *runtime) ends(now time.Time) []gateway.End {
	all := append([]gateway.End{}, rt.service.Ends()...)
	for _, e := range rt.callersEnd {
		if now.Sub(e.At) < endsSoon {
			all = append(all, e)
		}
	}
	own := func(name string, end time.Time, renewed bool) {
		if !end.IsZero() {
			all = append(all, gateway.End{What: "the certificate of " + name, At: end.UTC(), Kind: backends.CredentialCertificate, Name: name, Renewed: renewed})
		}
	}
	if rt.tls != nil && len(rt.tls.Certificates) > 0 && rt.tls.Certificates[0].Leaf != nil {
		own("server.tls", rt.tls.Certificates[0].Leaf.NotAfter, false)
	}
	if rt.acme != nil {
		for host, end := range rt.acme.Ends() {
			own("server.tls for "+host, end, true)
		}
	}
	own("admin.tls", kit.CertificateEnd(rt.cfg.Admin.TLS.CertFile), false)
	own("server.client_ca_file", soonestEnd(rt.cfg.Server.ClientCAFile), false)
	slices.SortStableFunc(all, func(a, b gateway.End) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.What, b.What)) })
	return all
}

// ends are those of what serves now.
func (r *reloader) ends() []gateway.End {
	return r.shown.Load().rt.ends(r.app.now())
}

// soonestEnd is when the first of the authorities in a file ends. Zero: there is none.
func soonestEnd(file string) (soonest time.Time) {
	all, _ := pemfile.Certificates(file) // whoever uses the file says what is wrong with it
	for _, c := range all {
		if soonest.IsZero() || c.NotAfter.Before(soonest) {
			soonest = c.NotAfter
		}
	}
	return soonest
}

// endsOfCallers are those of credentials that end, of the configuration and of
// callers_file.
func endsOfCallers(rt *runtime, now time.Time) (all []gateway.End) {
	add := func(caller string, credentials []credentialView) {
		for _, c := range credentials {
			if c.Expires != nil {
				all = append(all, gateway.End{
					What: "the credential " + c.Credential + " of " + caller, At: c.Expires.UTC(), Kind: kindOf(c.Credential), Caller: caller, Name: c.Credential,
				})
			}
		}
	}
	for i := range rt.cfg.Callers {
		add(rt.cfg.Callers[i].Name, configured(rt.cfg, i, now))
	}
	if rt.callers != nil {
		for i := range rt.callers.Callers {
			c := &rt.callers.Callers[i]
			add(c.Name, kept(c, now))
		}
	}
	return all
}

// kindOf is what a caller's credential is, in the words that products' have.
func kindOf(credential string) backends.CredentialKind {
	switch kind, _, _ := strings.Cut(credential, ":"); kind {
	case access.SigningKey:
		return backends.CredentialAccessKey
	case access.Certificate:
		return backends.CredentialCertificate
	case access.ClientSecret:
		return backends.CredentialPassword
	default:
		return backends.CredentialToken
	}
}
