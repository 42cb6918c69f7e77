package sealed

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Each kind of record, from the model to what a store keeps and back.

// HeadDomain is what a head is sealed as.
func HeadDomain(deleted bool) Domain {
	if deleted {
		return Trash
	}
	return Head
}

// SealHead seals what is known of a secret beside its versions.
func (b *Batch) SealHead(h *history.Head) ([]byte, error) {
	plain, err := encodeHead(h)
	if err != nil {
		return nil, err
	}
	return b.Seal(HeadDomain(h.Secret.Deleted != nil), h.Secret.Name, nil, plain)
}

// UnsealHead opens a head.
func (s *Sealer) UnsealHead(deleted bool, name secret.Name, sealed []byte) (*history.Head, error) {
	plain, err := s.Unseal(HeadDomain(deleted), name, nil, sealed)
	if err != nil {
		return nil, err
	}
	return decodeHead(name, plain)
}

// SealVersion seals a version: all but its value, and that, unless v misses it.
func (b *Batch) SealVersion(name secret.Name, v *secret.Version) (attributes, value []byte, err error) {
	if attributes, err = b.SealAttributes(name, v); err == nil && v.Missing == "" {
		value, err = b.Seal(Value, name, v.UID[:], encodeValue(v.Value)) // it is bound to the UID
	}
	if err != nil {
		return nil, nil, fmt.Errorf("version %d: %w", v.Ordinal, err)
	}
	return attributes, value, nil
}

// SealAttributes seals all of v but its value.
func (b *Batch) SealAttributes(name secret.Name, v *secret.Version) ([]byte, error) {
	plain, err := encodeVersion(v)
	if err != nil {
		return nil, err
	}
	return b.Seal(Version, name, OrdinalID(v.Ordinal), plain)
}

// UnsealVersion opens the attributes of a version.
func (s *Sealer) UnsealVersion(name secret.Name, o secret.Ordinal, sealed []byte) (*secret.Version, error) {
	plain, err := s.Unseal(Version, name, OrdinalID(o), sealed)
	if err != nil {
		return nil, err
	}
	return DecodeVersion(o, plain)
}

// UnsealValue opens a value.
func (s *Sealer) UnsealValue(name secret.Name, uid secret.UID, sealed []byte) (secret.Value, error) {
	plain, err := s.Unseal(Value, name, uid[:], sealed)
	if err != nil {
		return secret.Value{}, err
	}
	return decodeValue(plain)
}

// A record of the gateway is its number (8 bytes, big-endian), which is not zero, and
// then its text.

// SealState seals a record of the gateway.
func (b *Batch) SealState(key string, number uint64, text []byte) ([]byte, error) {
	return b.Seal(State, "", []byte(key), append(binary.BigEndian.AppendUint64(nil, number), text...))
}

// UnsealState opens one.
func (s *Sealer) UnsealState(key string, sealed []byte) (number uint64, text []byte, err error) {
	plain, err := s.Unseal(State, "", []byte(key), sealed)
	switch {
	case err != nil:
		return 0, nil, err
	case len(plain) < 8 || binary.BigEndian.Uint64(plain) == 0:
		return 0, nil, errors.New("a record of the gateway is none of this format")
	}
	return binary.BigEndian.Uint64(plain), plain[8:], nil
}

// OrdinalID is what the attributes of a version are bound to, beside its secret.
func OrdinalID(o secret.Ordinal) []byte { return binary.BigEndian.AppendUint64(nil, uint64(o)) }
