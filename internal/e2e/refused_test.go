package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/golden"
)

// refusedRow is a request that must be refused.
type refusedRow struct {
	name string
	ask  func(t *testing.T) *http.Request
	// client is whoever sends it; nil: the gateway's own.
	client *http.Client
}

// checkRefused sends each, and compares status, code, message and audit line with
// the file in testdata/refused. No answer may hold any of the hidden texts.
// varying texts are replaced by what they stand for.
func checkRefused(t *testing.T, g *gatewaytest.Gateway, file string, rows []refusedRow, hidden []string, varying *strings.Replacer) {
	t.Helper()
	var b strings.Builder
	for _, row := range rows {
		client := row.client
		if client == nil {
			client = g.Client
		}
		before := len(g.Audit.Entries(t))
		r := row.ask(t)
		resp, err := client.Do(r)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode < 400 {
			t.Errorf("%s: %d", row.name, resp.StatusCode)
		}
		told := string(body) + fmt.Sprint(resp.Header)
		for _, text := range hidden {
			if strings.Contains(told, text) {
				t.Errorf("%s: the answer holds %q", row.name, text)
			}
		}
		code, message := saidOf(body)
		fmt.Fprintf(&b, "%s\n  %d %s %s\n", row.name, resp.StatusCode, code, varying.Replace(steady(message)))
		lines := g.Audit.Entries(t)[before:]
		if len(lines) != 1 && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge { // which nobody reads
			t.Errorf("%s: %d audit lines", row.name, len(lines))
		}
		for _, e := range lines {
			if e.Phase != audit.Outcome || e.Address == "" || e.RequestID == "" {
				t.Errorf("%s: the audit line lacks something: %+v", row.name, e)
			}
			fmt.Fprintf(&b, "  audit: %s %s caller=%q credential=%q reason=%q\n", e.Op, e.Result, e.Caller, varying.Replace(e.Credential), varying.Replace(steady(e.Reason)))
		}
	}
	golden.Compare(t, "testdata/refused/"+file, b.String())
}

// saidOf reads the error of either dialect, or of the login.
func saidOf(body []byte) (code, message string) {
	var said struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
		Code        string          `json:"error_code"`
		Msg         string          `json:"error_msg"`
	}
	if json.Unmarshal(body, &said) != nil {
		return "", strings.TrimSpace(string(body))
	}
	var nested struct{ Code, Message string }
	var word string
	switch {
	case said.Code != "":
		return said.Code, said.Msg
	case json.Unmarshal(said.Error, &word) == nil:
		return word, said.Description
	case json.Unmarshal(said.Error, &nested) == nil:
		return nested.Code, nested.Message
	}
	return "", string(body)
}

var unsteady = regexp.MustCompile(`EncodedJwtHeader: '[^']*'|expires_at: [0-9T:.Z-]+| ?Trace ID: .*`)

// steady leaves out what differs between two runs.
func steady(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r", " "), "\n", " ")
	return unsteady.ReplaceAllStringFunc(s, func(m string) string {
		word, _, _ := strings.Cut(m, ":")
		if strings.HasSuffix(word, "Trace ID") {
			return ""
		}
		return word + ": ..."
	})
}
