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
	bucketSecrets = []byte("secrets") // place: record
	bucketValues  = []byte("values")  // place: sealed value of more than inlineMax bytes
	bucketLive    = []byte("live")    // name of a secret that is not deleted: nothing
	bucketTrash   = []byte("trash")   // name: sealed head of a deleted secret
	bucketNotes   = []byte("notes")   // key: sealed note
)

// buckets are all that this release makes.
func buckets() [][]byte {
	return [][]byte{bucketMeta, bucketSecrets, bucketValues, bucketLive, bucketTrash, bucketNotes}
}

// inlineMax bounds a sealed value that lies among the other records of its
// secret: three or four of them fit a page.
const inlineMax = 960

// part is which record of a secret it is.
type part byte

// The parts, in the order of their keys.
const (
	partHead       part = iota + 1 // sealed head
	partAttributes                 // sealed attributes of a version
	partValue                      // its sealed value
	partUID                        // its ordinal, 8 bytes
	partLive                       // that it is listed; its key is the name
)

// place is whose record it is, and which.
type place struct {
	name    secret.Name
	part    part
	ordinal secret.Ordinal // of partAttributes and partValue
	uid     secret.UID     // of partUID
}

// key is the name, a NUL, which no name holds, and the part. Then comes the UID
// (16 bytes) or the complement of the ordinal (8 bytes, big-endian): the newest
// version is next to the head.
func (p place) key() []byte {
	k := append(prefix(p.name), byte(p.part))
	switch p.part {
	case partAttributes, partValue:
		return append(k, ordinalBytes(^p.ordinal)...)
	case partUID:
		return append(k, p.uid[:]...)
	case partHead, partLive:
	}
	return k
}

// prefix begins the keys of all that belongs to one secret.
func prefix(name secret.Name) []byte { return append([]byte(name), 0) }

func headKey(name secret.Name) []byte { return place{name: name, part: partHead}.key() }

func attributesKey(name secret.Name, o secret.Ordinal) []byte {
	return place{name: name, part: partAttributes, ordinal: o}.key()
}

func valueKey(name secret.Name, o secret.Ordinal) []byte {
	return place{name: name, part: partValue, ordinal: o}.key()
}

func uidKey(name secret.Name, u secret.UID) []byte {
	return place{name: name, part: partUID, uid: u}.key()
}

// valueBucket is where a sealed value belongs.
func valueBucket(sealed []byte) []byte {
	if len(sealed) > inlineMax {
		return bucketValues
	}
	return bucketSecrets
}

// parsePlace reads a key, or returns no name.
func parsePlace(k []byte) place {
	name, tail, _ := bytes.Cut(k, []byte{0})
	if len(tail) == 0 {
		return place{}
	}
	p, tail := place{name: secret.Name(name), part: part(tail[0])}, tail[1:]
	switch {
	case p.part == partHead && len(tail) == 0:
	case (p.part == partAttributes || p.part == partValue) && len(tail) == 8:
		p.ordinal = ^ordinalOf(tail)
	case p.part == partUID && len(tail) == len(p.uid):
		copy(p.uid[:], tail)
	default: // nor partLive, which is in no such key
		return place{}
	}
	return p
}

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

// parseLarge is parsePlace where only values are.
func parseLarge(k []byte) place {
	if p := parsePlace(k); p.part == partValue {
		return p
	}
	return place{}
}

// parseName is of keys that are the name alone.
func parseName(is part) func(k []byte) place {
	return func(k []byte) place { return place{name: secret.Name(k), part: is} }
}

// source is a bucket of records that belong to secrets.
type source struct {
	bucket []byte
	parse  func(k []byte) place // no name: not a key of this bucket
}

// sources are all of them, but for the list of live secrets. What is named after
// a UID or holds a value comes after the attributes.
func sources() []source {
	return []source{{bucketTrash, parseName(partHead)}, {bucketSecrets, parsePlace}, {bucketValues, parseLarge}}
}
