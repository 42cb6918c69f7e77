package transit

import (
	"errors"
	"strings"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

// noKey is what Vault says where there is no such key.
const noKey = "encryption key not found"

// notOurs is said of what does not open.
const notOurs = "it was not sealed by this key with this context, or was changed since"

func absent(err error) bool { return connection.Says(err, noKey) }

// classify says in our words what Vault says of a key. Danger: releases differ in
// the status, 400 or 500, so the text alone counts. That of a ciphertext that does
// not open is final, whatever the status.
func (e *Engine) classify(err error, verb string) error {
	if err == nil {
		return nil
	}
	says := func(text string) bool { return connection.Says(err, text) }
	mount := strings.Trim(e.config.Mount, "/")
	kind, detail := secret.Invalid, ""
	switch {
	case absent(err):
		detail = "there is no such key in Vault: it is made with vault write -f " + mount + "/keys/" + e.config.Key
	case connection.NoMount(err), errors.Is(err, secret.NotFound):
		detail = "there is no transit engine at " + mount + " in Vault"
	case says("too old"):
		detail = "the key's min_decryption_version in Vault is above the version that sealed it: lower it, run vaultferry keys seal, and raise it again"
	case says("too new"):
		kind, detail = secret.Corrupt, "it was sealed by a later version of the key than Vault has: the key was restored from an older copy, or is another one of the same name"
	case says("missing 'context'"):
		detail = "the key derives others: context is missing"
	case says("message authentication failed"), says("invalid ciphertext"), says("not a valid base64"), says("could not decode"):
		kind, detail = secret.Corrupt, notOurs
	case says("not supported for key type"), says("message too long for RSA"):
		detail = "a key of that type does not encrypt this: use one of type aes256-gcm96"
	case errors.Is(err, secret.TooLarge):
		kind, detail = secret.TooLarge, "it is larger than Vault takes: 1 MiB in base64, unless max_json_string_value_length of its listener says more"
	case errors.Is(err, secret.Upstream):
		kind, detail = secret.Upstream, secret.DetailOf(err)+"; the gateway needs the capability update on "+mount+"/"+verb+"/"+e.config.Key
	default:
		return connection.Named(err, "transit."+verb, "")
	}
	return &secret.Error{Kind: kind, Op: "hashivault.transit." + verb, Detail: detail, Err: secret.Cause(err)}
}
