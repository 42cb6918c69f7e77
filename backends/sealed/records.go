package sealed

import (
	"encoding/binary"
	"errors"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Each kind of record, from the model to what a store keeps and back.

// SealHead seals what is known of a secret beside its versions.
func (s *Sealer) SealHead(d Domain, h *history.Head) ([]byte, error) {
	plain, err := encodeHead(h)
	if err != nil {
		return nil, err
	}
	return s.Seal(d, h.Secret.Name, nil, plain)
}

// UnsealHead opens a head.
func (s *Sealer) UnsealHead(d Domain, name secret.Name, sealed []byte) (*history.Head, error) {
	plain, err := s.Unseal(d, name, nil, sealed)
	if err != nil {
		return nil, err
	}
	return decodeHead(name, plain)
}

// SealVersion seals all of v but its value.
func (s *Sealer) SealVersion(name secret.Name, v *secret.Version) ([]byte, error) {
	plain, err := encodeVersion(v)
	if err != nil {
		return nil, err
	}
	return s.Seal(Version, name, OrdinalID(v.Ordinal), plain)
}

// UnsealVersion opens the attributes of a version.
func (s *Sealer) UnsealVersion(name secret.Name, o secret.Ordinal, sealed []byte) (*secret.Version, error) {
	plain, err := s.Unseal(Version, name, OrdinalID(o), sealed)
	if err != nil {
		return nil, err
	}
	return DecodeVersion(o, plain)
}

// SealValue binds a value to the UID of its version.
func (s *Sealer) SealValue(name secret.Name, v *secret.Version) ([]byte, error) {
	return s.Seal(Value, name, v.UID[:], encodeValue(v.Value))
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
func (s *Sealer) SealState(key string, number uint64, text []byte) ([]byte, error) {
	return s.Seal(State, "", []byte(key), append(binary.BigEndian.AppendUint64(nil, number), text...))
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
