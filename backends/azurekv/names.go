package azurekv

import (
	"net/url"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// naming is the bijection to Key Vault's names. Key Vault ignores case, so a
// name with upper case needs the escape; one that native tools spelled so is
// folded when it is read, and the spelling goes to Extra.
var naming = secret.Naming{Natural: natural, Max: 127, What: "Key Vault"}

// statePrefix begins the names of the secrets that are state records. It begins
// no name of the model's, so that none reaches them and no list shows them.
const statePrefix = "vaultferry-state-"

func natural(s string) bool {
	if strings.HasPrefix(s, statePrefix) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// decodeName reads a name of the product's, in whatever case. The second
// result is false for what is no secret of the model's.
func decodeName(wire string, _ secret.Name) (secret.Name, bool) {
	n, err := naming.Decode(strings.ToLower(wire))
	return n, err == nil
}

// extraName is the member of a secret's Extra that holds a native spelling.
const extraName = "azure.name"

// extraManaged marks a version whose lifetime a certificate rules.
const extraManaged = "azure.managed"

// parseID splits an id, https://HOST/secrets/NAME[/VERSION]. The client's own
// parser panics on what is no id.
func parseID(id string) (name, version string, ok bool) {
	u, err := url.Parse(id)
	if err != nil {
		return "", "", false
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 || len(parts) > 3 || !strings.EqualFold(parts[0], "secrets") || parts[1] == "" {
		return "", "", false
	}
	if len(parts) == 3 {
		version = parts[2]
	}
	return parts[1], version, true
}
