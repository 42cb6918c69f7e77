package connection

import (
	"slices"
	"strings"
	"unicode"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// CompanionFolder holds what custom_metadata has no room for. It is nobody's
// name: neither a secret's nor a folder's, at any depth, so that a store whose
// prefix lies within another's hides there as well.
const CompanionFolder = "vaultferry.meta"

// StateFolder holds the gateway's own records about the store. No companion
// lies there: a secret whose path begins so has an escape for its path.
const StateFolder = CompanionFolder + "/" + CompanionFolder + "/"

// Naming spells the model's names as paths below the prefix. The client and
// the server both clean paths: a segment ".." would leave the prefix and even
// the mount. So whatever is not a plain path becomes an escape of one segment.
var Naming = secret.Naming{Natural: NaturalPath, What: "Vault"}

// NamesBy is a spelling as a Profile has it: every path of the model's is its
// own name.
func NamesBy(n secret.Naming) backends.Names {
	return backends.Names{Spell: n.Encode, Read: func(wire string, _ secret.Name) (secret.Name, bool) {
		name, err := n.Decode(wire)
		return name, err == nil
	}}
}

// NaturalPath reports whether a name is its own path.
func NaturalPath(s string) bool {
	if !Printable(s) {
		return false
	}
	return !slices.ContainsFunc(strings.Split(s, "/"), func(segment string) bool {
		return segment == "" || segment == "." || segment == ".." || segment == CompanionFolder
	})
}

// Printable is the server's own rule for paths.
func Printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// Location is where one secret lies below the mount, with no slash before it.
type Location struct {
	Wire      string // the name as it is spelled
	Path      string
	Companion string
}

// Locate refuses (Invalid) a name that cannot be spelled.
func (f *Folder) Locate(name secret.Name) (Location, error) {
	wire, err := f.Engine.Naming.Encode(name)
	if err != nil {
		return Location{}, err
	}
	return Location{Wire: wire, Path: f.Prefix + wire, Companion: f.Prefix + CompanionFolder + "/" + wire}, nil
}
