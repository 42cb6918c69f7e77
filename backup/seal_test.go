package backup_test

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// small is the least document there is.
func small() *backup.Document {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	return &backup.Document{
		Origin:   backup.Origin{Gateway: "g", Store: "a", Name: "n"},
		SealedAt: at,
		Secret: &secret.Secret{Name: "n", Created: at, Current: 1, Versions: []secret.Version{
			{Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue("v"), Created: at},
		}},
	}
}

func TestSealedOpensWithEveryKeyType(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{backup.AlgA256KW, backup.AlgECDH, backup.AlgRSA} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k, err := backup.NewKeyringOf(alg, backup.AlgEdDSA)
			if err != nil {
				t.Fatal(err)
			}
			blob, err := k.Seal(small())
			if err != nil {
				t.Fatal(err)
			}
			d, err := k.Open(blob)
			if err != nil {
				t.Fatal(err)
			}
			if !d.Secret.Versions[0].Value.Equal(secret.TextValue("v")) {
				t.Error("the value came back changed")
			}
		})
	}
}
