package sidecar

import (
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Document is a whole secret but its values, for a product that knows nothing of
// it but an entry under a key.
type Document struct {
	Secret
	Versions []Version `json:"V,omitempty"`
}

// DocumentOf is what must be kept of a state beside its values.
func DocumentOf(st *history.State) Document {
	s := st.View()
	d := Document{Secret: OfSecret(s)}
	d.Highest, d.Roles = st.Last, &Roles{Current: s.Current, Previous: s.Previous}
	for i := range s.Versions {
		v := OfVersion(&s.Versions[i], 0)
		v.Ordinal = s.Versions[i].Ordinal
		d.Versions = append(d.Versions, v)
	}
	return d
}

// State is the inverse of DocumentOf. The versions have no values.
func (d *Document) State(name secret.Name) *history.State {
	s := &secret.Secret{Name: name, Current: d.Roles.Current, Previous: d.Roles.Previous}
	d.Overlay(s)
	for i := range d.Versions {
		r := &d.Versions[i]
		v := secret.Version{Ordinal: r.Ordinal, Stages: r.Stages}
		r.Overlay(&v, 0)
		s.Versions = append(s.Versions, v)
	}
	return &history.State{Head: *history.Of(s, d.Highest), Versions: s.Versions}
}

// Valid reports whether a gateway could have written d.
func (d *Document) Valid() bool {
	var last secret.Ordinal
	for i := range d.Versions {
		if v := &d.Versions[i]; !v.Valid() || v.Ordinal <= last {
			return false
		}
		last = d.Versions[i].Ordinal
	}
	return d.Secret.Valid() && d.Roles != nil
}
