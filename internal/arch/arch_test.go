// Package arch holds the import rules of this module as a failing test.
package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/vaultferry/vaultferry/"

// rule says which of our packages those matching From may import, outside of
// their tests. Patterns are those of path.Match, or end in "/...".
type rule struct {
	from string
	may  []string
}

// rules are read top down; the first match holds. A package that matches none
// fails the test: whoever adds one decides where it stands.
var rules = []rule{
	{"secret", nil},
	{"backup", []string{"secret", "internal/ownfile", "internal/textfile"}},
	{"backup/saved", []string{"secret", "backup", "internal/textfile"}},
	{"backup/keysource", []string{"secret", "backup", "internal/ownfile", "internal/textfile"}},
	{"inventory", []string{"secret", "internal/inorder", "internal/jsonl", "internal/merkle"}},
	{"migrate", []string{"secret", "backends", "backends/kit", "backends/loss", "gateway", "gateway/archive", "gateway/tracing", "inventory", "internal/inorder", "internal/jsonl", "internal/merkle", "internal/osfile"}},
	{"migrate/report", []string{"secret", "backup", "inventory", "internal/jsonl", "internal/rawsig", "internal/shown"}},
	{"snapshot", []string{"secret", "backup", "inventory", "internal/jsonl", "internal/merkle", "internal/osfile"}},
	{"backends", []string{"secret"}},
	{"backends/loss", []string{"secret"}},
	{"backends/history", []string{"secret", "backends/loss"}},
	{"backends/sealed", []string{"secret", "backends", "backends/history", "backends/kit"}},
	{"backends/sidecar", []string{"secret", "backends/history", "backends/loss"}},
	{"backends/kit", []string{"secret", "backends", "internal/pemfile"}},
	{"backends/backendtest", []string{"secret", "backends", "backends/history", "backends/kit", "backends/limits", "backends/loss"}},
	{"backends/all", []string{"secret", "backends/..."}},
	{"backends/bolt", []string{"secret", "backends", "backends/history", "backends/kit", "backends/loss", "backends/sealed", "internal/bboltcheck", "internal/osfile"}},
	{"backends/postgres", []string{"secret", "backends", "backends/history", "backends/kit", "backends/loss", "backends/sealed", "internal/pemfile", "internal/textfile"}},
	{"backends/hashivault", []string{"secret", "backends", "backends/kit", "backends/hashivault/..."}},
	{"backends/hashivault/connection", []string{"secret", "backends", "backends/kit", "backends/loss", "backends/sidecar", "internal/textfile"}},
	{"backends/hashivault/*", []string{"secret", "backends", "backends/hashivault/connection", "backends/history", "backends/kit", "backends/loss", "backends/sidecar"}},
	{"backends/*", []string{"secret", "backends", "backends/history", "backends/kit", "backends/loss", "backends/sidecar", "internal/sdkhmac", "internal/textfile"}},
	{"gateway/access", []string{"secret"}},
	{"gateway/archive", []string{"secret", "internal/osfile"}},
	{"gateway/callerfile", []string{"secret", "backup", "gateway/access", "internal/ownfile"}},
	{"gateway/audit/witness", []string{"secret", "gateway/access", "gateway/audit", "dialects/wire", "internal/merkle"}},
	{"gateway/audit", []string{"secret", "internal/merkle", "internal/rawsig", "internal/osfile"}},
	{"gateway/audit/*", []string{"gateway/audit", "internal/merkle"}},
	{"gateway/internal/current", nil},
	{"gateway/internal/hook", []string{"secret", "backends"}},
	{"gateway", []string{"secret", "backup", "backends", "backends/history", "backends/kit", "backends/loss", "gateway/access", "gateway/archive", "gateway/audit", "gateway/internal/hook", "inventory"}},
	{"gateway/events", []string{"secret", "backends", "backends/kit", "backends/loss", "gateway", "gateway/access", "gateway/internal/hook"}},
	{"gateway/control", []string{"secret", "backup", "backends", "gateway", "gateway/access", "gateway/archive", "gateway/audit", "gateway/internal/current", "gateway/tracing", "inventory", "internal/osfile"}},
	{"gateway/token", []string{"backup", "gateway/access"}},
	{"gateway/iam", []string{"secret", "backup", "gateway/access", "gateway/token"}},
	{"gateway/issuer", []string{"gateway/access", "internal/pemfile", "internal/textfile"}},
	{"gateway/login", []string{"secret", "backup", "gateway", "gateway/access", "gateway/issuer", "gateway/token", "dialects/wire"}},
	{"gateway/tracing", []string{"secret"}},
	{"gateway/httpd", []string{"secret", "backends", "gateway", "gateway/access", "gateway/audit", "gateway/internal/current", "gateway/tracing", "dialects"}},
	{"dialects", nil},
	{"dialects/wire", []string{"secret", "gateway/access"}},
	{"dialects/wiretest", []string{"..."}},
	{"dialects/*", []string{"secret", "gateway", "gateway/access", "gateway/events", "gateway/iam", "dialects", "dialects/wire", "internal/sdkhmac"}},
	{"config", []string{"secret", "backends", "backends/hashivault/transit", "gateway", "gateway/access", "internal/ownfile", "internal/textfile"}},
	{"cmd/...", []string{"..."}},
	{"vaultferrytest", []string{"secret", "gateway", "gateway/access", "internal/gatewaytest"}},
	{"internal/demo", []string{"secret", "backup", "config", "gateway", "internal/sdkhmac"}},
	{"internal/sdkhmac", []string{"secret"}},
	{"internal/configdoc", []string{"secret", "backends", "config"}},
	{"internal/bboltcheck", nil},
	{"internal/coredump", nil},
	{"internal/golden", nil},
	{"internal/pages", nil},
	{"internal/inorder", nil},
	{"internal/jsonl", nil},
	{"internal/merkle", nil},
	{"internal/osfile", nil},
	{"internal/ownfile", []string{"internal/osfile"}},
	{"internal/heap", nil},
	{"internal/rawsig", nil},
	{"internal/recording", nil},
	{"internal/shown", nil},
	{"internal/pki", nil},
	{"internal/pemfile", []string{"internal/textfile"}},
	{"internal/textfile", nil},
	{"internal/schematest", []string{"config"}},
	{"internal/freeport", nil},
	{"internal/postgrestest", []string{"internal/freeport"}},
	{"internal/sdktest", nil},
	{"internal/vaulttest", []string{"internal/freeport"}},
	{"internal/kvtest", []string{"secret", "backends/sidecar"}},
	{"internal/faultproxy", nil},
	{"internal/issuertest", []string{"internal/pki"}},
	{"internal/gatewaytest", []string{"..."}},
	{"internal/e2e", []string{"..."}},
	{"internal/attack", []string{"..."}},
	{"internal/fleet", []string{"..."}},
	{"internal/work", []string{"..."}},
	{"internal/arch", nil},
	{"examples", nil},
	{"deploy", nil},
	{"deploy/zip", nil},
}

// vendors says which of our packages alone may import a module of others.
var vendors = map[string][]string{
	"github.com/Azure/azure-sdk-for-go/":              {"backends/azurekv"},
	"github.com/hashicorp/vault/":                     {"backends/hashivault/connection", "internal/vaulttest"},
	"github.com/huaweicloud/":                         {"backends/huaweicsms"},
	"github.com/spf13/viper":                          {"config"},
	"github.com/spf13/cobra":                          {"cmd/..."},
	"github.com/vbauerster/":                          {"cmd/..."},
	"github.com/gorilla/mux":                          {"dialects", "dialects/...", "gateway/audit/witness", "gateway/httpd", "gateway/login", "internal/gatewaytest"},
	"github.com/go-jose/":                             {"backup", "gateway/issuer", "gateway/token", "internal/issuertest"},
	"github.com/coreos/go-oidc/":                      {"gateway/issuer"},
	"github.com/santhosh-tekuri/jsonschema/":          {"internal/schematest"},
	"github.com/jackc/":                               {"backends/postgres", "internal/postgrestest"},
	"go.etcd.io/bbolt":                                {"backends/bolt", "internal/bboltcheck"},
	"golang.org/x/crypto/acme":                        {"gateway/httpd"},
	"golang.org/x/mod/":                               {"gateway/audit", "gateway/audit/witness", "internal/merkle"},
	"github.com/prometheus/":                          {"gateway/httpd", "cmd/..."},
	"go.opentelemetry.io/otel/sdk/":                   {"gateway/tracing"},
	"go.opentelemetry.io/otel/exporters/":             {"gateway/tracing"},
	"go.opentelemetry.io/":                            {"backends/kit", "dialects/wiretest", "gateway", "gateway/tracing"},
	"github.com/coreos/go-systemd/":                   {"cmd/..."},
	"github.com/pires/go-proxyproto":                  {"gateway/httpd"},
	"github.com/secure-systems-lab/":                  nil, // tests read reports with it
	"golang.org/x/net/":                               nil, // likewise
	"net/http/httptest":                               {"dialects/wiretest", "internal/faultproxy", "internal/gatewaytest", "internal/issuertest", "internal/kvtest"},
	"testing":                                         {"backends/backendtest", "dialects/wiretest", "internal/...", "vaultferrytest"},
	"github.com/vaultferry/vaultferry/cmd/vaultferry": nil,
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportDirection(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		i := slices.IndexFunc(rules, func(r rule) bool { return match(r.from, from) })
		if i < 0 {
			t.Errorf("%s stands in no rule of this test", from)
			continue
		}
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, module); ours && !matchAny(rules[i].may, to) {
				t.Errorf("%s imports %s: not allowed", from, to)
			}
			for prefix, may := range vendors {
				if strings.HasPrefix(imp+"/", prefix) || imp == prefix {
					if !matchAny(may, from) {
						t.Errorf("%s imports %s: only %v may", from, imp, may)
					}
				}
			}
		}
	}
}

// packages lists those of this module with the imports of their own files,
// tests left out.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("only %d packages found", len(all))
	}
	return all
}

func matchAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, s) })
}

func match(pattern, s string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "..."); ok {
		return strings.HasPrefix(s+"/", prefix)
	}
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}
