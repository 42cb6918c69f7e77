package sealed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

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
// then its text. The number is its revision.

// NextState seals the text of a record of the gateway, in the place of what is sealed
// there now; nil: nothing is. It refuses (Conflict) where that is not of the revision.
func (s *Sealer) NextState(key string, now []byte, revision string, text []byte) ([]byte, error) {
	var number uint64
	if now != nil {
		var err error
		if number, _, err = s.unsealState(key, now); err != nil {
			return nil, err
		}
	}
	if revisionOf(number) != revision {
		return nil, secret.Errorf(secret.Conflict, "")
	}
	return s.Batch().Seal(State, "", []byte(key), append(binary.BigEndian.AppendUint64(nil, number+1), text...))
}

// UnsealState opens a record of the gateway, or NotFound where there is none (nil).
func (s *Sealer) UnsealState(key string, sealed []byte) (text []byte, revision string, err error) {
	if sealed == nil {
		return nil, "", secret.Errorf(secret.NotFound, "no such record")
	}
	number, text, err := s.unsealState(key, sealed)
	return text, revisionOf(number), err
}

func (s *Sealer) unsealState(key string, sealed []byte) (number uint64, text []byte, err error) {
	plain, err := s.Unseal(State, "", []byte(key), sealed)
	switch {
	case err != nil:
		return 0, nil, err
	case len(plain) < 8 || binary.BigEndian.Uint64(plain) == 0:
		return 0, nil, errors.New("a record of the gateway is none of this format")
	}
	return binary.BigEndian.Uint64(plain), plain[8:], nil
}

func revisionOf(number uint64) string {
	if number == 0 {
		return ""
	}
	return strconv.FormatUint(number, 10)
}

// OrdinalID is what the attributes of a version are bound to, beside its secret.
func OrdinalID(o secret.Ordinal) []byte { return binary.BigEndian.AppendUint64(nil, uint64(o)) }
