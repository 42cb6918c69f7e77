package bolt

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// one is what examine learns of one name.
type one struct {
	x        *examiner
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

func newOne(x *examiner, name secret.Name) *one {
	return &one{
		x: x, name: name, versions: map[secret.Ordinal]*secret.Version{}, values: map[secret.Ordinal]bool{},
		byUID: map[secret.UID]secret.Ordinal{}, indexed: map[secret.UID]bool{},
	}
}

func (o *one) bad(format string, args ...any) {
	o.x.found.Add(string(o.name), fmt.Sprintf(format, args...))
}

// read takes the record that the stream is at.
func (o *one) read(s *stream) {
	switch s.at.part {
	case partHead:
		o.readHead(bytes.Equal(s.bucket, bucketTrash), s.value)
	case partAttributes:
		o.readVersion(s.at.ordinal, s.value)
	case partValue:
		o.readValue(s.at.ordinal, s.value)
	case partUID:
		o.readUID(s.at.uid, s.value)
	case partLive:
		o.listed = true
	}
}

func (o *one) readHead(deleted bool, sealed []byte) {
	on := live
	if deleted {
		on, o.deleted = trash, true
		o.x.found.Deleted++
	} else {
		o.live = true
		o.x.found.Secrets++
	}
	h, err := o.x.seal.openHead(on, o.name, sealed)
	switch {
	case err != nil:
		o.bad("its own record does not open: its description, tags, labels and which version is current are lost")
		return
	case (h.Secret.Deleted != nil) != deleted:
		o.bad("its own record does not say what its place says: whether it is deleted")
	}
	if o.head == nil || !deleted {
		o.head = h
	}
}

func (o *one) readVersion(n secret.Ordinal, sealed []byte) {
	o.x.found.Versions++
	if n <= 0 {
		o.bad("a version has the number %d", n)
		return
	}
	o.last = max(o.last, n)
	v, err := o.x.seal.openVersion(o.name, n, sealed)
	o.versions[n] = v
	if err != nil {
		o.unread++
		o.bad("version %d: its attributes do not open", n)
		return
	}
	owner, taken := o.byUID[v.UID]
	if !taken {
		owner = n
	}
	if taken || v.UID.IsZero() {
		o.bad("version %d has no id of its own", max(n, owner))
	}
	o.byUID[v.UID] = min(n, owner)
}

// readValue needs the version, whose UID is part of its value's place.
func (o *one) readValue(n secret.Ordinal, sealed []byte) {
	twice := o.values[n]
	o.values[n] = true
	v, there := o.versions[n]
	switch {
	case twice:
		o.bad("version %d has two values", n)
	case !there:
		o.bad("version %d: there is a value and nothing else", n)
	case v == nil: // said already
	case v.Missing != "":
		o.bad("version %d says that it has no value, and there is one", n)
	default:
		plain, err := o.x.seal.seal.open(sealedValue, o.name, v.UID[:], sealed)
		if err == nil {
			_, err = decodeValue(plain)
		}
		if err != nil {
			o.bad("version %d: its value does not open", n)
		}
	}
}

func (o *one) readUID(u secret.UID, ordinal []byte) {
	o.indexed[u] = true
	n, there := o.byUID[u]
	switch {
	case !there && o.unread == 0:
		o.bad("the id %s leads to a version that is not there", u)
	case len(ordinal) != 8:
		o.bad("the id %s leads nowhere", u)
	case there && ordinalOf(ordinal) != n:
		o.bad("the id %s leads to another version than %d", u, n)
	}
}

// complete tells what is not there.
func (o *one) complete() {
	for _, n := range slices.Sorted(maps.Keys(o.versions)) {
		v := o.versions[n]
		if v != nil && v.Missing == "" && !o.values[n] {
			o.bad("version %d: its value is not there", n)
		}
		if v != nil && !o.indexed[v.UID] {
			o.bad("version %d is not found by its id", n)
		}
	}
}

// agree compares the head with the versions.
func (o *one) agree() {
	o.complete()
	switch {
	case o.live && o.deleted:
		o.bad("it is deleted and not deleted at once")
	case !o.live && !o.deleted:
		o.bad("there is no secret of this name, only what belongs to one")
		return
	case o.live && !o.listed:
		o.bad("it is not in the list of secrets")
	case o.deleted && o.listed:
		o.bad("it is deleted, and in the list of secrets")
	}
	switch {
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
