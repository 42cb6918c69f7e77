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
	name    secret.Name
	exists  bool
	data    connection.Raw
	kept    sidecars
	mine    *entry // the value's, or nil
	foreign error

	head     *history.Head
	v        secret.Version // value included
	form     sidecar.Form
	deletion *secret.Deletion
}

// match finds the value's sidecar, or makes up what a native value needs.
func (s *Store) match(st *state) error {
	if st.kept.foreign {
		st.foreign = secret.Errorf(secret.Conflict, "other tools changed what the gateway keeps of this secret in Vault, under %s/%s: put it back, or remove it and with it the attributes", connection.CompanionFolder, st.Wire)
		st.kept = sidecars{}
	}
	if e := st.kept.find(st.kept.digest(st.data)); e != nil {
		st.mine, st.form = e, e.Form
		st.keep(e.secret(st.name), e.Secret.Highest)
	} else {
		s.native(st)
	}
	value, contentType, err := connection.DecodeValue(s.Field, st.data, st.form)
	if err != nil {
		return err
	}
	if st.v.Value = value; st.mine == nil {
		st.v.ContentType = contentType
	}
	st.v.Disabled = st.v.Disabled || st.foreign != nil
	return nil
}

// keep takes over a secret with one version.
func (st *state) keep(s *secret.Secret, highest secret.Ordinal) {
	st.deletion, s.Deleted = s.Deleted, nil
	st.head, st.v = history.Of(s, highest), s.Versions[0]
}

// native is a value that has no sidecar: the version after the last that is
// known. What was known of the secret stays with it.
func (s *Store) native(st *state) {
	last := &secret.Secret{Name: st.name}
	var highest secret.Ordinal
	for i := range st.kept.All {
		if e := &st.kept.All[i]; e.Secret.Highest >= highest {
			last, highest = e.secret(st.name), e.Secret.Highest
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
	st.keep(last, o)
}

// given is the head with the highest ordinal and the latest time that were given
// to any version, come or not.
func (st *state) given() history.Head {
	h := st.head.Clone()
	for i := range st.kept.All {
		e := &st.kept.All[i]
		h.Last, h.Newest = max(h.Last, e.Secret.Highest), history.Later(h.Newest, e.Created.Time)
	}
	return h
}

// same reports whether another look at the secret saw the same.
func (st *state) same(other *state) bool {
	return st != nil && string(st.data) == string(other.data) && sidecar.ASCII(st.kept) == sidecar.ASCII(other.kept)
}

// visible refuses what a reader must not see.
func (st *state) visible() error {
	if !st.exists || st.deletion != nil {
		return &secret.Error{Kind: secret.NotFound}
	}
	return st.foreign
}

// inTrash refuses what is not in the trash.
func (st *state) inTrash() error {
	if !st.exists || st.deletion == nil {
		return &secret.Error{Kind: secret.NotFound}
	}
	return nil
}

// holds refuses a selector of another version.
func (st *state) holds(sel secret.Selector) error {
	if st.view().Find(sel) == nil {
		return &secret.Error{Kind: secret.NotFound, Detail: "no such version"}
	}
	return nil
}

// view is the secret as the state shows it.
func (st *state) view() *secret.Secret {
	out := st.head.View(st.v)
	if d := st.deletion; d != nil {
		out.Deleted = &secret.Deletion{At: d.At, Purge: d.Purge}
	}
	return out
}
