package backup

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/vaultferry/vaultferry/secret"
)

// RepositoryKey is what a repository of snapshots seals its documents with, and
// what it names them by. It prints no key.
type RepositoryKey struct {
	seals  *Keyring // of one A256KW key
	naming secret.Value
	proved bool // a holder of the keyring that unwrapped it made it, or this process
}

const namingSize = 32

// repositoryKeys is the plaintext of a wrapped key: a JWK set, and the key that
// names.
type repositoryKeys struct {
	Keys   []json.RawMessage `json:"keys"`
	Naming string            `json:"naming"`
}

// NewRepositoryKey returns random keys.
func NewRepositoryKey() *RepositoryKey {
	seals, err := NewKeyringOf(AlgA256KW)
	if err != nil { // it needs nothing but randomness, which does not fail
		panic(err)
	}
	naming := make([]byte, namingSize)
	_, _ = rand.Read(naming) // never fails (crypto/rand)
	return &RepositoryKey{seals: seals, naming: secret.BinaryValue(naming), proved: true}
}

// ID is that of the key that seals, and of the repository.
func (r *RepositoryKey) ID() string { return r.seals.keys[0].id }

// Name is what a document of the secret is called: a MAC of its name and all
// that it holds.
func (r *RepositoryKey) Name(s *secret.Secret) (string, error) {
	if err := validateSecret(s); err != nil {
		return "", encodeError(err)
	}
	e := encoder{b: make([]byte, 0, sizeHint(s))}
	e.secret(s)
	if e.err != nil {
		return "", encodeError(e.err)
	}
	return r.name(e.b), nil
}

func (r *RepositoryKey) name(encoded []byte) string {
	mac := hmac.New(sha256.New, r.naming.Reveal())
	mac.Write(encoded)
	return hex.EncodeToString(mac.Sum(nil))
}

// Prepared is a document on its way into a repository: encoded once, to name it and
// to seal it.
type Prepared struct {
	Name  string // as RepositoryKey.Name of its secret
	seals *Keyring
	plain []byte
}

// Prepare encodes a document and names it.
func (r *RepositoryKey) Prepare(d *Document) (*Prepared, error) {
	unsigned := *d
	unsigned.Signature = ""
	if err := unsigned.validate(); err != nil {
		return nil, encodeError(err)
	}
	e := encoder{b: make([]byte, 0, sizeHint(d.Secret))}
	if e.document(&unsigned); e.err != nil {
		return nil, encodeError(e.err)
	}
	return &Prepared{r.name(e.b[e.from:e.to]), r.seals, e.b}, nil
}

// Seal is Keyring.Seal of the document.
func (p *Prepared) Seal() ([]byte, error) { return p.seals.sealDocument(p.plain) }

// Seal is Keyring.Seal.
func (r *RepositoryKey) Seal(d *Document) ([]byte, error) { return r.seals.Seal(d) }

// Open is Keyring.Open. Where anybody with a public half may have made the key,
// nothing proves who made the document.
func (r *RepositoryKey) Open(blob []byte) (*Document, error) {
	d, err := r.seals.Open(blob)
	if err == nil && !r.proved {
		d.ProvedBy = ""
	}
	return d, err
}

// WrapRepositoryKey wraps the key for the keyring, and returns the id of the key
// that it is wrapped for. Kind: Unsupported.
func (k *Keyring) WrapRepositoryKey(r *RepositoryKey) (wrapped, recipient string, err error) {
	plain, err := json.Marshal(repositoryKeys{[]json.RawMessage{r.seals.keys[0].raw}, hex.EncodeToString(r.naming.Reveal())})
	if err != nil {
		return "", "", &secret.Error{Kind: secret.Internal, Op: "backup.wrap", Err: err}
	}
	if wrapped, err = k.sealAs(plain, typeRepository); err != nil {
		return "", "", err
	}
	return wrapped, k.sealer().id, nil
}

// UnwrapRepositoryKey opens what WrapRepositoryKey made for this keyring, or fails:
// NoKey, where it was made for another; Unsupported, where the keyring opens
// nothing; Corrupt.
func (k *Keyring) UnwrapRepositoryKey(wrapped string) (*RepositoryKey, error) {
	if !k.CanOpen() {
		return nil, secret.Errorf(secret.Unsupported, "this keyring can seal and not open, so it can neither tell what of a repository is unchanged nor read it")
	}
	plain, err := k.open([]byte(wrapped), typeRepository)
	if e, ok := errors.AsType[*notHeld](err); ok {
		return nil, secret.Errorf(secret.NoKey, "the repository's key is %s", e.Error())
	}
	if err != nil {
		return nil, &secret.Error{Kind: secret.Corrupt, Op: "backup.unwrap", Detail: "the keyring cannot open the repository's key", Err: err}
	}
	r, err := parseRepositoryKey(plain)
	if err != nil {
		return nil, &secret.Error{Kind: secret.Corrupt, Op: "backup.unwrap", Detail: "the repository's key is none", Err: err}
	}
	part, _, _ := bytes.Cut([]byte(wrapped), []byte("."))
	h, err := parseHeader(part)
	r.proved = err == nil && h.Alg == AlgA256KW // no other half of it is about
	return r, nil
}

// parseRepositoryKey never includes an error of a decoder: those may quote the
// key.
func parseRepositoryKey(plain []byte) (*RepositoryKey, error) {
	var in repositoryKeys
	if json.Unmarshal(plain, &in) != nil || len(in.Keys) != 1 {
		return nil, errors.New("not a JWK set of one key")
	}
	sealing, err := parseKey(in.Keys[0])
	if err != nil || sealing.alg != AlgA256KW || !sealing.active() {
		return nil, errors.New("the key that seals is none")
	}
	naming, err := hex.DecodeString(in.Naming)
	if err != nil || len(naming) != namingSize {
		return nil, errors.New("the key that names is none")
	}
	return &RepositoryKey{seals: &Keyring{keys: []key{sealing}}, naming: secret.BinaryValue(naming)}, nil
}
