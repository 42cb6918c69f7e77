package bolt

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// secretVerifier is what is learned of one name.
type secretVerifier struct {
	*verifier
	name     secret.Name
	head     *history.Head
	live     bool // there is a head, though it may not open
	deleted  bool
	listed   bool
	versions map[secret.Ordinal]*secret.Version // nil: its attributes do not open
	values   map[secret.Ordinal]bool
	byUID    map[secret.UID]secret.Ordinal
	indexed  map[secret.UID]bool
	last     secret.Ordinal
	unread   int // versions whose attributes do not open
}

func newSecretVerifier(v *verifier, name secret.Name) *secretVerifier {
	return &secretVerifier{
		verifier: v, name: name, versions: map[secret.Ordinal]*secret.Version{}, values: map[secret.Ordinal]bool{},
		byUID: map[secret.UID]secret.Ordinal{}, indexed: map[secret.UID]bool{},
	}
}

func (s *secretVerifier) damaged(format string, args ...any) {
	s.found.Add(string(s.name), fmt.Sprintf(format, args...))
}

// read takes the next record, in the order of the sources.
func (s *secretVerifier) read(bucket []byte, key recordKey, value []byte) {
	switch key.kind {
	case recordHead:
		s.readHead(bytes.Equal(bucket, bucketTrash), value)
	case recordAttributes:
		s.readVersion(key.ordinal, value)
	case recordValue:
		s.readValue(key.ordinal, value)
	case recordUID:
		s.readUID(key.uid, value)
	case recordListed:
		s.listed = true
	}
}

func (s *secretVerifier) readHead(deleted bool, record []byte) {
	if deleted {
		s.deleted = true
		s.found.Deleted++
	} else {
		s.live = true
		s.found.Secrets++
	}
	h, err := s.sealer.UnsealHead(deleted, s.name, record)
	switch {
	case err != nil:
		s.damaged("its own record does not open: its description, tags, labels and which version is current are lost")
		return
	case (h.Secret.Deleted != nil) != deleted:
		s.damaged("its own record does not say what its place says: whether it is deleted")
	}
	if s.head == nil || !deleted {
		s.head = h
	}
}

func (s *secretVerifier) readVersion(n secret.Ordinal, sealed []byte) {
	s.found.Versions++
	if n <= 0 {
		s.damaged("a version has the number %d", n)
		return
	}
	s.last = max(s.last, n)
	v, err := s.sealer.UnsealVersion(s.name, n, sealed)
	s.versions[n] = v
	if err != nil {
		s.unread++
		s.damaged("version %d: its attributes do not open", n)
		return
	}
	owner, taken := s.byUID[v.UID]
	if !taken {
		owner = n
	}
	if taken || v.UID.IsZero() {
		s.damaged("version %d has no id of its own", max(n, owner))
	}
	s.byUID[v.UID] = min(n, owner)
}

// readValue needs the version, whose UID is part of its value's place.
func (s *secretVerifier) readValue(n secret.Ordinal, sealed []byte) {
	twice := s.values[n]
	s.values[n] = true
	v, there := s.versions[n]
	switch {
	case twice:
		s.damaged("version %d has two values", n)
	case !there:
		s.damaged("version %d: there is a value and nothing else", n)
	case v == nil: // said already
	case v.Missing != "":
		s.damaged("version %d says that it has no value, and there is one", n)
	default:
		if _, err := s.sealer.UnsealValue(s.name, v.UID, sealed); err != nil {
			s.damaged("version %d: its value does not open", n)
		}
	}
}

func (s *secretVerifier) readUID(u secret.UID, ordinal []byte) {
	s.indexed[u] = true
	n, there := s.byUID[u]
	switch {
	case !there && s.unread == 0:
		s.damaged("the id %s leads to a version that is not there", u)
	case len(ordinal) != 8:
		s.damaged("the id %s leads nowhere", u)
	case there && ordinalOf(ordinal) != n:
		s.damaged("the id %s leads to another version than %d", u, n)
	}
}

// findMissing tells what is not there.
func (s *secretVerifier) findMissing() {
	for _, n := range slices.Sorted(maps.Keys(s.versions)) {
		v := s.versions[n]
		if v != nil && v.Missing == "" && !s.values[n] {
			s.damaged("version %d: its value is not there", n)
		}
		if v != nil && !s.indexed[v.UID] {
			s.damaged("version %d is not found by its id", n)
		}
	}
}

// compare tells where the records disagree, when all have been read.
func (s *secretVerifier) compare() {
	s.findMissing()
	switch {
	case s.live && s.deleted:
		s.damaged("it is deleted and not deleted at once")
	case !s.live && !s.deleted:
		s.damaged("there is no secret of this name, only what belongs to one")
		return
	case s.live && !s.listed:
		s.damaged("it is not in the list of secrets")
	case s.deleted && s.listed:
		s.damaged("it is deleted, and in the list of secrets")
	}
	switch {
	case s.head == nil:
		return
	case len(s.versions) == 0:
		s.damaged("it has no version")
	case s.last > s.head.Last:
		s.damaged("version %d stands, and its own record knows %d alone: an older record stands in the place of a newer one", s.last, s.head.Last)
	}
	head := &s.head.Secret
	if _, there := s.versions[head.Current]; !there && head.Current != 0 {
		s.damaged("version %d is the current one, and is not there", head.Current)
	}
	if _, there := s.versions[head.Previous]; !there && head.Previous != 0 {
		s.damaged("version %d is the previous one, and is not there", head.Previous)
	}
	for _, n := range slices.Sorted(maps.Values(s.head.Stages)) {
		if _, there := s.versions[n]; !there {
			s.damaged("a label is on version %d, which is not there", n)
		}
	}
}
