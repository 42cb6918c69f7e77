// Package witness has gateways sign each other's audits: a witness signs a
// checkpoint only if the log has grown since the one before, and never shrunk or
// changed. The protocol is C2SP's tlog-witness, the signatures are those of its
// tlog-cosignature.
package witness

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Path is where a witness takes checkpoints.
const Path = "/audit-witness/add-checkpoint"

// maxBody bounds what is sent to a witness, and what it answers.
const maxBody = 64 << 10

// typeCosignature is the type of signature, as notes name them.
const typeCosignature = 4

// Name is what a gateway signs as.
func Name(gateway string) string { return "vaultferry/" + gateway + "/witness" }

// verifier implements note.Verifier of cosignatures by one key.
type verifier struct {
	name string
	key  ed25519.PublicKey
}

// Name implements note.Verifier.
func (v verifier) Name() string { return v.name }

// KeyHash implements note.Verifier.
func (v verifier) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(v.name+"\n"), append([]byte{typeCosignature}, v.key...)...))
	return binary.BigEndian.Uint32(sum[:])
}

// Verify implements note.Verifier.
func (v verifier) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	return ed25519.Verify(v.key, signedText(at, msg), sig[8:])
}

func signedText(at uint64, text []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), text...)
}

// cosign is the line of a signature over a checkpoint's text.
func cosign(name string, by crypto.Signer, text string, now time.Time) (string, error) {
	key, ok := by.Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("a witness signs with a key of type EdDSA")
	}
	at := uint64(now.Unix())
	sig, err := by.Sign(rand.Reader, signedText(at, []byte(text)), crypto.Hash(0))
	if err != nil {
		return "", err
	}
	v := verifier{name, key}
	b := binary.BigEndian.AppendUint32(nil, v.KeyHash())
	b = append(binary.BigEndian.AppendUint64(b, at), sig...)
	return fmt.Sprintf("— %s %s\n", name, base64.StdEncoding.EncodeToString(b)), nil
}

// Verify fails unless one of the keys cosigned the checkpoint under the name.
func Verify(checkpoint, name string, keys []crypto.PublicKey) error {
	var known []note.Verifier
	for _, k := range keys {
		if pub, ok := k.(ed25519.PublicKey); ok {
			known = append(known, verifier{name, pub})
		}
	}
	if _, err := note.Open([]byte(checkpoint), note.VerifierList(known...)); err != nil {
		return errors.New("the witness did not sign the checkpoint")
	}
	return nil
}

// textOf is the part of a note that is signed.
func textOf(checkpoint string) (string, error) {
	i := strings.LastIndex(checkpoint, "\n\n")
	if i < 0 {
		return "", errors.New("not a signed note")
	}
	return checkpoint[:i+1], nil
}
