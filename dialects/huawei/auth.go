package huawei

import (
	"errors"
	"net/http"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// What the vendor's gateway says behind "Incorrect IAM authentication
// information".
const (
	saidNothing   = "x-auth-token not found"
	saidToken     = "decrypt token fail" //nolint:gosec // what is said of one that is no token
	saidExpired   = "token expires, expires_at: "
	saidSignature = "verify aksk signature fail"
	saidNoKey     = "Get secretKey failed,ak:******,err:ak not exist"
	saidLocked    = "AK access failed to reach the limit,forbidden."
)

// Authenticate takes a signature or a token. With both, the signature alone
// counts: a token must not rescue a request whose signature is wrong. Unknown
// paths need no proof, for nothing is there.
func (a *api) Authenticate(r *wire.Request) (access.Caller, error) {
	if r.Op == "" {
		return access.Caller{}, nil
	}
	auth, tokens := r.Header.Values("Authorization"), r.Header.Values("X-Auth-Token")
	switch {
	case len(auth) == 1:
		return a.signature(r, auth[0])
	case len(auth) > 1:
		return unproved(saidSignature+", more than one Authorization header", nil)
	case len(tokens) == 1:
		who, err := a.creds.Bearer(tokens[0], via, "")
		if err != nil {
			return unproved(refusedToken(err), err)
		}
		return who, nil
	case len(tokens) > 1:
		return unproved(saidToken+", more than one X-Auth-Token header", nil)
	}
	return unproved(saidNothing, nil)
}

// signature reads the body only after everything else has passed: whoever has
// no key cannot make the gateway hold one.
func (a *api) signature(r *wire.Request, header string) (access.Caller, error) {
	auth, err := sdkhmac.Parse(header)
	if err != nil {
		return unproved(saidSignature+", "+why(err), err)
	}
	if a.throttle.Locked(auth.Access, r.Address) > 0 {
		return unproved(saidLocked, nil)
	}
	if _, err := sdkhmac.CheckDate(r.Header, auth, a.now()); err != nil {
		return unproved(saidSignature+", "+why(err), err)
	}
	key, ok := a.creds.AccessKey(auth.Access, via)
	if !ok {
		a.throttle.Failed(auth.Access, r.Address)
		return unproved(saidNoKey, nil)
	}
	body, err := r.Body()
	if err != nil {
		return access.Caller{}, err
	}
	if err := a.verify(r.Request, body, auth, key.Secret); err != nil {
		if errors.Is(err, sdkhmac.ErrSignature) { // a guess; the rest is a mistake
			a.throttle.Failed(auth.Access, r.Address)
		}
		return unproved(saidSignature+", "+why(err), err)
	}
	a.throttle.Succeeded(auth.Access, r.Address)
	return key.Caller, nil
}

var errUnsigned = errors.New("the body is not signed")

// verify wants the body signed. The scheme lets clients leave it out, but none
// does so with the JSON that this API speaks.
func (a *api) verify(r *http.Request, body []byte, auth sdkhmac.Authorization, sk secret.Value) error {
	if err := sdkhmac.Verify(r, body, auth, sk, a.now()); err != nil {
		return err
	}
	if len(body) > 0 && sdkhmac.Unsigned(r) {
		return errUnsigned
	}
	return nil
}

// why tells a client what to look at, never what was expected.
func why(err error) string {
	switch {
	case errors.Is(err, sdkhmac.ErrAlgorithm):
		return "the algorithm must be " + sdkhmac.Algorithm + " or " + sdkhmac.DerivedAlgorithm
	case errors.Is(err, sdkhmac.ErrMalformed):
		return "the Authorization header is malformed"
	case errors.Is(err, sdkhmac.ErrDate):
		return "X-Sdk-Date must be signed and within 15 minutes of now"
	case errors.Is(err, sdkhmac.ErrRequest):
		return "the request differs from what was signed"
	case errors.Is(err, errUnsigned):
		return "the body must be signed"
	}
	return "the signature does not match"
}

// refusedToken follows the vendor, who tells of no fault but one.
func refusedToken(err error) string {
	var e *access.TokenError
	if errors.As(err, &e) && e.Fault == access.ExpiredToken {
		return saidExpired + e.At.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	return saidToken
}

func unproved(detail string, cause error) (access.Caller, error) {
	return access.Caller{}, &secret.Error{Kind: secret.Unauthenticated, Detail: detail, Err: cause}
}
