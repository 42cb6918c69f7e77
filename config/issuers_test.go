package config

import (
	"strings"
	"testing"
)

// TestIssuers: what is worth a warning, and what none is.
func TestIssuers(t *testing.T) {
	t.Parallel()
	const entra = `name: entra, issuer: "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"`
	const caller = "\ncallers: [ { name: a, client: { id: a }, identities: [ { issuer: entra, bound_subject: a } ] } ]"
	for text, want := range map[string]string{
		"issuers: [ { " + entra + `, audiences: ["https://vault.corp.example"] } ]` + caller:               "",
		"issuers: [ { " + entra + `, audiences: ["https://vault.azure.net"] } ]` + caller:                  "issuers[0].audiences[0]: a token for the real Key Vault is accepted",
		"issuers: [ { " + entra + `, audiences: [cfa8b339-82a2-471a-a3c9-0fc0be7a4093] } ]` + caller:       "issuers[0].audiences[0]: a token for the real Key Vault is accepted",
		"issuers: [ { " + entra + `, audiences: ["spn:cfa8b339-82a2-471a-a3c9-0fc0be7a4093"] } ]` + caller: "issuers[0].audiences[0]: a token for the real Key Vault is accepted",
		"issuers: [ { " + entra + `, audiences: ["api://AzureADTokenExchange"] } ]` + caller:               "issuers[0].audiences[0]: a token that is meant to be exchanged",
		"issuers: [ { " + entra + " } ]": "issuers[0]: no caller has an identity of it",
		"issuers: [ { " + entra + " } ]" + strings.Replace(caller, "client: { id: a }, ", "", 1):                                "callers[0].identities[0]: issuer entra has no audiences",
		"issuers: [ { " + entra + ", jwks_file: keys, ca_file: ca } ]" + caller:                                                 "issuers[0].jwks_file: nothing is fetched",
		"issuers: [ { " + entra + ` } ]` + strings.Replace(caller, "bound_subject: a", "bound_subject: a, user_claim: upn", 1):  "callers[0].identities[0].user_claim: Entra's names may change hands",
		"issuers: [ { " + entra + ` } ]` + strings.Replace(caller, "bound_subject: a", "bound_subject: a, user_claim: /upn", 1): "callers[0].identities[0].user_claim: Entra's names may change hands",
		"issuers: [ { " + entra + " } ]" + caller + "\ngroups: [ { name: g, claims: [ { issuer: entra, value: v } ] } ]":        "groups[0].claims[0]: no caller has a groups_claim of issuer entra",
	} {
		_, said, err := loginConfig(t, "login: { host: id.bank.example }\n"+text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range said {
			if strings.Contains(p.Path, "issuers") || strings.Contains(p.Path, "identities") || strings.Contains(p.Path, "claims") {
				got += p.String()
			}
		}
		if (want == "") != (got == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s:\n%s\nwant %s", text, got, want)
		}
	}
}
