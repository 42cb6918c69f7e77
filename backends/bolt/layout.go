package bolt

import (
	"bytes"
	"encoding/binary"

	"github.com/vaultferry/vaultferry/secret"
)

// The buckets. What one write of a secret touches lies side by side in one of
// them, so that it costs one page and those that lead there. A value that is not
// small has a bucket of its own: a page is written anew with all that is on it.
var (
	bucketMeta    = []byte("meta")    // "meta": JSON
	bucketSecrets = []byte("secrets") // place: record
	bucketValues  = []byte("values")  // place: sealed value of more than inlineMax bytes
	bucketTrash   = []byte("trash")   // place: sealed head of a deleted secret
	bucketNotes   = []byte("notes")   // key: sealed note
)

// buckets are all that this release makes.
func buckets() [][]byte {
	return [][]byte{bucketMeta, bucketSecrets, bucketValues, bucketTrash, bucketNotes}
}

// inlineMax bounds a sealed value that lies among the other records of its
// secret: four of them fit a page.
const inlineMax = 1024

// part is which record of a secret it is.
type part byte

// The parts, in the order of their keys.
const (
	partHead       part = iota + 1 // sealed head
	partAttributes                 // sealed attributes of a version
	partValue                      // its sealed value
	partUID                        // its ordinal, 8 bytes
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
	case partHead:
	}
	return k
}

// prefix begins the keys of all that belongs to one secret.
func prefix(name secret.Name) []byte { return append([]byte(name), 0) }

// beyond is after all keys of the secret and before those of any other.
func beyond(name secret.Name) []byte { return append([]byte(name), 1) }

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
	default:
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

func parseOnly(is part) func(k []byte) place {
	return func(k []byte) place {
		if p := parsePlace(k); p.part == is {
			return p
		}
		return place{}
	}
}

// source is a bucket of records that belong to secrets.
type source struct {
	bucket []byte
	parse  func(k []byte) place // no name: not a key of this bucket
}

// sources are those of a file of the format. Whatever is named after a UID or
// holds a value comes after the attributes.
func sources(format int) []source {
	if format > 2 {
		return []source{{bucketTrash, parseOnly(partHead)}, {bucketSecrets, parsePlace}, {bucketValues, parseOnly(partValue)}}
	}
	all := []source{
		{[]byte("heads"), parseOldHead},
		{[]byte("versions"), parseOldVersion(partAttributes)},
		{[]byte("values"), parseOldVersion(partValue)},
		{[]byte("uids"), parseOldUID},
	}
	if format == 1 {
		return all
	}
	return append(all, source{bucketTrash, parseOldHead})
}

// destination is the bucket in which this release keeps a record of s.
func (s source) destination(p place, record []byte) []byte {
	switch {
	case bytes.Equal(s.bucket, bucketTrash):
		return bucketTrash
	case p.part == partValue:
		return valueBucket(record)
	}
	return bucketSecrets
}

// Until format 2 each part had a bucket of its own, with no part in the key and
// the ordinal as it is.

func parseOldHead(k []byte) place { return place{name: secret.Name(k), part: partHead} }

func parseOldVersion(is part) func(k []byte) place {
	return func(k []byte) place {
		name, tail, _ := bytes.Cut(k, []byte{0})
		if len(tail) != 8 {
			return place{}
		}
		return place{name: secret.Name(name), part: is, ordinal: ordinalOf(tail)}
	}
}

func parseOldUID(k []byte) place {
	name, tail, _ := bytes.Cut(k, []byte{0})
	p := place{name: secret.Name(name), part: partUID}
	if len(tail) != len(p.uid) {
		return place{}
	}
	copy(p.uid[:], tail)
	return p
}
