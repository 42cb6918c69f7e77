package azurekv

import (
	"crypto/x509"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// ends are when what the gateway proves itself by to the vault is over.
type ends struct {
	kind  string                // of Credential
	given []backends.Credential // by the configuration
	token atomic.Int64          // of the last token that was issued, in Unix seconds; zero: not known
}

// endsOf reads what the configuration holds. Of a client secret only Entra knows
// the end, which tells nobody who logs in with it.
func endsOf(c *Credential) *ends {
	e := &ends{kind: c.Kind}
	add := func(kind backends.CredentialKind, key string, end time.Time) {
		if !end.IsZero() {
			e.given = append(e.given, backends.Credential{Kind: kind, Key: key, Ends: end})
		}
	}
	switch c.Kind {
	case "client_certificate":
		if certs, _, err := c.certificate(); err == nil {
			add(backends.CredentialCertificate, "credential.certificate_file", leafOf(certs).NotAfter)
		}
	case "token":
		add(backends.CredentialToken, "credential.token", kit.TokenEnd(string(c.Token.Reveal())))
	}
	return e
}

// leafOf is the one that is of no other's issuer.
func leafOf(certs []*x509.Certificate) *x509.Certificate {
	for _, c := range certs {
		if !c.IsCA {
			return c
		}
	}
	return certs[0]
}

// got notes a token's end, which the maker of a fixed one does not know.
func (e *ends) got(t azcore.AccessToken) {
	end := t.ExpiresOn
	if e.kind == "token" {
		end = kit.TokenEnd(t.Token)
	}
	if !end.IsZero() {
		e.token.Store(end.Unix())
	}
}

// Credentials implements backends.CredentialReporter.
func (b *Backend) Credentials() []backends.Credential {
	if b.ends == nil { // a profile
		return nil
	}
	all := append([]backends.Credential(nil), b.ends.given...)
	if at := b.ends.token.Load(); at != 0 && (b.ends.kind != "token" || len(all) == 0) {
		all = append(all, backends.Credential{Kind: backends.CredentialToken, Key: "credential", Ends: time.Unix(at, 0), Renewed: true})
	}
	return all
}
