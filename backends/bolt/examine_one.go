package bolt

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// one is what examine learns of one name.
type one struct {
	x        *examiner
	name     secret.Name
	head     *backends.Head
	claimed  bool // there is a head, though it may not open
	versions map[secret.Ordinal]*secret.Version
	byUID    map[secret.UID]secret.Ordinal
	last     secret.Ordinal
	unread   int // versions whose attributes do not open
}

func (o *one) bad(format string, args ...any) {
	o.x.found.Add(string(o.name), fmt.Sprintf(format, args...))
}

func (o *one) heads(live, trash *stream) {
	if live.at(o.name) && trash.at(o.name) {
		o.bad("it is deleted and not deleted at once")
	}
	if live.at(o.name) {
		o.x.found.Secrets++
		o.readHead(shelf{bucketHeads, sealedHead}, live)
	}
	if trash.at(o.name) {
		o.x.found.Deleted++
		o.readHead(shelf{bucketTrash, sealedTrash}, trash)
	}
}

func (o *one) readHead(on shelf, s *stream) {
	o.claimed = true
	h, err := o.x.seal.openHead(on, o.name, s.value)
	s.next()
	switch {
	case err != nil:
		o.bad("its own record does not open: its description, tags, labels and which version is current are lost")
		return
	case (h.Secret.Deleted != nil) != (on.sealed == sealedTrash):
		o.bad("its own record does not say what its place says: whether it is deleted")
	}
	o.head = h
}

func (o *one) readVersions(s *stream) {
	for ; s.at(o.name); s.next() {
		o.x.found.Versions++
		n := secret.Ordinal(binary.BigEndian.Uint64(s.tail))
		if n <= 0 {
			o.bad("a version has the number %d", n)
			continue
		}
		o.last = max(o.last, n)
		v, err := o.x.seal.openVersion(o.name, n, s.value)
		if err != nil {
			o.unread++
			o.versions[n] = nil
			o.bad("version %d: its attributes do not open", n)
			continue
		}
		if _, taken := o.byUID[v.UID]; taken || v.UID.IsZero() {
			o.bad("version %d has no id of its own", n)
		}
		o.versions[n], o.byUID[v.UID] = v, n
	}
}

// readValues needs the versions, whose UID is part of a value's place.
func (o *one) readValues(s *stream) {
	seen := map[secret.Ordinal]bool{}
	for ; s.at(o.name); s.next() {
		n := secret.Ordinal(binary.BigEndian.Uint64(s.tail))
		seen[n] = true
		v, there := o.versions[n]
		switch {
		case !there:
			o.bad("version %d: there is a value and nothing else", n)
		case v == nil: // said already
		case v.Missing != "":
			o.bad("version %d says that it has no value, and there is one", n)
		default:
			plain, err := o.x.seal.seal.open(sealedValue, o.name, v.UID[:], s.value)
			if err == nil {
				_, err = decodeValue(plain)
			}
			if err != nil {
				o.bad("version %d: its value does not open", n)
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(o.versions)) {
		if v := o.versions[n]; v != nil && v.Missing == "" && !seen[n] {
			o.bad("version %d: its value is not there", n)
		}
	}
}

func (o *one) readUIDs(s *stream) {
	seen := map[secret.UID]bool{}
	for ; s.at(o.name); s.next() {
		var u secret.UID
		copy(u[:], s.tail)
		seen[u] = true
		n, there := o.byUID[u]
		switch {
		case !there && o.unread == 0:
			o.bad("the id %s leads to a version that is not there", u)
		case len(s.value) != 8:
			o.bad("the id %s leads nowhere", u)
		case there && binary.BigEndian.Uint64(s.value) != uint64(n):
			o.bad("the id %s leads to another version than %d", u, n)
		}
	}
	for _, n := range slices.Sorted(maps.Values(o.byUID)) {
		if !seen[o.versions[n].UID] {
			o.bad("version %d is not found by its id", n)
		}
	}
}

// agree compares the head with the versions.
func (o *one) agree() {
	switch {
	case !o.claimed:
		o.bad("there is no secret of this name, only what belongs to one")
		return
	case o.head == nil:
		return
	case len(o.versions) == 0:
		o.bad("it has no version")
	case o.last > o.head.Last:
		o.bad("version %d stands, and its own record knows %d alone: an older record stands in the place of a newer one", o.last, o.head.Last)
	}
	s := &o.head.Secret
	if _, there := o.versions[s.Current]; !there && s.Current != 0 {
		o.bad("version %d is the current one, and is not there", s.Current)
	}
	if _, there := o.versions[s.Previous]; !there && s.Previous != 0 {
		o.bad("version %d is the previous one, and is not there", s.Previous)
	}
	for _, n := range slices.Sorted(maps.Values(o.head.Stages)) {
		if _, there := o.versions[n]; !there {
			o.bad("a label is on version %d, which is not there", n)
		}
	}
}
