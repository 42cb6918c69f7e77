package azure_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestRecordedShapes repeats what clients were recorded to send to the real
// service, and compares which members came back, in which order.
func TestRecordedShapes(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	const plain = "{value id attributes{enabled created updated recoveryLevel recoverableDays}}"
	for _, c := range []struct {
		version, method, path, body string
		status                      int
		want                        string
	}{
		{"2016-10-01", "PUT", "/secrets/old", `{"value":"x"}`, 200, "{value id attributes{enabled created updated recoveryLevel}}"},
		{"7.2", "PUT", "/secrets/both", `{"attributes":{},"tags":{},"value":"x"}`, 200, "{value id attributes{enabled created updated recoveryLevel recoverableDays} tags{}}"},
		{"7.2", "PUT", "/secrets/attr", `{"attributes":{},"value":"x"}`, 200, plain},
		{"7.3", "PUT", "/secrets/full", `{"attributes":{"enabled":true,"nbf":1893459661},"contentType":"t","tags":{"tag":"v"},"value":"x"}`, 200, "{value contentType id attributes{enabled nbf created updated recoveryLevel recoverableDays} tags{tag}}"},
		{"7.4", "PUT", "/secrets/ends", `{"attributes":{"exp":1893459661,"nbf":1893459660},"contentType":"t","tags":{"tag":"v"},"value":"x"}`, 200, "{value contentType id attributes{enabled nbf exp created updated recoveryLevel recoverableDays} tags{tag}}"},
		{"7.3-preview", "PUT", "/secrets/exp", `{"value":"x","attributes":{"exp":1893459661}}`, 200, "{value id attributes{enabled exp created updated recoveryLevel recoverableDays}}"},
		{"7.2", "GET", "/secrets/both/", "", 200, "{value id attributes{enabled created updated recoveryLevel recoverableDays} tags{}}"},
		{"7.4", "GET", "/secrets/attr/", "", 200, plain},
		{"7.4", "GET", "/secrets/ends/versions", "", 200, "{value[{contentType id attributes{enabled nbf exp created updated recoveryLevel recoverableDays} tags{tag}}] nextLink}"},
		{"7.3-preview", "GET", "/secrets/absent/versions", "", 200, "{value[] nextLink}"},
		{"7.4", "GET", "/secrets", "", 200, "{value[{id attributes{enabled created updated recoveryLevel recoverableDays}}] nextLink}"},
		{"7.3", "POST", "/secrets/attr/backup", "", 200, "{value}"},
		{"7.3", "GET", "/secrets/absent/", "", 404, "{error{code message}}"},
		{"7.0", "POST", "/secrets/absent/backup", "", 404, "{error{code message}}"},
		{"7.3", "POST", "/secrets/restore", `{"value":"AAAAAAAAAAAAAAAA"}`, 400, "{error{code message}}"},
		{"7.0", "PUT", "/secrets/", `{"value":"x"}`, 405, "{error{code message}}"},
	} {
		w := httptest.NewRecorder()
		g.Handler.ServeHTTP(w, request(t, g, c.method, g.VaultURL("main")+c.path+"?api-version="+c.version, c.body))
		if got := shape(t, json.NewDecoder(w.Body)); w.Code != c.status || got != c.want {
			t.Errorf("%s %s %s: %d %s, recorded is %d %s", c.version, c.method, c.path, w.Code, got, c.status, c.want)
		}
		wantRecordedHeaders(t, w.Header())
	}
}

// wantRecordedHeaders knows the names in the newest recordings, less those of
// a vault whose permissions are role assignments.
func wantRecordedHeaders(t *testing.T, h http.Header) {
	t.Helper()
	want := []string{
		"cache-control", "content-length", "content-type", "date", "expires", "pragma", "strict-transport-security",
		"x-content-type-options", "x-ms-keyvault-network-info", "x-ms-keyvault-region", "x-ms-keyvault-service-version", "x-ms-request-id",
	}
	var got []string
	for name := range h {
		if name != wire.ReasonHeader { // ours, beside the service's
			got = append(got, strings.ToLower(name))
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// shape writes the names of a JSON value's members in their order, of a list
// those of its first element.
func shape(t *testing.T, dec *json.Decoder) string {
	t.Helper()
	tok, err := dec.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch tok {
	case json.Delim('{'):
		var all []string
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(name, shape(t, dec)))
		}
		_, _ = dec.Token() // the closing brace
		return "{" + strings.Join(all, " ") + "}"
	case json.Delim('['):
		first := ""
		for i := 0; dec.More(); i++ {
			if s := shape(t, dec); i == 0 {
				first = s
			}
		}
		_, _ = dec.Token() // the closing bracket
		return "[" + first + "]"
	}
	return ""
}
