package kv1

import (
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestSuiteV1 runs as who may not list each folder.
func TestSuiteV1(t *testing.T) {
	var fixtures sync.Map
	backendtest.Run(t, backendtest.Harness{
		Writers: 8,
		Open: func(t *testing.T) backends.Backend {
			f := newFixture(t)
			f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, `
				path "`+f.conf.Mount+`/*" { capabilities = ["create", "read", "update", "delete", "list"] }
				path "`+f.conf.Mount+`/spoilt/in/denied*" { capabilities = ["deny"] }
				path "`+f.conf.Mount+`/spoilt/unreadable" { capabilities = ["deny"] }`)))
			s := f.open(t, nil)
			fixtures.Store(backends.Backend(s), f)
			return s
		},
		Spoil: func(t *testing.T, b backends.Backend) []secret.LeftOut {
			at, _ := fixtures.Load(b)
			f := at.(*fixture)
			long := "spoilt/" + strings.Repeat("n", secret.MaxName)
			for _, name := range []string{long, "spoilt/in/denied/s", "spoilt/unreadable", "vaultferry.meta/spoilt", "spoilt/vaultferry.meta/s"} {
				if err := f.kv.Put(t.Context(), name, map[string]any{"value": "canary"}); err != nil {
					t.Fatal(err)
				}
			}
			return []secret.LeftOut{
				{Why: secret.LeftOutName, Native: long},
				{Why: secret.LeftOutFolder, Name: "spoilt/in/denied/"},
				{Why: secret.LeftOutUnreadable, Name: "spoilt/unreadable"},
			}
		},
	})
}
