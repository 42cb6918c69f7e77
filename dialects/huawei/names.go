package huawei

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/secret"
)

// naming is the bijection between the model's names and those of CSMS. The
// main documents forbid the dot; newer editions and the console allow it.
var naming = secret.Naming{
	Natural: func(s string) bool { return label(s, "-_.") },
	Max:     maxLabel,
	What:    "CSMS",
}

const maxLabel = 64

// label reports whether s is one to 64 letters, digits and characters of more.
func label(s, more string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxLabel
}

// WireName is the name under which clients of this dialect find the secret n.
// It fails with Invalid where CSMS cannot show the name at all.
func WireName(n secret.Name) (string, error) { return naming.Encode(n) }

// ModelName reads a secret's name off the wire. It fails with Invalid where
// CSMS could not have such a name.
func ModelName(wire string) (secret.Name, error) { return naming.Decode(wire) }

// speakable reports whether CSMS can show the name at all.
func speakable(name secret.Name) error {
	_, err := WireName(name)
	return err
}

func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// keyID is the UUID shown as the key of a store's secrets where the client
// named none.
func keyID(store string) string { return derivedUUID("key", store) }

// derivedUUID is a UUID of version 8 from a SHA-256.
func derivedUUID(parts ...string) string {
	b := append(make([]byte, 0, 256), "vaultferry huawei"...)
	for _, p := range parts {
		b = append(append(b, 0), p...)
	}
	sum := sha256.Sum256(b)
	return uuidOf(sum[:]).String()
}

// uuidOf is a UUID of version 8 of the first bits.
func uuidOf(bits []byte) uuid.UUID {
	id := uuid.UUID(bits[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// versionID is the wire's name of a version.
func versionID(o secret.Ordinal) string { return "v" + o.String() }

const latest = "latest"

// selector reads a version id of a path. An id that is well formed but not
// written as versionID does names no version.
func selector(id string) (secret.Selector, error) {
	if id == latest {
		return secret.Current, nil
	}
	o, err := ordinal(id)
	if err != nil {
		return secret.Selector{}, err
	}
	if o == 0 || versionID(o) != id {
		return secret.Selector{}, secret.Errorf(secret.NotFound, "no such version")
	}
	return secret.ByOrdinal(o), nil
}

// ordinal reads ^v[0-9]{1,10}$.
func ordinal(id string) (secret.Ordinal, error) {
	digits, ok := strings.CutPrefix(id, "v")
	n, err := strconv.ParseUint(digits, 10, 63)
	if !ok || err != nil || len(digits) > 10 {
		return 0, secret.Errorf(secret.Invalid, "a version id is v and up to 10 digits")
	}
	return secret.Ordinal(n), nil
}
