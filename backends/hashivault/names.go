package hashivault

import (
	"slices"
	"strings"
	"unicode"

	"github.com/vaultferry/vaultferry/secret"
)

// companionFolder holds what custom_metadata has no room for. It is nobody's
// name: neither a secret's nor a folder's, at any depth, so that a store whose
// prefix lies within another's hides there as well.
const companionFolder = "vaultferry.meta"

// naming spells the model's names as paths below the prefix. The client and
// the server both clean paths: a segment ".." would leave the prefix and even
// the mount. So whatever is not a plain path becomes an escape of one segment.
var naming = secret.Naming{Natural: naturalPath, What: "Vault"}

// readBy reports false for a path that is no secret's of the model.
func readBy(spell secret.Naming) func(string, secret.Name) (secret.Name, bool) {
	return func(wire string, _ secret.Name) (secret.Name, bool) {
		n, err := spell.Decode(wire)
		return n, err == nil
	}
}

// flatNaming is that of KV v1, which refuses two dots in a row anywhere.
var flatNaming = secret.Naming{What: "Vault", Natural: func(s string) bool { return naturalPath(s) && !strings.Contains(s, "..") }}

func naturalPath(s string) bool {
	if !printable(s) {
		return false
	}
	return !slices.ContainsFunc(strings.Split(s, "/"), func(segment string) bool {
		return segment == "" || segment == "." || segment == ".." || segment == companionFolder
	})
}

// printable is the server's own rule for paths.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// place is where one secret lives, below the mount.
type place struct{ name, path, companion string }

func (k *core) place(name secret.Name) (place, error) {
	wire, err := k.spell.Encode(name)
	if err != nil {
		return place{}, err
	}
	return place{name: wire, path: k.prefix + wire, companion: k.prefix + companionFolder + "/" + wire}, nil
}
