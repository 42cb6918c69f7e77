package access_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// TestStrong: what programs make at random is strong, in every usual spelling,
// but for one in hundreds of mixed letters; hex is, where it shows a letter. What
// people make up is not. The random texts are the same each time: of three million
// in hex one shows no letter.
func TestStrong(t *testing.T) {
	t.Parallel()
	weak, random := 0, rand.NewChaCha8([32]byte{})
	for range 2000 {
		b := make([]byte, 40)
		_, _ = random.Read(b)
		id, err := uuid.NewRandomFromReader(random)
		if err != nil {
			t.Fatal(err)
		}
		all := b
		b = b[:30]
		for _, s := range []string{
			hex.EncodeToString(b[:16]), strings.ToUpper(hex.EncodeToString(b[:16])), base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b),
			base32.StdEncoding.EncodeToString(all), id.String(),
		} {
			if access.Strong([]byte(s)) {
				continue
			}
			if weak++; strings.Trim(s, "0123456789abcdefABCDEF-") == "" {
				t.Errorf("%d random hex digits have %d bits", len(s), access.Bits([]byte(s)))
			}
		}
	}
	if weak > 2000*6/200 {
		t.Errorf("%d random texts are weak", weak)
	}
	for _, s := range []string{
		"", "abc", "password", "s3cr3t-of-the-team", "0123456789", strings.Repeat("a", 500), strings.Repeat("abc123", 50), strings.Repeat("0123456789abcdef", 4)[:16],
		"correct horse battery staple", "Correct-Horse-Battery-Staple-2024", "thequickbrownfoxjumpsoverthelazydog", "changeme-changeme-changeme-changeme",
		"19701231197012311970123119701231", hex.EncodeToString([]byte("fifteen bytes!!")), "ThisIsTheProductionTokenOfThePaymentsTeam",
	} {
		if access.Strong([]byte(s)) {
			t.Errorf("%q passes for %d bits", s, access.Bits([]byte(s)))
		}
	}
}
