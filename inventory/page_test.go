package inventory_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/golden"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

const pageHead = `# Inventories: what a store holds, without its values

` + "`vaultferry inventory`" + ` writes a file that lists every secret of a store: its name, its versions and their states, and keyed
digests of values and attributes. ` + "`vaultferry diff`" + ` compares two such files, or one with a store, or two stores. This page says
to the byte what stands in the file. A test writes it (` + "`make golden`" + `).

## What a file tells, and to whom

- Without the run key a file tells names, numbers, ids and states, and which versions of one secret are equal. Equal values
  under two names do not show: the name is a part of what is digested.
- **With the run key, weak values can be guessed offline.** Keep it as you keep a backup.
- The run key is 32 random bytes. It stands in the file, wrapped for the keyring as a JWE of type ` + "`vaultferry-run-key`" + `, or in a
  file of its own as 64 hex digits (` + "`--run-key FILE`" + `, mode 0600). Two files can be compared if one key made both.
- ` + "`inventory`" + ` asks for the right to ` + "`get`" + ` each secret; with ` + "`--no-values`" + `, which digests no value, for the right to ` + "`list`" + `.
- An inventory for another party covers the names of one plan alone: ` + "`inventory STORE --plan PLAN --run-key FILE`" + `. Both parties share
  the run key of the plan, and each reads its own store. Nothing else of that store is in the file, no name either.
- A store is no single moment. Each secret is read in one consistent state, and its line says when.
- What cannot be read has a line that says so. What native tools left without a version, or an import that is not finished, is no
  secret and has none.
- A disabled version whose value the product does not show has no digest of it. Beside one that has, a comparison says that it is unseen,
  and no difference of values.

## The file

JSON lines in UTF-8, each compact, in the order of members below, and ended by one line feed. Any other text is refused, and so
is a file whose lines were changed, removed, added or put into another order.

| line | members |
|---|---|
| the first | ` + "`vaultferry`" + `: "inventory", ` + "`format`" + `: 1, ` + "`gateway`" + `, ` + "`store`" + `, ` + "`product`" + `, ` + "`begun`" + `, ` + "`match`" + ` and ` + "`tags`" + ` as they were asked for, ` + "`named`" + `: true, where names were, ` + "`plan`" + `: the SHA-256 of the plan whose names these are, ` + "`no_values`" + `, ` + "`run_key_id`" + `, ` + "`run_key`" + ` |
| one for each secret, in bytewise order of names | ` + "`name`" + `, ` + "`of`" + ` (the name that is digested, where it is another), ` + "`read`" + `, ` + "`unread`" + ` (the kind of error; then nothing else), ` + "`current`" + ` and ` + "`previous`" + ` (numbers of versions), ` + "`deleted`" + ` (` + "`at`, `until`" + `; then no versions), ` + "`managed`" + `, ` + "`attributes`, `versions`" + ` |
| each of ` + "`versions`" + ` | ` + "`number`, `uid`, `state`, `value`, `attributes`" + ` |
| the last | ` + "`end`" + `: true, ` + "`ended`" + `, ` + "`count`" + ` of secrets, ` + "`unread`" + ` of these, ` + "`left_out`" + ` (what the lists should show and do not, each with ` + "`why`, `name`" + `), ` + "`root`" + `, ` + "`signature`" + ` |

- ` + "`state`" + ` is enabled, disabled, or why there is no value: destroyed, deleted, unreadable, unsaved.
- ` + "`attributes`" + ` has digests by word: description, tags and extra of the secret; content_type, not_before, expires, created,
  updated, tags, stages and extra of a version. A list is sorted. An empty one is an empty set; a word that is absent is none.
- ` + "`root`" + ` is the root of the Merkle tree of RFC 6962 over all lines before the last one, without their line feeds, in base64.
- ` + "`signature`" + ` is a compact JWS of type ` + "`vaultferry-inventory`" + ` by the keyring's key that signs. Its payload is
  ` + "`{\"ended\":…,\"count\":…,\"unread\":…,\"left_out\":…,\"root\":…}`" + ` as in the last line.
- ` + "`run_key_id`" + ` is the hex of the first 8 bytes of the digest with the label ` + "`run key`" + `, an empty name and no parts.

## What is digested

A digest is HMAC-SHA-256 under the run key, in base64url without padding, over a label, the secret's name and parts. Before
each of them stands its length in bytes, as eight bytes, the highest first.

| label | parts |
|---|---|
| value | ` + "`json`" + ` and the canonical JSON, where the value is fields, or the text of a JSON object under a JSON content type (application/json, or ending in +json); else ` + "`bytes`" + ` and its bytes |
| tags | the key, the value; a digest for each tag |
| stages | the stage; a digest for each |
| extra | the key, the canonical JSON; a digest for each member |
| description, content_type | the text; empty: no digest |
| not_before, expires, created, updated | the Unix time in whole seconds, rounded down, in decimal; unset: no digest |

Canonical JSON has the members of objects sorted by the bytes of their names and no white space. In strings ` + "`\"` and `\\`" + ` are
escaped with a backslash, characters below U+0020 as ` + "`\\u00XX`" + ` in lower case, and no others. A number is its decimal digits as an
integer without zeros at either end, then ` + "`e`" + ` and the power of ten if that is not 0: 1.50 is ` + "`15e-1`" + `, 100 is ` + "`1e2`" + `, -0.0 is ` + "`0`" + `. A
number whose exponent has more than nine characters stays as it is. An object with a member twice has no canonical form: a value's
bytes are digested then.

## Vectors

The run key is the bytes 00 to 1f.

| what | name | digest |
|---|---|---|
`

// TestPage writes the page that says what an inventory is, with vectors, which
// are computed here once more from what the page says.
func TestPage(t *testing.T) {
	t.Parallel()
	raw := make([]byte, inventory.KeySize)
	for i := range raw {
		raw[i] = byte(i)
	}
	k, err := inventory.KeyFrom(bytes.Clone(raw))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(pageHead)
	fmt.Fprintf(&b, "| the run key's id | | `%s` |\n", k.ID())
	if want := mac(raw, "run key", ""); k.ID() != hex.EncodeToString(want[:8]) {
		t.Error("the id is not what the page says")
	}
	s := &secret.Secret{
		Name: "team/db", Description: "the database", Tags: map[string]string{"env": "prod"}, Extra: secret.Extra{"x.y": json.RawMessage(`[1.50, "é"]`)},
		Versions: []secret.Version{
			{Ordinal: 1, Value: secret.TextValue("hunter2"), ContentType: "text/plain", Stages: []string{"blue"}, Expires: begun},
			{Ordinal: 2, Value: secret.FieldsValue([]byte(`{ "user": "u", "n": 100 }`))},
		},
	}
	e := k.EntryOf(s, "", begun)
	for _, v := range []struct {
		what, label string
		parts       []string
		got         inventory.Digest
	}{
		{"the value `hunter2`", "value", []string{"bytes", "hunter2"}, e.Versions[0].Value},
		{"the value of fields `{ \"user\": \"u\", \"n\": 100 }`", "value", []string{"json", `{"n":1e2,"user":"u"}`}, e.Versions[1].Value},
		{"the content type `text/plain`", "content_type", []string{"text/plain"}, e.Versions[0].Attributes["content_type"][0]},
		{"the stage `blue`", "stages", []string{"blue"}, e.Versions[0].Attributes["stages"][0]},
		{"the expiry 2026-11-30T12:00:00Z", "expires", []string{"1796040000"}, e.Versions[0].Attributes["expires"][0]},
		{"the description `the database`", "description", []string{"the database"}, e.Attributes["description"][0]},
		{"the tag `env` = `prod`", "tags", []string{"env", "prod"}, e.Attributes["tags"][0]},
		{"the extra `x.y` = `[1.50, \"é\"]`", "extra", []string{"x.y", `[15e-1,"é"]`}, e.Attributes["extra"][0]},
	} {
		if want := base64.RawURLEncoding.EncodeToString(mac(raw, v.label, "team/db", v.parts...)); string(v.got) != want {
			t.Errorf("%s is not digested as the page says", v.what)
		}
		fmt.Fprintf(&b, "| %s | `team/db` | `%s` |\n", v.what, v.got)
	}
	golden.Compare(t, "../docs/inventory.md", b.String())
}

// mac is what the page says, and nothing of the package.
func mac(key []byte, label, name string, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range append([]string{label, name}, parts...) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(p)))
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}
