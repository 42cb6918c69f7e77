package azure

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

var (
	noToken  = shape{http.StatusUnauthorized, codeUnauthorized, "", "AKV10000: Request is missing a Bearer or PoP token."}
	badToken = shape{http.StatusUnauthorized, codeUnauthorized, "", "AKV10046: Unable to resolve the key used for signature validation."}
)

// Authenticate implements wire.Edge. It looks at nothing but the token: the
// first request of every client comes without one, and without its body.
//
// Tokens cannot be guessed, so the throttle counts each wrong one by itself:
// a client that keeps sending a stale token is slowed down, and neither its
// next token nor its neighbours' are.
func (d *Dialect) Authenticate(r *wire.Request) (access.Caller, error) {
	token, ok := bearer(r.Header)
	if !ok {
		return access.Caller{}, refuse(secret.Unauthenticated, noToken)
	}
	if who, ok := d.credentials.Token(token, d.Name()); ok {
		return who, nil
	}
	sum := sha256.Sum256([]byte(token))
	key := "token:" + hex.EncodeToString(sum[:8])
	if wait := d.throttle.Locked(key, r.Address); wait > 0 {
		return access.Caller{}, &secret.Error{Kind: secret.Throttled, RetryAfter: wait}
	}
	d.throttle.Failed(key, r.Address)
	return access.Caller{}, refuse(secret.Unauthenticated, badToken)
}

func bearer(h http.Header) (string, bool) {
	all := h["Authorization"]
	if len(all) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(all[0], " ")
	token = strings.TrimSpace(token)
	return token, token != "" && strings.EqualFold(scheme, "Bearer")
}

// challenge is the header of every 401. Clients split it by hand: one header,
// authorization first, a comma and a space.
func (d *Dialect) challenge(r *wire.Request) string {
	o := originOf(r.Host)
	resource := d.resource
	if s := d.site(o); s != nil && s.resource != "" {
		resource = s.resource
	}
	if resource == "" {
		resource = o.parent()
	}
	return `Bearer authorization="` + d.authority + `", resource="` + resource + `"`
}
