package audit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/internal/rawsig"
)

// A checkpoint is a signed note as golang.org/x/mod/sumdb/note and C2SP's
// tlog-checkpoint have it: what the log is called, how many lines it has, the
// root of the tree over them. A leaf is the SHA-256 of a line without its
// newline. The name of the key is that of the log.

// checkpointSuffix is of the file beside the audit that holds the last one.
const checkpointSuffix = ".checkpoint"

// CheckpointFile holds the last checkpoint of the audit at path.
func CheckpointFile(path string) string { return path + checkpointSuffix }

// maxCheckpoint bounds what is read as a checkpoint.
const maxCheckpoint = 64 << 10

// originPrefix begins the name of every log.
const originPrefix = "vaultferry/"

func originOf(gateway, log string) string { return originPrefix + gateway + "/" + log }

// Signed is a checkpoint as it was read.
type Signed struct {
	Origin string
	Log    string // that of the tree: see TreeState
	Size   int64
	Root   merkle.Hash
	Text   string // the whole note
}

// ParseCheckpoint reads a note, and verifies nothing.
func ParseCheckpoint(text string) (*Signed, error) {
	bad := errors.New("not a checkpoint of an audit")
	lines := strings.SplitN(text, "\n", 4)
	if len(text) > maxCheckpoint || len(lines) < 4 {
		return nil, bad
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return nil, bad
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != sha256.Size {
		return nil, bad
	}
	s := &Signed{Origin: lines[0], Size: size, Root: merkle.Hash(root), Text: text}
	i := strings.LastIndexByte(s.Origin, '/')
	if !strings.HasPrefix(s.Origin, originPrefix) || i < len(originPrefix) {
		return nil, bad
	}
	s.Log = s.Origin[i+1:]
	return s, nil
}

// Verify fails unless one of the keys signed the checkpoint.
func (s *Signed) Verify(keys []crypto.PublicKey) error {
	var known []note.Verifier
	for _, k := range keys {
		if v, err := newVerifier(s.Origin, k); err == nil {
			known = append(known, v)
		}
	}
	n, err := note.Open([]byte(s.Text), note.VerifierList(known...))
	if err != nil {
		return errors.New("none of the keys signed the checkpoint")
	}
	if !strings.HasPrefix(n.Text, fmt.Sprintf("%s\n%d\n%s\n", s.Origin, s.Size, base64.StdEncoding.EncodeToString(s.Root[:]))) {
		return errors.New("the checkpoint's text is not what was signed")
	}
	return nil
}

// checkpointNote signs the tree. Without a signer it has no signature.
func checkpointNote(origin string, tree *merkle.Edge, by crypto.Signer) (string, error) {
	root := tree.Root()
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, tree.Size(), base64.StdEncoding.EncodeToString(root[:]))
	if by == nil {
		return text + "\n", nil
	}
	s, err := newSigner(origin, by)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: text}, s)
	return string(signed), err
}

// Types of signatures, as notes name them.
const (
	typeEd25519 = 1
	typeECDSA   = 2
)

// verifier implements note.Verifier over a key of the keyring.
type verifier struct {
	name string
	hash uint32
	key  crypto.PublicKey
}

func newVerifier(name string, key crypto.PublicKey) (*verifier, error) {
	var material []byte
	switch k := key.(type) {
	case ed25519.PublicKey:
		material = append([]byte{typeEd25519}, k...)
	case *ecdsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			return nil, err
		}
		material = append([]byte{typeECDSA}, der...)
	default:
		return nil, fmt.Errorf("a key of type %T signs no checkpoint", key)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), material...))
	return &verifier{name, binary.BigEndian.Uint32(sum[:]), key}, nil
}

// Name implements note.Verifier.
func (v *verifier) Name() string { return v.name }

// KeyHash implements note.Verifier.
func (v *verifier) KeyHash() uint32 { return v.hash }

// Verify implements note.Verifier.
func (v *verifier) Verify(msg, sig []byte) bool { return rawsig.Verify(v.key, msg, sig) }

// signer implements note.Signer.
type signer struct {
	*verifier
	by crypto.Signer
}

func newSigner(name string, by crypto.Signer) (*signer, error) {
	v, err := newVerifier(name, by.Public())
	return &signer{v, by}, err
}

// Sign implements note.Signer.
func (s *signer) Sign(msg []byte) ([]byte, error) { return rawsig.Sign(s.by, msg) }
