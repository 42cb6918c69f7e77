package login

import (
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
)

// olderAnswer is that of the endpoint without a version: each number is a text.
// Its clients read when the token ends, and what it is for.
type olderAnswer struct {
	Type      string `json:"token_type"`
	Life      string `json:"expires_in"`
	Longer    string `json:"ext_expires_in"`
	Expires   string `json:"expires_on"`
	NotBefore string `json:"not_before"`
	Resource  string `json:"resource"`
	Token     string `json:"access_token"`
}

// olderToken is the grant as clients ask for it that know resources and no
// scopes (ADAL, go-autorest). Those of MSAL send a scope to the same path
// where the tenant is adfs. With both the resource counts; inferred.
func (l *Login) olderToken(r *wire.Request) (wire.Reply, error) {
	f, err := readForm(r, "resource", "scope")
	if err != nil {
		return wire.Reply{}, err
	}
	token, says, err := l.grant(r, f, func() (string, error) {
		if f.resource == "" {
			return l.ofScope(f.scope)
		}
		resource := strings.TrimSuffix(f.resource, "/") // vaults compare, and name none with a slash
		return resource, l.check(resource)
	})
	if err != nil {
		return wire.Reply{}, err
	}
	left := strconv.Itoa(says.seconds())
	return answer(olderAnswer{
		Type: "Bearer", Life: left, Longer: left, Expires: strconv.FormatInt(says.Expires, 10),
		NotBefore: strconv.FormatInt(says.NotBefore, 10), Resource: says.Audience, Token: token,
	})
}

func isOlder(r *wire.Request) bool { return r.URL.Path == "/"+Tenant+olderTokenPath }
