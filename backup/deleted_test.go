package backup

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/secret"
)

// TestDeletionStaysOut: that a secret is in a trash is no part of a document,
// so none is restored into one.
func TestDeletionStaysOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := documents().Draw(t, "document")
		live, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		d.Secret.Deleted = &secret.Deletion{At: time.Unix(1e9, 0), Purge: time.Unix(2e9, 0)}
		deleted, err := d.Encode()
		if err != nil || !bytes.Equal(live, deleted) {
			t.Fatalf("a deletion changes the document, %v", err)
		}
		back, err := DecodeDocument(deleted)
		if err != nil || back.Secret.Deleted != nil {
			t.Fatalf("a decoded secret is deleted, %v", err)
		}
	})
}
