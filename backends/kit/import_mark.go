package kit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// ImportMark is what an import that is not finished carries: n characters of
// its token, or of chance where it has none.
func ImportMark(token string, n int) string {
	sum := sha256.Sum256([]byte(token))
	if token == "" {
		_, _ = rand.Read(sum[:]) // never fails (crypto/rand)
	}
	return base64.RawURLEncoding.EncodeToString(sum[:])[:n]
}

// HowToEnd is the Detail of secret.LeftOutUnfinished where a Delete finds what
// stands.
const HowToEnd = "the same restore again finishes it, and a deletion removes it"
