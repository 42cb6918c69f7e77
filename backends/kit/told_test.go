package kit_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// TestTold: a product's codes reach whoever is told of the error, and of its
// text what is known, to the letter, and nothing else.
func TestTold(t *testing.T) {
	t.Parallel()
	nothing := func(*kit.Answer) (secret.Kind, string, bool) { return 0, "", false }
	o := kit.Op{Product: "P"}
	for want, a := range map[string]kit.Answer{
		"P refused the request (BadParameter)":                            {Status: 400, Code: "BadParameter"},
		"P refused the request (CSMS.0401)":                               {Status: 400, Code: "CSMS.0401"},
		"P refused the request (Malformed backup blob)":                   {Status: 400, Code: "Malformed backup blob"},
		"P refused the request":                                           {Status: 400, Code: "canary\nvalue", Inner: strings.Repeat("x", 65)},
		"P refused the request: tags: 17, at most 15":                     {Status: 400, Said: "tags: 17, at most 15"},
		"P does not let the gateway do this (Forbidden, ForbiddenByRbac)": {Status: 403, Code: "Forbidden", Inner: "ForbiddenByRbac"},
		"P is busy with this secret (Conflict)":                           {Status: 409, Code: "Conflict"},
		"P failed to answer (InternalServerError)":                        {Status: 500, Code: "InternalServerError"},
		"P gave an answer that nobody expects (Teapot)":                   {Status: http.StatusTeapot, Code: "Teapot"},
		"P does not take so much (RequestTooLarge)":                       {Status: 413, Code: "RequestTooLarge"},
		"": {Status: 404, Code: "SecretNotFound"},
	} {
		if got := o.Answered(&a, nothing).Detail; got != want {
			t.Errorf("%d %s: %q, want %q", a.Status, a.Code, got, want)
		}
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	const known = "Vault is sealed"
	for text, want := range map[string]string{
		known: known, known + "\r\nVault: canary": known, known + " canary": "", "canary " + known: "", "canary": "", "": "",
	} {
		if got := kit.Known(text, "another", known); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for header, want := range map[string]string{
		"tags: 17, at most 15": "tags: 17, at most 15", "a\nb": "", "ü": "", strings.Repeat("x", secret.MaxReason+1): "", "": "",
	} {
		if got := kit.OurReason(header); got != want {
			t.Errorf("the reason %q: %q, want %q", header, got, want)
		}
	}
}
