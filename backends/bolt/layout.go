package bolt

import (
	"bytes"
	"encoding/binary"

	"github.com/vaultferry/vaultferry/secret"
)

// The buckets. What one write of a secret with few versions touches lies side by
// side in one of them, so that it costs one page and those that lead there. A
// value that is not small lies elsewhere: a page is written anew with all that is
// on it. Secrets that are not deleted are listed, so that it costs nothing to list
// them beside many that are.
var (
	bucketMeta    = []byte("meta")    // "meta": JSON
	bucketSecrets = []byte("secrets") // recordKey: record
	bucketValues  = []byte("values")  // recordKey: sealed value of more than inlineMax bytes
	bucketLive    = []byte("live")    // name of a secret that is not deleted: nothing
	bucketTrash   = []byte("trash")   // name: sealed head of a deleted secret
	bucketState   = []byte("state")   // key: sealed record of the gateway
)

// buckets are all that this release makes.
func buckets() [][]byte {
	return [][]byte{bucketMeta, bucketSecrets, bucketValues, bucketLive, bucketTrash, bucketState}
}

// inlineMax bounds a sealed value that lies among the other records of its
// secret: three or four of them fit a page.
const inlineMax = 960

// recordKind is which record of a secret it is.
type recordKind byte

// The kinds, in the order of their keys.
const (
	recordHead       recordKind = iota + 1 // sealed head
	recordAttributes                       // sealed attributes of a version
	recordValue                            // its sealed value
	recordUID                              // its ordinal, 8 bytes
	recordListed                           // that it is listed; its key is the name
)

// recordKey is what the key of a record says.
type recordKey struct {
	name    secret.Name
	kind    recordKind
	ordinal secret.Ordinal // of recordAttributes and recordValue
	uid     secret.UID     // of recordUID
}

// bytes are the name, a NUL, which no name holds, and the kind. Then comes the UID
// (16 bytes) or the complement of the ordinal (8 bytes, big-endian): the newest
// version is next to the head.
func (k recordKey) bytes() []byte {
	b := append(prefix(k.name), byte(k.kind))
	switch k.kind {
	case recordAttributes, recordValue:
		return append(b, ordinalBytes(^k.ordinal)...)
	case recordUID:
		return append(b, k.uid[:]...)
	case recordHead, recordListed:
	}
	return b
}

// prefix begins the keys of all that belongs to one secret.
func prefix(name secret.Name) []byte { return append([]byte(name), 0) }

// kindPrefix begins the keys of all its records of one kind.
func kindPrefix(name secret.Name, k recordKind) []byte { return append(prefix(name), byte(k)) }

func headKey(name secret.Name) []byte { return recordKey{name: name, kind: recordHead}.bytes() }

func attributesKey(name secret.Name, o secret.Ordinal) []byte {
	return recordKey{name: name, kind: recordAttributes, ordinal: o}.bytes()
}

func valueKey(name secret.Name, o secret.Ordinal) []byte {
	return recordKey{name: name, kind: recordValue, ordinal: o}.bytes()
}

func uidKey(name secret.Name, u secret.UID) []byte {
	return recordKey{name: name, kind: recordUID, uid: u}.bytes()
}

// valueBucket is where a sealed value belongs.
func valueBucket(sealed []byte) []byte {
	if len(sealed) > inlineMax {
		return bucketValues
	}
	return bucketSecrets
}

// parseRecordKey reads bytes.
func parseRecordKey(b []byte) (k recordKey, ok bool) {
	name, tail, _ := bytes.Cut(b, []byte{0})
	if len(name) == 0 || len(tail) == 0 {
		return recordKey{}, false
	}
	k, tail = recordKey{name: secret.Name(name), kind: recordKind(tail[0])}, tail[1:]
	switch {
	case k.kind == recordHead && len(tail) == 0:
	case (k.kind == recordAttributes || k.kind == recordValue) && len(tail) == 8:
		k.ordinal = ^ordinalOf(tail)
	case k.kind == recordUID && len(tail) == len(k.uid):
		copy(k.uid[:], tail)
	default: // nor recordListed, which is in no such key
		return recordKey{}, false
	}
	return k, true
}

// headStore is where heads are: those of live secrets, or of deleted ones.
type headStore struct {
	bucket  []byte
	key     func(secret.Name) []byte
	deleted bool
	list    []byte // bucket whose keys are the names
}

var (
	liveHeads  = headStore{bucketSecrets, headKey, false, bucketLive}
	trashHeads = headStore{bucketTrash, func(name secret.Name) []byte { return []byte(name) }, true, bucketTrash}
)

func ordinalBytes(o secret.Ordinal) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(o))
}

// ordinalOf reads ordinalBytes, or returns zero.
func ordinalOf(b []byte) secret.Ordinal {
	if len(b) != 8 {
		return 0
	}
	return secret.Ordinal(binary.BigEndian.Uint64(b))
}
