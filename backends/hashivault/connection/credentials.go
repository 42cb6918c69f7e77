package connection

import (
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// Credentials implements backends.CredentialReporter.
func (f *Folder) Credentials() []backends.Credential {
	if f.client == nil { // a profile
		return nil
	}
	all := f.given()
	if c := f.client.life.credential.Load(); c != nil {
		all = append(all, *c)
	}
	return all
}

// credentials are those that the configuration gives.
func (o *Options) credentials() (all []backends.Credential) {
	if end := kit.CertificateEnd(o.Transport.CertFile); !end.IsZero() {
		all = append(all, backends.Credential{Kind: backends.CredentialCertificate, Key: "tls.cert_file", Ends: end})
	}
	if !o.LoginEnds.Ends.IsZero() {
		all = append(all, o.LoginEnds)
	}
	return all
}

// tokenLife is until when Vault knows the token that the client holds.
type tokenLife struct {
	key        string // of the section
	now        func() time.Time
	credential atomic.Pointer[backends.Credential] // nil: no end is known
}

// lasts: the token has so many seconds left, and whether another follows then.
func (l *tokenLife) lasts(seconds int, renewed bool) {
	if seconds <= 0 {
		l.credential.Store(nil)
		return
	}
	l.credential.Store(&backends.Credential{
		Kind: backends.CredentialToken, Key: l.key, Renewed: renewed,
		Ends: l.now().Add(time.Duration(seconds) * time.Second).Truncate(time.Second),
	})
}

// renewsOn reports whether a fixed token that has so many seconds left gets more
// when they are over. Vault grants one its whole life each time, until it meets
// the end of all renewals.
func (l *tokenLife) renewsOn(looked *api.Secret, seconds int) bool {
	number := func(key string) int64 {
		n, _ := looked.Data[key].(json.Number) // zero: it is not said
		i, _ := n.Int64()
		return i
	}
	if last := number("explicit_max_ttl"); last > 0 {
		return l.now().Unix()+int64(seconds) < number("creation_time")+last-1
	}
	return int64(seconds) >= number("creation_ttl")
}
