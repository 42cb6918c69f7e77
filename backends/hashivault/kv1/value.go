package kv1

import (
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// encode is connection.EncodeValue for KV v1, which keeps numbers as they are
// written and refuses an object without members.
func encode(field string, v secret.Value) (data []byte, form sidecar.Form, err error) {
	data, form, err = connection.EncodeValue(field, v)
	if err != nil || v.Form() != secret.Fields {
		return data, form, err
	}
	b := v.Reveal()
	_, admitted := connection.Canonical(b, true)
	exact, ok := connection.Canonical(b, false)
	switch {
	case ok && len(exact) == len("{}"):
		form = sidecar.FormObject
	case admitted && ok && string(exact) == string(b):
		return b, connection.FieldsForm(field, b), connection.CheckPayload(b)
	}
	if form == sidecar.FormObject {
		data = connection.Marshal(map[string]string{field: string(b)})
	}
	return data, form, connection.CheckPayload(data)
}
