package backup_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// A secret with its whole history is sealed into a blob, which only a keyring
// with the same key opens.
func Example() {
	keyring := backup.NewKeyring()
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	blob, err := keyring.Seal(&backup.Document{
		Origin:   backup.Origin{Gateway: keyring.GatewayID(), Store: "payments", Name: "db/password"},
		SealedAt: made.AddDate(0, 1, 0),
		Secret: &secret.Secret{
			Name: "db/password", Created: made, Current: 2, Previous: 1,
			Versions: []secret.Version{
				{Ordinal: 1, UID: secret.NewUID(), Created: made, Value: secret.TextValue("correct horse")},
				{Ordinal: 2, UID: secret.NewUID(), Created: made.AddDate(0, 0, 7), Value: secret.TextValue("battery staple")},
			},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	document, err := keyring.Open(blob)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s of store %s\n", document.Secret.Name, document.Origin.Store)
	for _, v := range document.Secret.Versions {
		fmt.Printf("version %s of %s: %s\n", v.Ordinal, v.Created.Format(time.DateOnly), v.Value.Reveal())
	}

	_, err = backup.NewKeyring().Open(blob)
	fmt.Println("opens with another keyring:", !errors.Is(err, secret.NoKey))
	// Output:
	// db/password of store payments
	// version 1 of 2026-01-02: correct horse
	// version 2 of 2026-01-09: battery staple
	// opens with another keyring: false
}

// Without any key a blob tells how it was sealed, and nothing of what is in it.
func ExampleInspect() {
	keyring := backup.NewKeyring()
	blob, err := keyring.Seal(&backup.Document{
		Origin:   backup.Origin{Gateway: keyring.GatewayID(), Store: "payments", Name: "db/password"},
		SealedAt: time.Date(2026, 2, 2, 3, 4, 5, 0, time.UTC),
		Secret: &secret.Secret{
			Name: "db/password", Current: 1,
			Versions: []secret.Version{{Ordinal: 1, UID: secret.NewUID(), Value: secret.TextValue("correct horse")}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	header, err := backup.Inspect(blob)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(header.Format, header.Algorithm, header.Encryption)
	fmt.Println("sealed with this keyring's key:", header.KeyID == keyring.Keys()[0].ID)
	// Output:
	// vaultferry-v1 A256KW A256GCM
	// sealed with this keyring's key: true
}
