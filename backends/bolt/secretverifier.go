package bolt

import (
	"bytes"
	"maps"
	"slices"

	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// secretVerifier is what is learned of one name.
type secretVerifier struct {
	*sealed.SecretVerifier
	live    bool // there is a head, though it may not open
	deleted bool
	listed  bool
	indexed map[secret.UID]bool
}

func newSecretVerifier(v *verifier, name secret.Name) *secretVerifier {
	return &secretVerifier{SecretVerifier: v.sealer.VerifySecret(v.found, name), indexed: map[secret.UID]bool{}}
}

// read takes the next record, in the order of the sources.
func (s *secretVerifier) read(bucket []byte, key recordKey, value []byte) {
	switch key.kind {
	case recordHead:
		deleted := bytes.Equal(bucket, bucketTrash)
		s.deleted, s.live = s.deleted || deleted, s.live || !deleted
		s.Head(deleted, value)
	case recordAttributes:
		s.Version(key.ordinal, value)
	case recordValue:
		s.Value(key.ordinal, value)
	case recordUID:
		s.readUID(key.uid, value)
	case recordListed:
		s.listed = true
	}
}

func (s *secretVerifier) readUID(u secret.UID, ordinal []byte) {
	s.indexed[u] = true
	n, there := s.ByUID[u]
	switch {
	case !there && s.Unread == 0:
		s.Damaged("the id %s leads to a version that is not there", u)
	case len(ordinal) != 8:
		s.Damaged("the id %s leads nowhere", u)
	case there && ordinalOf(ordinal) != n:
		s.Damaged("the id %s leads to another version than %d", u, n)
	}
}

// compare tells where the records disagree, when all have been read.
func (s *secretVerifier) compare() {
	s.MissingValues()
	for _, n := range slices.Sorted(maps.Keys(s.Versions)) {
		if v := s.Versions[n]; v != nil && !s.indexed[v.UID] {
			s.Damaged("version %d is not found by its id", n)
		}
	}
	switch {
	case s.live && s.deleted:
		s.Damaged("it is deleted and not deleted at once")
	case !s.live && !s.deleted:
		s.Damaged("there is no secret of this name, only what belongs to one")
		return
	case s.live && !s.listed:
		s.Damaged("it is not in the list of secrets")
	case s.deleted && s.listed:
		s.Damaged("it is deleted, and in the list of secrets")
	}
	s.Compare()
}
