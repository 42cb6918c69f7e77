package backup

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/secret"
)

// Algorithms of the keys in a keyring. The first three seal; with the second
// and third a gateway may hold the public half alone.
const (
	AlgA256KW = "A256KW"
	AlgECDH   = "ECDH-ES+A256KW"
	AlgRSA    = "RSA-OAEP-256"
	AlgEdDSA  = "EdDSA" // signs tokens
	AlgES256  = "ES256" // signs tokens
)

// NewKeyring returns a keyring for a new gateway: one A256KW key that seals
// and opens, and one Ed25519 key that signs.
func NewKeyring() *Keyring {
	k, err := NewKeyringOf(AlgA256KW, AlgEdDSA)
	if err != nil { // these two need nothing but randomness, which does not fail
		panic(err)
	}
	return k
}

// NewKeyringOf returns a keyring for a new gateway with a fresh key for each
// algorithm, in that order.
func NewKeyringOf(algs ...string) (*Keyring, error) {
	k := &Keyring{gateway: randomHex(), ids: randomIDs()}
	for _, alg := range algs {
		var err error
		if k, _, err = k.Add(alg); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Add returns a keyring with a fresh key of the algorithm at its end, and the
// key's id. Being last, the key opens at once and seals when those before it
// are retired: so a new key reaches every gateway before it is used.
func (k *Keyring) Add(alg string) (*Keyring, string, error) {
	material, err := generate(alg)
	if err != nil {
		return nil, "", err
	}
	use := useEnc
	if alg == AlgEdDSA || alg == AlgES256 {
		use = useSig
	}
	id := randomHex()
	raw, err := (&jose.JSONWebKey{Key: material, KeyID: id, Algorithm: alg, Use: use}).MarshalJSON()
	if err != nil {
		return nil, "", &secret.Error{Kind: secret.Internal, Op: "keyring.add", Err: err}
	}
	added, err := parseKey(raw)
	if err != nil {
		return nil, "", &secret.Error{Kind: secret.Internal, Op: "keyring.add", Err: err}
	}
	return k.with(append(slices.Clone(k.keys), added)), id, nil
}

func generate(alg string) (any, error) {
	switch alg {
	case AlgA256KW:
		b := make([]byte, 32)
		_, _ = rand.Read(b) // never fails (crypto/rand)
		return b, nil
	case AlgECDH, AlgES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case AlgRSA:
		return rsa.GenerateKey(rand.Reader, minRSABits)
	case AlgEdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, keyringError("unknown key type %q (known: %s, %s, %s, %s, %s)", alg, AlgA256KW, AlgECDH, AlgRSA, AlgEdDSA, AlgES256)
}

func randomHex() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// Retire returns a keyring whose key id seals no more. It still opens: no key
// is ever removed, for nobody can know what it has sealed.
func (k *Keyring) Retire(id string, at time.Time) (*Keyring, error) {
	i := k.find(id)
	if i < 0 {
		return nil, &secret.Error{Kind: secret.NotFound, Op: "keyring.retire", Detail: "the keyring has no such key"}
	}
	if !k.keys[i].retired.IsZero() {
		return k, nil
	}
	at = at.UTC().Truncate(time.Second)
	raw, err := setMember(k.keys[i].raw, retiredMember, at.Format(time.RFC3339))
	if err != nil {
		return nil, &secret.Error{Kind: secret.Internal, Op: "keyring.retire", Err: err}
	}
	keys := slices.Clone(k.keys)
	keys[i].raw, keys[i].retired = raw, at
	return k.with(keys), nil
}

// Public returns a keyring of the public halves. A gateway that has no more
// can seal and not open. Symmetric keys have no public half and are left out;
// Invalid means that nothing is left.
func (k *Keyring) Public() (*Keyring, error) {
	return k.publicOf(func(c key) bool { return c.alg != AlgA256KW }, "the keyring holds symmetric keys alone, which have no public half")
}

// PublicSigning returns a keyring of the public halves of the keys that sign,
// or once did: it verifies, and neither seals nor opens. It is for strangers, so
// it lacks the secret that ids follow from. Invalid: there is none.
func (k *Keyring) PublicSigning() (*Keyring, error) {
	public, err := k.publicOf(func(c key) bool { return c.use == useSig }, "the keyring holds no key that signs")
	if err != nil {
		return nil, err
	}
	delete(public.members, idsMember)
	return public, public.readIDs()
}

func (k *Keyring) publicOf(wanted func(key) bool, none string) (*Keyring, error) {
	var keys []key
	for _, c := range k.keys {
		if !wanted(c) {
			continue
		}
		raw, err := publicHalf(c.raw)
		if err != nil {
			return nil, err
		}
		half, err := parseKey(raw)
		if err != nil {
			return nil, &secret.Error{Kind: secret.Internal, Op: "keyring.public", Err: err}
		}
		keys = append(keys, half)
	}
	if len(keys) == 0 {
		return nil, keyringError("%s", none)
	}
	return k.with(keys), nil
}

func publicHalf(raw json.RawMessage) (json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, keyringError("a key is not a JSON object")
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "key_ops"} {
		delete(m, private)
	}
	return json.Marshal(m)
}

func setMember(raw json.RawMessage, name, text string) (json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	value, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	m[name] = value
	return json.Marshal(m)
}

// with keeps the gateway's id and what ids follow from, also where they were derived from
// a key.
func (k *Keyring) with(keys []key) *Keyring {
	members := maps.Clone(k.members)
	if members == nil {
		members = map[string]json.RawMessage{}
	}
	members["gateway"] = json.RawMessage(`"` + k.gateway + `"`)
	members[idsMember] = json.RawMessage(`"` + hex.EncodeToString(k.ids) + `"`)
	return &Keyring{members: members, gateway: k.gateway, ids: k.ids, keys: keys}
}

// Reveal returns the JWK set with all that the keyring holds, private halves
// and members of others included.
func (k *Keyring) Reveal() ([]byte, error) {
	all := maps.Clone(k.members)
	raw := make([]json.RawMessage, len(k.keys))
	for i := range k.keys {
		raw[i] = k.keys[i].raw
	}
	var err error
	if all["keys"], err = json.Marshal(raw); err != nil {
		return nil, &secret.Error{Kind: secret.Internal, Op: "keyring", Err: err}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(all); err != nil {
		return nil, &secret.Error{Kind: secret.Internal, Op: "keyring", Err: err}
	}
	return b.Bytes(), nil
}

// Signer returns the key that signs tokens and its id.
func (k *Keyring) Signer() (signer crypto.Signer, id string, ok bool) {
	for i := range k.keys {
		if c := &k.keys[i]; c.use == useSig && c.active() {
			signer, ok = c.private.(crypto.Signer)
			return signer, c.id, ok
		}
	}
	return nil, "", false
}
