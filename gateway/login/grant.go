package login

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"mime"
	"net/url"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	grantType = "client_credentials"
	// maxForm leaves room for the telemetry that some clients add.
	maxForm = 32 << 10
)

// tokenAnswer is all that clients read.
type tokenAnswer struct {
	Type   string `json:"token_type"`
	Life   int    `json:"expires_in"` // seconds, rounded down
	Longer int    `json:"ext_expires_in"`
	Token  string `json:"access_token"`
}

// seconds are what is left of a new token, rounded down.
func (c *claims) seconds() int { return max(int(c.Expires-c.Issued)-1, 0) }

// token is the client credentials grant of RFC 6749, 4.4.
func (l *Login) token(r *wire.Request) (wire.Reply, error) {
	f, err := readForm(r, "scope")
	if err != nil {
		return wire.Reply{}, err
	}
	token, says, err := l.grant(r, f, func() (string, error) { return l.ofScope(f.scope) })
	if err != nil {
		return wire.Reply{}, err
	}
	return answer(tokenAnswer{Type: "Bearer", Life: says.seconds(), Longer: says.seconds(), Token: token})
}

// grant issues a token for the audience to the client that the form proves.
func (l *Login) grant(r *wire.Request, f form, audience func() (string, error)) (string, claims, error) {
	client, err := l.authenticate(r, f)
	if err != nil {
		return "", claims{}, err
	}
	if err := r.Prove(client.caller()); err != nil {
		return "", claims{}, err
	}
	wanted, err := audience()
	if err != nil {
		return "", claims{}, err
	}
	token, says, err := l.issue(client, l.issuer(r.Host), wanted)
	if err != nil {
		return "", claims{}, &secret.Error{Kind: secret.Internal, Op: r.Op, Err: err}
	}
	return token, says, l.service.Admit(call(r))
}

func call(r *wire.Request) gateway.Call {
	return gateway.Call{Caller: r.Caller, Op: r.Op, RequestID: r.ID, Address: r.Address}
}

func (l *Login) authenticate(r *wire.Request, f form) (proven, error) {
	if f.assertion != "" {
		return l.byAssertion(r, f)
	}
	return l.bySecret(r, f)
}

// bySecret takes an unknown client for one with a wrong secret, in its time and
// its answer alike. Failures lock: see access.Throttle.
func (l *Login) bySecret(r *wire.Request, f form) (proven, error) {
	key := access.HashedKey("client", f.id)
	isLocked := l.throttle.Locked(key, r.Address) > 0
	client, known := l.clients[f.id]
	given := sha256.Sum256([]byte(f.secret))
	right := subtle.ConstantTimeCompare(given[:], client.Secret[:]) == 1 && known // nothing has the hash of no secret
	by := proven{Client: client, print: client.Secret, credential: access.CredentialOf(access.ClientSecret, client.ID)}
	var bound error
	if right {
		bound = l.creds.Check(by.caller(), r.From(Via, l.now()))
	}
	elsewhere := bound != nil && !access.Ended(bound)
	switch {
	case isLocked && (!right || !client.Strong || elsewhere):
		return proven{}, refuseFor(locked, bound)
	case !right, elsewhere:
		l.throttle.Guessed(key, r.Address)
		if known { // anything else may be a secret in the wrong place
			l.log.Warn("login refused", slog.String("client", f.id), slog.String("address", r.Address), slog.String("request_id", r.ID))
		}
		return proven{}, refuseFor(wrongSecret, bound)
	case bound != nil:
		return proven{}, refuseFor(expiredSecret, bound)
	}
	l.throttle.Succeeded(key, r.Address, client.Strong)
	return by, nil
}

// form is a token request. Its secret and its assertion must not be printed.
type form struct{ id, secret, assertion, scope, resource string }

// readForm wants one of the parameters besides: what the token is for.
func readForm(r *wire.Request, purpose ...string) (form, error) {
	body, err := r.Body()
	if err != nil {
		return form{}, err
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return form{}, refuse(notForm)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil { // what it says may quote the secret
		return form{}, refuse(notForm)
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", assertionParam, assertionTypeParam, "scope", "resource"} {
		if len(values[name]) > 1 {
			return form{}, refuse(twice(name))
		}
	}
	switch values.Get("grant_type") {
	case grantType:
	case "":
		return form{}, refuse(missing("grant_type"))
	default:
		return form{}, refuse(wrongGrant)
	}
	f := form{
		id: values.Get("client_id"), secret: values.Get("client_secret"), assertion: values.Get(assertionParam),
		scope: values.Get("scope"), resource: values.Get("resource"),
	}
	if f.assertion != "" && values.Get(assertionTypeParam) != assertionType {
		return form{}, refuse(wrongAssertionType)
	}
	if err := f.complete(r); err != nil {
		return form{}, err
	}
	for _, name := range purpose {
		if values.Get(name) != "" {
			return f, nil
		}
	}
	return form{}, refuse(missing(purpose[0]))
}

// complete takes the credentials from the header where they are not in the
// form. There they are encoded once more, as RFC 6749, 2.3.1 has it.
func (f *form) complete(r *wire.Request) error {
	if user, password, ok := r.BasicAuth(); ok {
		id, idErr := url.QueryUnescape(user)
		pass, passErr := url.QueryUnescape(password)
		switch {
		case idErr != nil || passErr != nil:
			return refuse(wrongSecret)
		case f.secret != "" || f.assertion != "" || (f.id != "" && f.id != id):
			return refuse(twice("client_secret"))
		}
		f.id, f.secret = id, pass
	}
	switch {
	case f.id == "":
		return refuse(missing("client_id"))
	case f.secret != "" && f.assertion != "":
		return refuse(twoProofs)
	case f.secret == "" && f.assertion == "":
		return refuse(noSecret)
	}
	return nil
}

// ofScope is the one resource that the scope asks for. Scopes of people come
// with it from some clients and mean nothing here.
func (l *Login) ofScope(scope string) (string, error) {
	found := ""
	for word := range strings.FieldsSeq(scope) {
		switch word {
		case "openid", "profile", "offline_access":
			continue
		}
		resource, ok := strings.CutSuffix(word, "/.default")
		if !ok || found != "" {
			return "", refuse(wrongScope)
		}
		found = resource
	}
	if found == "" {
		return "", refuse(wrongScope)
	}
	return found, l.check(found)
}

// check refuses a resource that no token is issued for.
func (l *Login) check(resource string) error {
	if resource != "https://"+l.host && (l.resource == nil || !l.resource(resource)) {
		return refuse(wrongResource)
	}
	return nil
}
