package backup

import (
	"bytes"

	"github.com/vaultferry/vaultferry/secret"
)

// Rewrap opens a blob and seals its document for the key that seals now, with its
// origin and its time. Nil: that key sealed it already. Kinds: as Open and Seal;
// Denied, where nothing proves who made the blob and the new one would say that a
// holder of this keyring did, unless vouch takes that.
func (k *Keyring) Rewrap(blob []byte, vouch bool) ([]byte, error) {
	present := k.sealer()
	if present == nil {
		return nil, &secret.Error{Kind: secret.Unsupported, Op: "backup.seal", Detail: "the keyring holds no key to seal with"}
	}
	h, err := Inspect(blob)
	if err == nil && h.Format == FormatVaultferry && h.KeyID == present.id && h.Algorithm == string(present.alg) && !present.canOpen() {
		return nil, nil // which nobody here can look into
	}
	doc, err := k.Open(blob)
	if err != nil {
		return nil, err
	}
	if h.KeyID == present.id {
		return nil, nil
	}
	if _, _, signs := k.Signer(); doc.ProvedBy == "" && !vouch && (signs || k.SealsSymmetric()) {
		return nil, secret.Errorf(secret.Denied, "nothing proves which gateway made this backup, and sealed anew it would say that a holder of this keyring did")
	}
	again, err := k.Seal(doc)
	if err != nil || !present.canOpen() {
		return again, err
	}
	return again, k.sameDocument(doc, again)
}

// sameDocument fails unless the blob holds the document: who replaces the one before
// by it has no other.
func (k *Keyring) sameDocument(doc *Document, blob []byte) error {
	holds, err := k.Open(blob)
	if err != nil {
		return err
	}
	var plain [2][]byte
	for i, d := range []*Document{doc, holds} {
		unsigned := *d
		unsigned.Signature = ""
		if plain[i], err = unsigned.Encode(); err != nil {
			return err
		}
	}
	if !bytes.Equal(plain[0], plain[1]) {
		return secret.Errorf(secret.Internal, "what was sealed anew holds another document")
	}
	return nil
}
