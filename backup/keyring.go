package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/internal/textfile"
	"github.com/vaultferry/vaultferry/secret"
)

// Keyring is a JWK set: the first key that may seal does, and all open. It is
// never changed once made; editing returns another, so it is safe to share.
// It does not print its keys.
type Keyring struct {
	members map[string]json.RawMessage // of the set, without "keys"
	keys    []key
	gateway string
	ids     []byte // of idsMember
}

// KeyInfo tells about a key without showing any of it.
type KeyInfo struct {
	ID        string
	Algorithm string
	Use       string // "enc" or "sig"
	Active    bool   // the one that seals, or signs, now
	Private   bool   // it can also open, or sign
	Retired   time.Time
}

// ParseKeyring reads a JWK set. Its errors name keys by id or place and never
// show what they hold.
func ParseKeyring(b []byte) (*Keyring, error) {
	b, err := textfile.Decode(b)
	if err != nil {
		return nil, keyringError("%v", err)
	}
	var members map[string]json.RawMessage
	switch err := json.Unmarshal(b, &members); {
	case err != nil && bytes.HasPrefix(b, []byte("vault:v")):
		return nil, keyringError("sealed by a transit key of Vault: keyring.transit of a configuration opens it")
	case err != nil:
		return nil, keyringError("not a JSON object")
	}
	var raw []json.RawMessage
	if json.Unmarshal(members["keys"], &raw) != nil || len(raw) == 0 {
		return nil, keyringError(`"keys" is not a list of keys`)
	}
	delete(members, "keys")
	k := &Keyring{members: members}
	for i, r := range raw {
		parsed, err := parseKey(r)
		if err != nil {
			return nil, keyringError("key %d: %v", i+1, err)
		}
		if k.find(parsed.id) >= 0 {
			return nil, keyringError("key %d: the kid %q is taken", i+1, parsed.id)
		}
		k.keys = append(k.keys, parsed)
	}
	if err := k.readGateway(); err != nil {
		return nil, err
	}
	if err := k.readIDs(); err != nil {
		return nil, err
	}
	return k, nil
}

func keyringError(format string, args ...any) error {
	return &secret.Error{Kind: secret.Invalid, Op: "keyring", Detail: fmt.Sprintf(format, args...)}
}

func (k *Keyring) readGateway() error {
	raw, ok := k.members["gateway"]
	if !ok {
		sum := sha256.Sum256(append([]byte("vaultferry gateway\n"), k.keys[0].thumbprint()...))
		k.gateway = hex.EncodeToString(sum[:16])
		return nil
	}
	if json.Unmarshal(raw, &k.gateway) != nil || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(k.gateway) {
		return keyringError(`"gateway" is not 32 lower-case hex digits`)
	}
	return nil
}

// GatewayID names the gateway in the origin of what it seals. It stays the
// same however keys come and go.
func (k *Keyring) GatewayID() string { return k.gateway }

// CanSeal reports whether some key may seal.
func (k *Keyring) CanSeal() bool { return k.sealer() != nil }

// SealsSymmetric reports whether the key that seals is a symmetric one, so that
// only holders of the keyring can make what it seals.
func (k *Keyring) SealsSymmetric() bool {
	s := k.sealer()
	return s != nil && s.alg == AlgA256KW
}

// CanOpen reports whether some key can open.
func (k *Keyring) CanOpen() bool {
	return slices.ContainsFunc(k.keys, func(c key) bool { return c.canOpen() })
}

// CanUnwrap reports whether this keyring can unwrap what it wraps.
func (k *Keyring) CanUnwrap() bool {
	if s := k.sealer(); s != nil {
		return s.canOpen()
	}
	return k.CanOpen()
}

// Keys lists the keys in their order.
func (k *Keyring) Keys() []KeyInfo {
	var infos []KeyInfo
	active := map[string]bool{}
	for i := range k.keys {
		c := &k.keys[i]
		now := c.active() && !active[c.use]
		active[c.use] = active[c.use] || now
		infos = append(infos, KeyInfo{
			ID: c.id, Algorithm: string(c.alg), Use: c.use,
			Active: now, Private: c.private != nil, Retired: c.retired,
		})
	}
	return infos
}

// String never discloses.
func (k *Keyring) String() string { return "keyring of gateway " + k.gateway }

// Format never discloses, whatever the verb.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalJSON always fails; Reveal is the way out.
func (k *Keyring) MarshalJSON() ([]byte, error) { return nil, secret.ErrNotMarshalable }

func (k *Keyring) sealer() *key {
	for i := range k.keys {
		if c := &k.keys[i]; c.use == useEnc && c.active() {
			return c
		}
	}
	return nil
}

func (k *Keyring) find(id string) int {
	return slices.IndexFunc(k.keys, func(c key) bool { return c.id == id })
}
