package login

import (
	"net/http"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/issuer"
)

const (
	discoveryPath = "/.well-known/openid-configuration"
	tokenPath     = "/oauth2/v2.0/token" //nolint:gosec // a path
	authorizePath = "/oauth2/v2.0/authorize"
	devicePath    = "/oauth2/v2.0/devicecode"
	keysPath      = "/discovery/keys"

	// The older endpoints, of which the first takes a resource in the place of
	// a scope. Clients put them together, and find them in no document.
	olderTokenPath     = "/oauth2/token" //nolint:gosec // a path
	olderAuthorizePath = "/oauth2/authorize"
	olderDevicePath    = "/oauth2/devicecode"
)

// document is the OpenID configuration. Clients demand the first four members;
// the rest says what stands behind them.
type document struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Keys          string   `json:"jwks_uri"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	AuthSigned    []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	GrantTypes    []string `json:"grant_types_supported"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
}

func (l *Login) discover(r *wire.Request) (wire.Reply, error) {
	own := l.issuer(r.Host)
	return answer(document{
		Issuer:        own,
		Authorization: own + authorizePath,
		Token:         own + tokenPath,
		Keys:          own + keysPath,
		AuthMethods:   []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
		AuthSigned:    issuer.Algorithms(),
		GrantTypes:    []string{grantType},
		ResponseTypes: []string{"none"},
		SubjectTypes:  []string{"public"},
		Algorithms:    []string{l.tokens.Algorithm()},
	})
}

func (l *Login) issuer(hostport string) string {
	base, _ := l.base(hostport) // the router has matched it
	return base + "/" + Tenant
}

func (l *Login) publicKeys(*wire.Request) (wire.Reply, error) {
	return answer(l.tokens.Public(l.now()))
}

// people is what stands where people would log in, by a browser or a code for
// a device: programs do here. One such path is in the document, for clients
// demand it.
func people(*wire.Request) (wire.Reply, error) { return wire.Reply{}, refuse(noPeople) }

func answer(body any) (wire.Reply, error) {
	return wire.Reply{Status: http.StatusOK, Header: jsonHeader, Body: body}, nil
}

var jsonHeader = http.Header{"Content-Type": {"application/json; charset=utf-8"}}
