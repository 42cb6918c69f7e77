package kvmap

import (
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// entry is the JSON of one secret in the map.
type entry struct {
	sidecar.Document
	Values []value `json:"values"` // of the versions, in their order
}

type value struct {
	Form  secret.Form `json:"form"`
	Bytes []byte      `json:"bytes"` // base64
}

// Valid implements sidecar.Valid.
func (e *entry) Valid() bool { return e.Document.Valid() && len(e.Values) == len(e.Versions) }

func encode(st *history.State) string {
	e := entry{Document: sidecar.DocumentOf(st)}
	for _, v := range st.Versions {
		e.Values = append(e.Values, value{v.Value.Form(), v.Value.Reveal()})
	}
	return sidecar.JSON(&e)
}

func decode(name secret.Name, text string) (*history.State, error) {
	var e entry
	if err := sidecar.Decode(text, sidecar.JSON, &e); err != nil {
		return nil, err
	}
	st := e.State(name)
	for i, v := range e.Values {
		st.Versions[i].Value = secret.NewValue(v.Form, v.Bytes)
	}
	return st, nil
}
