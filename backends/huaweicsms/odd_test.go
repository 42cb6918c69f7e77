package huaweicsms

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// TestOddSecretsOfAList: no odd secret hides another, each is shown as far as it
// can be read, and an error names the secret that it is about.
func TestOddSecretsOfAList(t *testing.T) {
	t.Parallel()
	named := func(name, rest string) string {
		return `{"id":"` + id + `","name":"` + name + `","state":"ENABLED"` + rest + `}`
	}
	versions := func(version string) []http.HandlerFunc {
		return []http.HandlerFunc{reply(200, `{"version_metadatas":[`+version+`]}`)}
	}
	current := `,"version_stages":["SYSCURRENT"]}`
	answers := map[string][]http.HandlerFunc{
		getTags: {reply(200, `{"tags":[]}`)},
		getList: {reply(200, `{"secrets":[{},7,{"id":"x"},{"name":"bare"},{"name":"x1-`+strings.Repeat("0", hashLength)+`"},{"name":"canary","state":7,"create_time":"canary"},`+
			named("odd-id", "")+`,`+named("no-times", "")+`,`+named("far-times", `,"create_time":-62135596800000`)+`],"page_info":{}}`)},
		"GET /secrets/bare":               {reply(200, `{"secret":{"name":"bare"}}`)},
		"GET /secrets/bare/versions":      versions(`{"id":"v1"` + current),
		"GET /secrets/canary":             {reply(200, `{"secret":{"name":"canary","create_time":"canary"}}`)},
		"GET /secrets/canary/versions":    versions(`{"id":"v1"` + current),
		"GET /secrets/odd-id":             {reply(200, `{"secret":`+named("odd-id", "")+`}`)},
		"GET /secrets/odd-id/versions":    versions(`{"id":"canary-version"}`),
		"GET /secrets/no-times":           {reply(200, `{"secret":`+named("no-times", "")+`}`)},
		"GET /secrets/no-times/versions":  versions(`{"id":"v1","create_time":1581507580000` + current),
		"GET /secrets/far-times":          {reply(200, `{"secret":`+named("far-times", `,"create_time":-62135596800000`)+`}`)},
		"GET /secrets/far-times/versions": versions(`{"id":"v1","create_time":9223372036854775807,"expire_time":1569456000000000` + current),
	}
	b, _ := script(t, answers)
	p, err := b.List(t.Context(), secret.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var got []secret.Name
	for _, s := range p.Secrets {
		got = append(got, s.Name)
		if s.Created.IsZero() {
			t.Errorf("%s: it was never made", s.Name)
		}
	}
	if want := []secret.Name{"bare", "canary", "far-times", "no-times", "odd-id"}; !slices.Equal(got, want) {
		t.Fatalf("the list has %q, want %q", got, want)
	}
	none := secret.LeftOut{Why: secret.LeftOutName}
	if want := []secret.LeftOut{none, none, none, {Why: secret.LeftOutName, Native: "x1-" + strings.Repeat("0", hashLength)}}; !slices.Equal(p.LeftOut, want) {
		t.Errorf("left out is %q, want %q", p.LeftOut, want)
	}
	for _, name := range []secret.Name{"bare", "odd-id"} {
		var e *secret.Error
		if _, err := b.Describe(t.Context(), name); !errors.As(err, &e) || e.Name != name || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := b.Describe(t.Context(), "far-times")
	if err != nil || !s.Versions[0].Expires.Equal(secret.Last) || secret.Worst(secret.ExportLosses(s)) != secret.Trace {
		t.Errorf("times that nobody can say: %v", err)
	}
}

// TestNativeSubscriptions: what a secret subscribes to in CSMS itself stays
// there, and a backup says so.
func TestNativeSubscriptions(t *testing.T) {
	t.Parallel()
	for events, want := range map[string]int{`[""]`: 0, `null`: 0, `["ev-1"]`: 1} {
		b, _ := script(t, withDefaults(map[string][]http.HandlerFunc{
			getSecret: {reply(200, `{"secret":`+strings.Replace(meta, `[""]`, events, 1)+`}`)},
		}))
		for what, read := range map[string]func(context.Context, secret.Name) (*secret.Secret, error){"Export": b.Export, "Describe": b.Describe} {
			ctx, foretold := loss.WithForetold(t.Context())
			if _, err := read(ctx, "s"); err != nil {
				t.Fatal(err)
			}
			if all := foretold(); len(all) != want || want > 0 && (all[0].What != loss.Subscriptions || all[0].Grade != secret.Trace) {
				t.Errorf("%s, %s: foretold is %v", events, what, all)
			}
		}
	}
}
