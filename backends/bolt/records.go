package bolt

import (
	"encoding/binary"
	"errors"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Each kind of record, from the model to what stands in the file and back.

func (s *sealer) sealHead(d domain, h *history.Head) ([]byte, error) {
	plain, err := encodeHead(h)
	if err != nil {
		return nil, err
	}
	return s.seal(d, h.Secret.Name, nil, plain)
}

func (s *sealer) unsealHead(d domain, name secret.Name, sealed []byte) (*history.Head, error) {
	plain, err := s.unseal(d, name, nil, sealed)
	if err != nil {
		return nil, err
	}
	return decodeHead(name, plain)
}

// sealVersion seals all of v but its value.
func (s *sealer) sealVersion(name secret.Name, v *secret.Version) ([]byte, error) {
	plain, err := encodeVersion(v)
	if err != nil {
		return nil, err
	}
	return s.seal(domainVersion, name, ordinalBytes(v.Ordinal), plain)
}

func (s *sealer) unsealVersion(name secret.Name, o secret.Ordinal, sealed []byte) (*secret.Version, error) {
	plain, err := s.unseal(domainVersion, name, ordinalBytes(o), sealed)
	if err != nil {
		return nil, err
	}
	return decodeVersion(o, plain)
}

// sealValue binds a value to the UID of its version.
func (s *sealer) sealValue(name secret.Name, v *secret.Version) ([]byte, error) {
	return s.seal(domainValue, name, v.UID[:], encodeValue(v.Value))
}

func (s *sealer) unsealValue(name secret.Name, uid secret.UID, sealed []byte) (secret.Value, error) {
	plain, err := s.unseal(domainValue, name, uid[:], sealed)
	if err != nil {
		return secret.Value{}, err
	}
	return decodeValue(plain)
}

// A record of the gateway is its number (8 bytes, big-endian), which is not zero, and
// then its text.

func (s *sealer) sealState(key string, number uint64, text []byte) ([]byte, error) {
	return s.seal(domainState, "", []byte(key), append(binary.BigEndian.AppendUint64(nil, number), text...))
}

func (s *sealer) unsealState(key string, sealed []byte) (number uint64, text []byte, err error) {
	plain, err := s.unseal(domainState, "", []byte(key), sealed)
	switch {
	case err != nil:
		return 0, nil, err
	case len(plain) < 8 || binary.BigEndian.Uint64(plain) == 0:
		return 0, nil, errors.New("a record of the gateway is none of this format")
	}
	return binary.BigEndian.Uint64(plain), plain[8:], nil
}
