package backup

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/vaultferry/vaultferry/secret"
)

// A blob begins with one byte that holds the length of the name after it, as
// those of Key Vault do. The byte is ")": it needs no escape in JSON.
const (
	lengthByte = ')'
	blobName   = "VaultferrySecretBackupV1.vaultferry.local"
	prefix     = string(rune(lengthByte)) + blobName

	azurePrefix  = ")AzureKeyVaultSecretBackupV1.microsoft.com"
	huaweiPrefix = ")CloudSecretManagementBackupV1.com"
)

// Formats that Inspect tells apart.
const (
	FormatVaultferry = "vaultferry-v1"
	FormatAzure      = "azure-v1"  // made by Azure Key Vault; only it can open it
	FormatHuawei     = "huawei-v1" // made by Huawei Cloud CSMS; only it can open it
)

// Seal returns a self-describing blob, sealed with the first key that may, and
// signed where that key is asymmetric and another one signs. Unsupported means that the keyring holds no such key.
func (k *Keyring) Seal(d *Document) ([]byte, error) {
	unsigned := *d
	unsigned.Signature = ""
	plain, err := unsigned.Encode()
	if err != nil {
		return nil, err
	}
	if plain, err = k.sign(plain); err != nil {
		return nil, &secret.Error{Kind: secret.Internal, Op: "backup.seal", Err: err}
	}
	return k.sealDocument(plain)
}

// sealDocument makes a blob of an encoded document.
func (k *Keyring) sealDocument(plain []byte) ([]byte, error) {
	compact, err := k.sealAs(plain, typeBackup)
	if err != nil {
		return nil, err
	}
	blob := make([]byte, 0, len(prefix)+len(compact))
	return append(append(blob, prefix...), compact...), nil
}

// Open authenticates a blob before it parses a byte of its inside. Whatever
// fails, the error is Corrupt with the same Detail. Two are told apart, by what
// stands outside: a blob that a cloud made, and one of good form under a key
// that the keyring does not hold, which is NoKey and may be good. A keyring that
// can open nothing at all answers Unsupported.
func (k *Keyring) Open(blob []byte) (*Document, error) {
	switch format(blob) {
	case FormatAzure:
		return nil, secret.Errorf(secret.Corrupt, "this backup was made by Azure Key Vault, which alone can open it")
	case FormatHuawei:
		return nil, secret.Errorf(secret.Corrupt, "this backup was made by Huawei Cloud CSMS, which alone can open it")
	}
	if !k.CanOpen() {
		return nil, &secret.Error{Kind: secret.Unsupported, Op: "backup.open", Detail: "this gateway can seal backups but not open them"}
	}
	compact, ok := bytes.CutPrefix(blob, []byte(prefix))
	if !ok {
		return nil, corrupt(errHeader)
	}
	plain, err := k.open(compact, typeBackup)
	if e, ok := errors.AsType[*notHeld](err); ok {
		return nil, e.public()
	}
	if err != nil {
		return nil, corrupt(err)
	}
	return k.prove(compact, plain)
}

// prove reads a document that the keyring has opened, and finds out who made it.
func (k *Keyring) prove(compact, plain []byte) (*Document, error) {
	d, err := DecodeDocument(plain)
	if err != nil {
		return nil, err
	}
	if d.ProvedBy, err = k.signedBy(d, plain); err != nil {
		return nil, corrupt(err)
	}
	if d.ProvedBy != "" {
		return d, nil
	}
	part, _, _ := bytes.Cut(compact, []byte("."))
	if h, err := parseHeader(part); err == nil && h.Alg == AlgA256KW { // no other half of it is about
		d.ProvedBy = h.Kid
	}
	return d, nil
}

// WrapKey seals the data key of a store, which of names, and adds what proves that a
// holder of the key that it is sealed with did: a MAC. Anybody could seal with the
// public half of an asymmetric key. What it returns is no blob, and no blob can be
// unwrapped. Unsupported: the keyring could not unwrap it.
func (k *Keyring) WrapKey(key []byte, of string) ([]byte, error) {
	if len(key) == 0 {
		return nil, &secret.Error{Kind: secret.Internal, Op: "backup.wrap", Detail: "there is no key to wrap"}
	}
	if k.CanSeal() && !k.CanUnwrap() {
		return nil, &secret.Error{Kind: secret.Unsupported, Op: "backup.wrap", Detail: "the keyring could not unwrap what it wraps"}
	}
	compact, err := k.sealAs(key, typeKey)
	if err != nil {
		return nil, err
	}
	return append([]byte(compact+"."), k.sealer().proof(compact, of)...), nil
}

// proof is a MAC, in base64url, of a wrapped key and what it is the key of. The key
// must have its private half.
func (k *key) proof(wrapped, of string) string {
	mac := hmac.New(sha256.New, k.material())
	mac.Write([]byte("vaultferry wrapped keys"))
	mac = hmac.New(sha256.New, mac.Sum(nil))
	mac.Write([]byte(wrapped)) // which holds no NUL
	mac.Write([]byte{0})
	mac.Write([]byte(of))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// unwrap opens what WrapKey made, after it was found to be made by a holder.
func (k *Keyring) unwrap(wrapped []byte, of string) ([]byte, error) {
	i := max(bytes.LastIndexByte(wrapped, '.'), 0)
	compact, proof := wrapped[:i], wrapped[min(i+1, len(wrapped)):]
	key, err := k.open(compact, typeKey)
	if err != nil {
		return nil, err
	}
	part, _, _ := bytes.Cut(compact, []byte("."))
	h, err := parseHeader(part)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(proof, []byte(k.opener(h).proof(string(compact), of))) {
		return nil, errUnproved
	}
	return key, nil
}

// UnwrapKey opens what any WrapKey of this keyring made of the same, or fails with
// Corrupt.
func (k *Keyring) UnwrapKey(wrapped []byte, of string) ([]byte, error) {
	key, err := k.unwrap(wrapped, of)
	if e, ok := errors.AsType[*notHeld](err); ok {
		return nil, &secret.Error{Kind: secret.Corrupt, Op: "backup.unwrap", Detail: "its key is " + e.Error()}
	}
	if errors.Is(err, errUnproved) {
		return nil, &secret.Error{Kind: secret.Corrupt, Op: "backup.unwrap", Detail: err.Error()}
	}
	if err != nil {
		return nil, &secret.Error{Kind: secret.Corrupt, Op: "backup.unwrap", Detail: "the keyring cannot unwrap the key", Err: err}
	}
	return key, nil
}

var errUnproved = errors.New("nothing proves that a holder of the keyring wrapped its key for this store")

// WrappedBy returns the id of the key that a WrapKey of some keyring used, or
// "" where it does not say. Nothing of it is authenticated.
func (*Keyring) WrappedBy(wrapped []byte) string {
	part, _, _ := bytes.Cut(wrapped, []byte("."))
	h, err := parseHeader(part)
	if err != nil || h.Typ != typeKey {
		return ""
	}
	return h.Kid
}

// WrapRunKey seals the key of an inventory's digests. No store's key and no blob
// can be opened in its place.
func (k *Keyring) WrapRunKey(key []byte) (string, error) { return k.sealAs(key, typeRunKey) }

// UnwrapRunKey opens what any WrapRunKey of this keyring made, or fails with
// Corrupt.
func (k *Keyring) UnwrapRunKey(wrapped string) ([]byte, error) {
	key, err := k.open([]byte(wrapped), typeRunKey)
	if err != nil {
		return nil, &secret.Error{Kind: secret.Corrupt, Op: "backup.unwrap", Detail: "the keyring cannot open the run key", Err: err}
	}
	return key, nil
}

// SealSession seals what a temporary credential says of itself. No blob and no
// key can be opened in its place.
func (k *Keyring) SealSession(plain []byte) (string, error) { return k.sealAs(plain, typeSession) }

// OpenSession opens what any SealSession of this keyring made, or fails with
// Corrupt; with Unsupported where the keyring can open nothing.
func (k *Keyring) OpenSession(sealed string) ([]byte, error) {
	if !k.CanOpen() {
		return nil, &secret.Error{Kind: secret.Unsupported, Op: "backup.session", Detail: "this gateway can seal but not open"}
	}
	plain, err := k.open([]byte(sealed), typeSession)
	if err != nil {
		return nil, &secret.Error{Kind: secret.Corrupt, Op: "backup.session", Detail: "the session cannot be opened", Err: err}
	}
	return plain, nil
}

func (k *Keyring) sealAs(plain []byte, typ string) (string, error) {
	key := k.sealer()
	if key == nil {
		return "", &secret.Error{Kind: secret.Unsupported, Op: "backup.seal", Detail: "the keyring holds no key to seal with"}
	}
	compact, err := key.seal(plain, typ)
	if err != nil {
		return "", &secret.Error{Kind: secret.Internal, Op: "backup.seal", Err: err}
	}
	return compact, nil
}

// Header is what a blob says without a key. Nothing of it is authenticated.
type Header struct {
	Format     string // one of the Format constants
	KeyID      string
	Algorithm  string // how the content key is wrapped
	Encryption string // how the content is encrypted
	Size       int    // of the blob, in bytes
}

// Inspect reads the outside of a blob, ours or a cloud's. It proves nothing.
func Inspect(blob []byte) (Header, error) {
	h := Header{Format: format(blob), Size: len(blob)}
	if h.Format == "" {
		return Header{}, secret.Errorf(secret.Corrupt, "not a backup blob of any known kind")
	}
	part, _, _ := bytes.Cut(blob[len(prefixes()[h.Format]):], []byte("."))
	var members struct {
		Alg, Enc, Kid string
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(part[:min(len(part), headerSize)]))
	if err != nil || json.Unmarshal(raw, &members) != nil {
		return Header{}, secret.Errorf(secret.Corrupt, "the blob's header cannot be read")
	}
	h.KeyID, h.Algorithm, h.Encryption = members.Kid, members.Alg, members.Enc
	return h, nil
}

func prefixes() map[string]string {
	return map[string]string{FormatVaultferry: prefix, FormatAzure: azurePrefix, FormatHuawei: huaweiPrefix}
}

// format names the kind of blob by its first bytes, or is empty.
func format(blob []byte) string {
	for name, p := range prefixes() {
		if bytes.HasPrefix(blob, []byte(p)) {
			return name
		}
	}
	return ""
}

// FormatOf names the kind of blob by its first bytes, one of the Format
// constants, or is empty. It proves nothing.
func FormatOf(blob []byte) string { return format(blob) }
