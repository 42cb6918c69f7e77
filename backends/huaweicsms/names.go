package huaweicsms

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// naming is the bijection to CSMS's names, as far as they are short enough.
var naming = secret.Naming{Natural: natural, Max: maxName, What: "CSMS"}

const (
	maxName = 64
	// statePrefix begins the names of secrets that are the gateway's own.
	statePrefix = "vaultferry-state-"
	// hashPrefix begins the form of a name that is too long even for an escape:
	// the base32hex of its SHA-256. The trailer holds the name itself.
	hashPrefix = "x1-"
	hashLength = 52
)

var hashEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// natural takes the dot, as newer editions of the documents and the console
// do. What looks like a hash or is ours cannot stand for itself.
func natural(s string) bool {
	return label(s) && !strings.HasPrefix(s, statePrefix) && !isHash(s)
}

// label reports whether CSMS takes s as a name or a stage.
func label(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("-_.", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// encodeName returns the product's name. It fails with Invalid only where the
// name breaks the model's rules.
func encodeName(n secret.Name) (string, error) {
	if err := n.Validate(); err != nil {
		return "", err
	}
	if wire, err := naming.Encode(n); err == nil {
		return wire, nil
	}
	return hashOf(n), nil
}

// decodeName needs the name that the trailer holds, "" if none. It reports
// false for what is no secret of the model's.
func decodeName(wire string, kept secret.Name) (secret.Name, bool) {
	if isHash(wire) {
		return kept, kept != "" && hashOf(kept) == wire
	}
	n, err := naming.Decode(wire)
	return n, err == nil
}

func hashOf(n secret.Name) string {
	sum := sha256.Sum256([]byte(n))
	return hashPrefix + hashEncoding.EncodeToString(sum[:])
}

func isHash(s string) bool {
	rest, ok := strings.CutPrefix(s, hashPrefix)
	if !ok || len(rest) != hashLength {
		return false
	}
	b, err := hashEncoding.DecodeString(rest)
	return err == nil && hashEncoding.EncodeToString(b) == rest
}
