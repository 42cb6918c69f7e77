package login

import (
	"errors"
	"net/http"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	assertionParam     = "client_assertion"
	assertionTypeParam = "client_assertion_type"
	assertionType      = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// Refusals of assertions. The numbers are those by which Entra's users know the
// cases; that of an assertion without end is inferred.
var (
	wrongAssertionType = refusal{secret.Invalid, http.StatusBadRequest, invalidRequest, 900144, "The request body must contain the following parameter: 'client_assertion_type', which is " + assertionType + "."}
	twoProofs          = refusal{secret.Invalid, http.StatusBadRequest, invalidRequest, 90023, "Send a client_assertion or a client_secret, and not both."}
	malformed          = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 50027, "JWT token is invalid or malformed."}
	wrongSignature     = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 700027, "Client assertion failed signature validation."}
	wrongTime          = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 700024, "Client assertion is not within its valid time range."}
	wrongLife          = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 700024, "Client assertion is not within its valid time range: it has no end, or lives longer than is accepted. One that a client signs itself may live for 10 minutes."}
	wrongRealm         = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 700023, "Client assertion audience claim does not match: it must be the URL of the token endpoint."}
	wrongFor           = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 700212, "No matching federated identity record found for presented assertion audience."}
	wrongBy            = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 700211, "No matching federated identity record found for presented assertion issuer."}
	wrongAbout         = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 700213, "No matching federated identity record found for presented assertion subject and claims."}
	issuerDown         = refusal{secret.Unavailable, http.StatusServiceUnavailable, "temporarily_unavailable", 90033, "A transient error has occurred: the keys of the assertion's issuer could not be fetched. Please try again."}
)

// byAssertion takes an assertion that the client signed itself, or a token of an
// issuer's that is its caller's. An unknown client is one without either. The
// same assertion may come again: pods read one file many times, and clients send
// it again where an answer is lost.
func (l *Login) byAssertion(r *wire.Request, f form) (proven, error) {
	client, err := l.assert(f)
	if err == nil {
		err = l.creds.Check(client.caller(), r.From(Via, l.now()))
	}
	if err == nil {
		return client, nil
	}
	own := issuer.Names(f.assertion, f.id)
	why, said := refusedAssertion(err, own), access.Reason(err)
	e, _ := errors.AsType[*access.TokenError](err)
	if _, known := l.clients[f.id]; known && own && e != nil && e.Detail == "" { // anything else may be a secret in the wrong place
		said += ": client " + f.id
	}
	if why.kind == secret.Unauthenticated {
		// It cannot be guessed, so each wrong one is counted by itself.
		key := access.HashedKey("token", f.assertion)
		if l.throttle.Locked(key, r.Address) > 0 {
			return proven{}, refuse(locked)
		}
		l.throttle.Failed(key, r.Address)
	}
	again, _ := access.Down(err)
	return proven{}, &secret.Error{Kind: why.kind, Detail: said, RetryAfter: again, Err: errors.Join(why, err)}
}

func (l *Login) assert(f form) (proven, error) {
	client := l.clients[f.id] // zero, without keys and caller, where there is none
	if issuer.Names(f.assertion, f.id) {
		key, err := issuer.OwnAssertion(f.assertion, f.id, client.Keys, l.isEndpoint, l.now())
		if err != nil {
			return proven{}, err
		}
		return proven{
			Client: client, print: key.Print, also: &key.Bounds,
			credential: access.CredentialOf(access.ClientKey, key.Name(client.ID)),
		}, nil
	}
	id, err := l.issuers.Assertion(f.assertion, client.Caller)
	if err != nil {
		return proven{}, err
	}
	return proven{Client: client, print: id.Print, by: id, also: id.Bounds, credential: access.CredentialOf(access.IssuerToken, id.User)}, nil
}

// isEndpoint reports whether an assertion's audience is this login, under any
// name that clients have for it.
func (l *Login) isEndpoint(audience string) bool {
	for _, path := range []string{"", tokenPath, olderTokenPath} {
		if iss, ok := strings.CutSuffix(audience, path); ok && l.issued(iss) {
			return true
		}
	}
	return false
}

// refusedAssertion says of an assertion what Entra says. own is one that the
// client signed itself.
func refusedAssertion(err error, own bool) refusal {
	e, ok := errors.AsType[*access.TokenError](err)
	switch {
	case access.Ended(err):
		return wrongTime
	case !ok && access.Reason(err) == "":
		return failed
	case !ok: // it came from elsewhere, or with another's certificate
		return wrongSignature
	}
	switch e.Fault {
	case access.UnknownToken:
		return malformed
	case access.ExpiredToken, access.EarlyToken:
		return wrongTime
	case access.EndlessToken:
		return wrongLife
	case access.WrongAudience:
		if own {
			return wrongRealm
		}
		return wrongFor
	case access.WrongIssuer, access.UnknownIssuer:
		return wrongBy
	case access.UnboundToken, access.AmbiguousToken:
		return wrongAbout
	case access.IssuerDown:
		return issuerDown
	}
	return wrongSignature
}
