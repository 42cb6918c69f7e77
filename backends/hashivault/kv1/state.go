package kv1

import (
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// noTime stands for the time of what native tools wrote: KV v1 keeps none.
var noTime = time.Unix(0, 0).UTC()

// state is everything known of one secret at one moment.
type state struct {
	connection.Location
	name           secret.Name
	exists         bool
	data           connection.Raw
	kept           sidecars
	mine           *entry // the value's, or nil
	form           sidecar.Form
	foreign        error
	*history.State // with one version, value included; nil: nothing is there
}

// match finds the value's sidecar, or makes up what a native value needs.
func (s *Store) match(st *state) error {
	if st.kept.foreign {
		st.foreign = secret.Errorf(secret.Conflict, "other tools changed what the gateway keeps of this secret in Vault, under %s/%s: put it back, or remove it and with it the attributes", connection.CompanionFolder, st.Wire)
		st.kept = sidecars{}
	}
	if e := st.kept.find(st.kept.digest(st.data)); e != nil {
		st.mine, st.form, st.State = e, e.Versions[0].Form, e.State(st.name)
	} else {
		s.native(st)
	}
	value, contentType, err := connection.DecodeValue(s.Field, st.data, st.form)
	if err != nil {
		return err
	}
	v := &st.Versions[0]
	if v.Value = value; st.mine == nil {
		v.ContentType = contentType
	}
	v.Disabled = v.Disabled || st.foreign != nil
	return nil
}

// native is a value that has no sidecar: the version after the last that is
// known. What was known of the secret stays with it.
func (s *Store) native(st *state) {
	last := &secret.Secret{Name: st.name}
	var highest secret.Ordinal
	for i := range st.kept.All {
		if e := &st.kept.All[i]; e.Highest >= highest {
			last, highest = e.State(st.name).View(), e.Highest
		}
	}
	if last.Created.IsZero() {
		last.Created, last.Updated = noTime, noTime
	}
	o := highest + 1
	last.Current, last.Previous, last.Deleted = o, 0, nil
	last.Versions = []secret.Version{{
		Ordinal: o, Created: noTime, Updated: noTime, UID: secret.DeriveUID(s.Store, s.Mount+"/"+st.Path, o.String(), noTime),
	}}
	st.State = &history.State{Head: *history.Of(last, o), Versions: last.Versions}
}

// next is the secret with the version of a draft alone. Its ordinal and its time
// are above all that were given to any version, come or not.
func (st *state) next(d *secret.Draft, now time.Time) *history.State {
	next := &history.State{Head: *history.NewHead(st.name)}
	if st.exists {
		next.Head, next.Versions = st.Clone(), st.Versions
	}
	for i := range st.kept.All {
		e := &st.kept.All[i]
		next.Last, next.Newest = max(next.Last, e.Highest), history.Later(next.Newest, e.Versions[0].Created.Time)
	}
	v := next.Append(d, now)
	next.Alone(v.Ordinal)
	next.Versions = []secret.Version{v}
	return next
}

// same reports whether another look at the secret saw the same.
func (st *state) same(other *state) bool {
	return st != nil && string(st.data) == string(other.data) && sidecar.ASCII(st.kept) == sidecar.ASCII(other.kept)
}

// visible refuses what a reader must not see.
func (st *state) visible() error {
	if !st.exists || st.Secret.Deleted != nil {
		return &secret.Error{Kind: secret.NotFound}
	}
	return st.foreign
}

// inTrash refuses what is not in the trash.
func (st *state) inTrash() error {
	if !st.exists || st.Secret.Deleted == nil {
		return &secret.Error{Kind: secret.NotFound}
	}
	return nil
}

// taken refuses a name under which something is.
func (st *state) taken() error {
	switch {
	case !st.exists:
		return nil
	case st.Secret.Deleted != nil:
		return &secret.Error{Kind: secret.Trashed}
	}
	return &secret.Error{Kind: secret.AlreadyExists}
}
