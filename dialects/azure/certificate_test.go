package azure_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestPreviousVersionNever: what newer api-versions tell of a certificate's
// secret is in no answer, even of one that came from a certificate.
func TestPreviousVersionNever(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "main", Kind: "memory", Backend: store}}})
	for _, version := range []string{"7.4", "7.6", "2025-06-01-preview", "2025-07-01", "2026-04-01", "2026-07-01-preview"} {
		for range 2 {
			_, err := store.Put(t.Context(), "cert", secret.Draft{
				Value: secret.TextValue("x"), ContentType: "application/x-pkcs12",
				Extra: secret.Extra{"azure.managed": json.RawMessage("true")}.WithText("azure.kid", "https://v.example/keys/cert/1"),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, ask := range []struct{ method, path, body string }{
			{http.MethodGet, "/secrets/cert", ""},
			{http.MethodPatch, "/secrets/cert", `{"tags":{"a":"b"}}`},
			{http.MethodGet, "/secrets", ""},
			{http.MethodGet, "/secrets/cert/versions", ""},
			{http.MethodPut, "/secrets/other", `{"value":"x"}`},
			{http.MethodPut, "/secrets/other", `{"value":"y","previousVersion":"0"}`},
			{http.MethodGet, "/secrets/other", ""},
			{http.MethodDelete, "/secrets/cert", ""},
			{http.MethodGet, "/deletedsecrets/cert", ""},
			{http.MethodGet, "/deletedsecrets", ""},
			{http.MethodPost, "/deletedsecrets/cert/recover", ""},
		} {
			r := request(t, g, ask.method, "https://main.vault.localhost"+ask.path+"?api-version="+version, ask.body)
			status, body := play(g, r)
			if status != http.StatusOK {
				t.Fatalf("%s %s of %s: %d", ask.method, ask.path, version, status)
			}
			if strings.Contains(body, "previousVersion") {
				t.Errorf("%s %s of %s tells of a previous version", ask.method, ask.path, version)
			}
			if !strings.HasPrefix(ask.path, "/secrets/other") && !strings.Contains(body, `"managed":true`) {
				t.Errorf("%s %s of %s: the certificate's secret is not in the answer", ask.method, ask.path, version)
			}
		}
	}
}

// TestSDKContentTypes: the vendor's client may wish for each content type that
// it knows, and gets the secret as it is.
func TestSDKContentTypes(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	c := newClient(t, g, "a")
	if _, err := c.SetSecret(t.Context(), "x", azsecrets.SetSecretParameters{Value: to.Ptr("value"), ContentType: to.Ptr("text/plain")}, nil); err != nil {
		t.Fatal(err)
	}
	for _, wish := range azsecrets.PossibleContentTypeValues() {
		got, err := c.GetSecret(t.Context(), "x", "", &azsecrets.GetSecretOptions{OutContentType: &wish})
		if err != nil || *got.Value != "value" || *got.ContentType != "text/plain" {
			t.Errorf("%s: %v", wish, err)
		}
	}
	_, err := c.GetSecret(t.Context(), "x", "", &azsecrets.GetSecretOptions{OutContentType: to.Ptr(azsecrets.ContentType("text/plain"))})
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != http.StatusBadRequest || e.ErrorCode != "BadParameter" {
		t.Errorf("another content type: %v", err)
	}
}
