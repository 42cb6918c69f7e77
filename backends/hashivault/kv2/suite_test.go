package kv2

import (
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

func TestSuite(t *testing.T) { suite(t, "", nil) }

// TestSuiteBelowAPrefix: also where somebody set a limit of versions, far above
// what the suite writes.
func TestSuiteBelowAPrefix(t *testing.T) {
	suite(t, "team/app/", map[string]any{"max_versions": 10_000})
}

// suite runs as who may not list each folder.
func suite(t *testing.T, prefix string, config map[string]any) {
	t.Helper()
	var fixtures sync.Map
	backendtest.Run(t, backendtest.Harness{
		Open: func(t *testing.T) backends.Backend {
			f := newFixture(t, func(c *connection.Options) { c.Prefix = strings.Trim(prefix, "/") })
			if config != nil {
				f.nativeWrite(t, "config", config)
			}
			f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, `
				path "`+f.conf.Mount+`/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
				path "`+f.conf.Mount+`/metadata/`+prefix+`spoilt/in/denied*" { capabilities = ["deny"] }
				path "`+f.conf.Mount+`/metadata/`+prefix+`spoilt/unreadable" { capabilities = ["deny"] }`)))
			s := f.open(t, nil)
			fixtures.Store(backends.Backend(s), f)
			return s
		},
		Spoil: func(t *testing.T, b backends.Backend) []secret.LeftOut {
			at, _ := fixtures.Load(b)
			return spoil(t, at.(*fixture), prefix)
		},
	})
}

func spoil(t *testing.T, f *fixture, prefix string) []secret.LeftOut {
	t.Helper()
	long := "spoilt/" + strings.Repeat("n", secret.MaxName)
	value := map[string]any{"value": "canary"}
	for _, name := range []string{
		long, "spoilt/deleted", "spoilt/destroyed", "spoilt/in/denied/s", "spoilt/unreadable", "vaultferry.meta/spoilt", "spoilt/vaultferry.meta/s",
	} {
		f.nativePut(t, prefix+name, value)
	}
	f.nativeWrite(t, "delete/"+prefix+"spoilt/deleted", map[string]any{"versions": []int{1}})
	f.nativeWrite(t, "destroy/"+prefix+"spoilt/destroyed", map[string]any{"versions": []int{1}})
	f.nativeWrite(t, "metadata/"+prefix+"spoilt/bare", map[string]any{"custom_metadata": map[string]any{"owner": "me"}})
	f.nativeWrite(t, "metadata/"+prefix+"spoilt/begun", map[string]any{"custom_metadata": map[string]any{importKey: "x"}})
	f.nativeWrite(t, "metadata/"+prefix+"spoilt/half", map[string]any{"custom_metadata": map[string]any{importKey: "x"}})
	f.nativePut(t, prefix+"spoilt/half", value)
	return []secret.LeftOut{
		{Why: secret.LeftOutName, Native: long},
		{Why: secret.LeftOutEmpty, Name: "spoilt/bare"},
		{Why: secret.LeftOutEmpty, Name: "spoilt/deleted"},
		{Why: secret.LeftOutEmpty, Name: "spoilt/destroyed"},
		{Why: secret.LeftOutFolder, Name: "spoilt/in/denied/"},
		{Why: secret.LeftOutUnreadable, Name: "spoilt/unreadable"},
		{Why: secret.LeftOutUnfinished, Name: "spoilt/begun"},
		{Why: secret.LeftOutUnfinished, Name: "spoilt/half"},
	}
}
