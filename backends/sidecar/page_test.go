package sidecar_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/internal/golden"
)

// TestPage writes docs/sidecar.md of the codebook (-update), or fails while it
// is stale.
func TestPage(t *testing.T) {
	t.Parallel()
	golden.Compare(t, "../../docs/sidecar.md", page())
}

func page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, l := range sidecar.Codebook() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", l.Key, l.Meaning)
	}
	return b.String()
}

const pageHead = `# Sidecars: what the gateway keeps beside a secret

A product that has no place for a part of a secret gets it beside the secret, as compact JSON under short keys. This page
says where that is and what each letter means. It is written by a test (` + "`make golden`" + `).

Do not change a sidecar by hand. The gateway takes one only if it would have written it to the byte. Any other text under
its key is foreign: the secret is then read from the product's own facts, or is not given out, as the page of the
[products](products.md) says for each.

| product | where | what |
|---|---|---|
| Azure Key Vault | the tag ` + "`vaultferry`" + ` of each version, 256 characters | the version; of the newest also the secret, under ` + "`S`" + ` |
| Huawei CSMS | the end of the description, behind ` + "`vaultferry.1.`" + ` | the secret, and under ` + "`V`" + ` what is to say of versions; deflated, base64url, behind a check |
| Vault KV v2 | custom_metadata ` + "`vaultferry`" + ` | the secret, less the tags that are keys of custom_metadata by themselves |
| | custom_metadata ` + "`vaultferry.v<N>`" + ` | version N; ` + "`vaultferry.w<N>.<word>`" + ` while it is being written |
| | custom_metadata ` + "`vaultferry.trash`" + ` | the deletion |
| | custom_metadata ` + "`vaultferry.opened`" + ` | deleted versions while they are undeleted to be read |
| | the folder ` + "`vaultferry.meta`" + ` | what custom_metadata has no room for, under the same keys |
| Vault KV v1 | the folder ` + "`vaultferry.meta`" + ` | the secret and its version, for each value that stands or may still arrive |

Times are Unix seconds with as much fraction as they have. UIDs are base64url. Small letters are the schema, capitals are
one product's framing. A letter means the same everywhere. The [words](design.md#words) are those of the design.

## An example

A secret with one version, restored into Vault KV v2, has this custom_metadata:

` + "```" + `
vaultferry      {"r":[1,0],"c":1796037363.905,"m":1796037363.905,"A":1}
vaultferry.v1   {"u":"kFJ38QC5JSACyMM29-W3mg","c":1796037363.905}
` + "```" + `

Version 1 is current and there is no previous one (` + "`r`" + `). The secret was created and last updated at 1796037363.905 (` + "`c`, `m`" + `).
When this was written, Vault's newest version was 1 (` + "`A`" + `). If a native tool has added version 2 since, ` + "`r`" + ` is out of date,
and version 2 is current. Version 1 has the UID that clients of Key Vault see as hex (` + "`u`" + `).

## The letters

| key | is |
|---|---|
`
