package azure

import (
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// maxName is the service's, in bytes.
const maxName = 127

// isName reports whether Key Vault could have the folded name s.
func isName(s string) bool { return s != "" && len(s) <= maxName && isWord(s) }

// isWord reports whether s is made of digits, small letters and dashes.
func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}

// naming is Key Vault's side of the model's names. The service ignores case,
// so the wire name is folded. A model name with upper case, and any other that
// breaks the grammar, appears escaped; an escape may be longer than a name of
// Key Vault's own, so that everything listed can be asked for.
var naming = secret.Naming{Natural: isName, What: "Key Vault"}

// extraName keeps the spelling that a secret was created with.
const extraName = "azure.name"

// fold lower-cases A to Z alone. Unicode's rules would make a k of the Kelvin
// sign, and so a good name of a bad one.
func fold(s string) string {
	isUpper := func(r rune) bool { return 'A' <= r && r <= 'Z' }
	if !strings.ContainsFunc(s, isUpper) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isUpper(r) {
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// ModelName reads a secret's name off the wire. It fails with Invalid where
// Key Vault could not have such a name.
func ModelName(wire string) (secret.Name, error) {
	name, err := naming.Decode(fold(wire))
	if err != nil {
		return "", refuse(secret.Invalid, wrongName, "name: not 1 to 127 letters, digits and dashes")
	}
	return name, nil
}

// wireName spells a secret's name, less the site's folder, as it was created,
// unless it has been renamed since.
func wireName(name secret.Name, x secret.Extra) string {
	if kept := x.Text(extraName); kept != "" && fold(kept) == string(name) && isName(fold(kept)) {
		return kept
	}
	return spell(name)
}

// WireName is the name under which clients of this dialect find the secret n,
// as long as it is none that was created with upper case. It fails with
// Invalid where n breaks the model's rules.
func WireName(n secret.Name) (string, error) { return naming.Encode(n) }

func spell(n secret.Name) string {
	s, err := WireName(n)
	if err != nil { // breaks the model's rules: no store returns it
		return ""
	}
	return s
}

// spelling is the Extra of a secret that is created under the wire name, or
// nil if the model's name says it all.
func spelling(wire string) secret.Extra {
	if wire == fold(wire) {
		return nil
	}
	return secret.Extra{}.WithText(extraName, wire)
}
