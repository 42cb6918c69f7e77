package connection

import (
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// WhyTooLong is of a value that EncodeValue refuses.
const WhyTooLong = "the value is longer than Vault takes"

// NativeLosses are what the gateway keeps of a version whose value has a form,
// and native tools see differently.
func NativeLosses(v *secret.Version, form sidecar.Form) []secret.Loss {
	var out []secret.Loss
	if v.Disabled && !v.Value.IsNone() {
		out = append(out, secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Disabled, Why: "Vault knows no disabled version: its own tools can read this one"})
	}
	switch form {
	case sidecar.FormBytes:
		out = append(out, secret.Loss{Grade: secret.Trace, Version: v.Ordinal, What: loss.Form, Why: "Vault's own tools see the bytes as base64"})
	case sidecar.FormObject:
		out = append(out, secret.Loss{Grade: secret.Trace, Version: v.Ordinal, What: loss.Form, Why: "Vault would change how these fields are written: its own tools see the JSON as one text"})
	}
	return out
}
