package azurekv

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/google/go-cmp/cmp"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

func opening(c *Config) { c.ReadDisabled = true }

// opener exports as a backup does.
type opener struct{ *Backend }

func (o opener) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	s, _, err := o.ExportHidden(ctx, name, secret.Unreadable)
	return s, err
}

// TestConformanceOpened: an export that opens what is disabled keeps the
// contract, and then nothing is unreadable.
func TestConformanceOpened(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, backendtest.Harness{
		Open: func(t *testing.T) backends.Backend {
			return opener{open(t, gatewaytest.New(t, gatewaytest.Options{}), opening)}
		},
	})
}

// facts of a version as native tools see them, less when it was updated.
type seen struct {
	Enabled bool
	Type    string
	Tags    map[string]string
}

// sight is what native tools see of the secret, by version, less the tag that
// says of a version that it is without tags.
func sight(t *testing.T, b *Backend, name string) map[string]seen {
	t.Helper()
	all := map[string]seen{}
	for pager := b.client.sdk.NewListSecretPropertiesVersionsPager(name, nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Value {
			s := seen{Enabled: *p.Attributes.Enabled, Tags: map[string]string{}}
			if p.ContentType != nil {
				s.Type = *p.ContentType
			}
			for k, v := range p.Tags {
				if s.Tags[k] = *v; k == sidecarTag {
					r := decodeTag(*v)
					if r == nil {
						t.Fatalf("the tag %s is not understood", *v)
					}
					r.Touched = sidecar.Time{}
					if s.Tags[k] = sidecar.JSON(r); r.Bare && r.Opened.IsZero() {
						delete(s.Tags, k)
					}
				}
			}
			all[p.ID.Version()] = s
		}
	}
	return all
}

// writeNative writes a version as native tools do.
func writeNative(t *testing.T, b *Backend, name, value string, enabled bool, tags int) {
	t.Helper()
	p := azsecrets.SetSecretParameters{Value: &value, SecretAttributes: &azsecrets.SecretAttributes{Enabled: &enabled}}
	for i := range tags {
		if p.Tags == nil {
			p.Tags = map[string]*string{}
		}
		p.Tags[fmt.Sprintf("tag-%d", i)] = new("x")
	}
	if _, err := b.client.sdk.SetSecret(t.Context(), name, p, nil); err != nil {
		t.Fatal(err)
	}
}

// mixed is a secret of which each version differs in what there is to put back.
func mixed(t *testing.T, b *Backend, name secret.Name) {
	t.Helper()
	for _, d := range []secret.Draft{
		{Value: secret.BinaryValue([]byte("one")), Disabled: true, Tags: map[string]string{"a": "b"}, Stages: []string{"x"}, Expires: time.Unix(2e9, 5e8)},
		{Value: secret.TextValue("two")},
		{Value: secret.TextValue("three"), Disabled: true, OfSecret: &secret.Attributes{Description: "about it"}},
	} {
		if _, err := b.Put(t.Context(), name, d); err != nil {
			t.Fatal(err)
		}
	}
	writeNative(t, b, string(name), "four", false, 0)
	writeNative(t, b, string(name), "five", false, 3)
	writeNative(t, b, string(name), "six", false, maxTags)
	writeNative(t, b, string(name), "seven", true, 1)
}

// isOn reports whether a version of mixed is enabled. Nobody knows the order of
// the native ones, which are of one second.
func isOn(v *secret.Version) bool { return v.Ordinal == 2 || (v.Ordinal > 3 && len(v.Tags) == 1) }

// TestExportHidden: every value but one that cannot be marked, and afterwards
// all is as it was, to native tools and to gateways.
func TestExportHidden(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}), opening)
	mixed(t, b, "s")
	before, was := sight(t, b, "s"), describe(t, b)
	got, opened, err := b.ExportHidden(t.Context(), "s", secret.Unreadable)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]secret.Missing{}
	for i := range got.Versions {
		v := &got.Versions[i]
		values[string(v.Value.Reveal())] = v.Missing
		if v.Disabled == isOn(v) {
			t.Errorf("version %d is disabled: %v", v.Ordinal, v.Disabled)
		}
	}
	want := map[string]secret.Missing{"one": "", "two": "", "three": "", "four": "", "five": "", "": secret.Unreadable, "seven": ""}
	if !maps.Equal(values, want) {
		t.Errorf("got %d values that are not those", len(values))
	}
	if len(opened) != 4 || got.Versions[0].Value.Form() != secret.Binary {
		t.Errorf("versions %d were opened", opened)
	}
	if diff := cmp.Diff(before, sight(t, b, "s")); diff != "" {
		t.Errorf("native tools see a difference: %s", diff)
	}
	if diff := cmp.Diff(was, describe(t, b)); diff != "" {
		t.Errorf("gateways see a difference: %s", diff)
	}
	again, opened, err := b.ExportHidden(t.Context(), "s", secret.Unreadable)
	if err != nil || len(opened) != 4 || len(again.Versions) != 7 {
		t.Errorf("a second time: %d opened, %v", opened, err)
	}
	if _, err := b.Export(t.Context(), "s"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, sight(t, b, "s")); diff != "" {
		t.Errorf("after the second time: %s", diff)
	}
}

// describe is what gateways see, less when native versions were updated, which
// the product alone knows.
func describe(t *testing.T, b *Backend) []string {
	t.Helper()
	s, err := b.Describe(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	out := []string{fmt.Sprint(s.Current, s.Previous, s.Description, s.Tags, s.Created)}
	for i := range s.Versions {
		v := &s.Versions[i]
		line := fmt.Sprint(v.Ordinal, v.UID, v.Disabled, v.Missing, v.ContentType, v.Tags == nil, v.Tags, v.Stages, v.NotBefore, v.Expires, v.Created, v.Extra)
		if i < 3 {
			line += fmt.Sprint(v.Updated)
		}
		out = append(out, line)
	}
	return out
}

// mortal is a gateway that dies at its n-th change of attributes: from then on
// it gets nothing done. Lost: that change still arrives.
type mortal struct {
	next http.RoundTripper
	left atomic.Int64
	lost bool
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	left := m.left.Load()
	if r.Method == http.MethodPatch && r.Header.Get("Authorization") != "" {
		left = m.left.Add(-1)
	}
	switch {
	case left > 0:
		return m.next.RoundTrip(r)
	case left == 0 && m.lost && r.Method == http.MethodPatch:
		resp, err := m.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		_ = resp.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// TestOpenInterrupted: wherever a gateway dies, no gateway shows what is
// disabled, and the next write of any of them, or the next backup, puts all
// back as it was.
func TestOpenInterrupted(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for _, lost := range []bool{false, true} {
		for n := int64(1); n <= 8; n++ {
			t.Run(fmt.Sprintf("change %d, lost %v", n, lost), func(t *testing.T) {
				t.Parallel()
				name := secret.Name(fmt.Sprintf("s-%d-%v", n, lost))
				m := &mortal{lost: lost}
				m.left.Store(1 << 40)
				dying := open(t, g, opening, func(c *Config) {
					c.wrap = func(next http.RoundTripper) http.RoundTripper { m.next = next; return m }
				})
				mixed(t, dying, name)
				before := sight(t, dying, string(name))
				m.left.Store(n)
				if _, _, err := dying.ExportHidden(t.Context(), name, secret.Unreadable); err == nil {
					t.Fatal("nothing failed")
				}
				repaired(t, g, name, before, n%2 == 0)
			})
		}
	}
}

// repaired looks with another gateway's eyes, at once and a minute later.
func repaired(t *testing.T, g *gatewaytest.Gateway, name secret.Name, before map[string]seen, byBackup bool) {
	t.Helper()
	b := open(t, g, opening)
	for o := secret.Ordinal(1); o <= 7; o++ {
		s, err := b.Get(t.Context(), name, secret.ByOrdinal(o))
		if err != nil {
			t.Fatal(err)
		}
		v := s.Find(secret.ByOrdinal(o))
		if on := isOn(v); v.Disabled == on || v.Value.IsNone() == on {
			t.Errorf("version %d is shown as disabled %v", o, v.Disabled)
		}
	}
	b.now = func() time.Time { return time.Now().Add(time.Minute) }
	if byBackup {
		if _, _, err := b.ExportHidden(t.Context(), name, secret.Unreadable); err != nil {
			t.Error(err)
		}
	} else if _, err := b.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("eight")}); err != nil {
		t.Error(err)
	}
	after := sight(t, b, string(name))
	maps.DeleteFunc(after, func(id string, _ seen) bool { _, there := before[id]; return !there })
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("what was left is not put back: %s", diff)
	}
}

// TestOpenElsewhere: while another gateway has a version open, writes wait for
// it, and as long as there is patience.
func TestOpenElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mark := fmt.Sprintf(`{\"n\":1,\"u\":\"AAAAAAAAAAAAAAAAAAAAAQ\",\"O\":%d,\"B\":true}`, time.Now().Unix())
		marked := strings.Replace(listed1, `"attributes"`, `"tags":{"vaultferry":"`+mark+`"},"attributes"`, 1)
		b, vault := script(t, map[string][]http.HandlerFunc{
			getVersions: {reply(200, marked), reply(200, marked), reply(200, listed1)}, doSet: {reply(200, `{"value":"x",`+facts)},
		})
		put := func(ctx context.Context, b *Backend) error {
			_, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("x")})
			return err
		}
		if err := put(within(t, time.Minute), b); err != nil || vault.count(getVersions) != 3 {
			t.Errorf("after %d looks: %v", vault.count(getVersions), err)
		}
		b, vault = script(t, map[string][]http.HandlerFunc{getVersions: {reply(200, marked)}})
		wantKind(t, "a write while a version is open", put(within(t, brief), b), secret.Unavailable)
		if vault.count(getVersions) < 2 {
			t.Error("it did not wait")
		}
	})
}

// TestOpenStates: the vault shows what was enabled some time later, or never;
// it may be busy, forbid it, or lose the secret. Whatever comes, what was
// enabled is disabled again.
func TestOpenStates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			change = "PATCH /secrets/s/0123"
			show   = "GET /secrets/s/0123"
			value  = `{"value":"x",` + facts
		)
		off := strings.Replace(listed1, `"enabled":true`, `"enabled":false`, 1)
		disabled := reply(403, `{"error":{"code":"Forbidden","message":"vendor text","innererror":{"code":"SecretDisabled"}}}`)
		forbidden := reply(403, `{"error":{"code":"Forbidden"}}`)
		const long, short = time.Minute, brief
		var gone context.CancelFunc
		leave := func(w http.ResponseWriter, r *http.Request) { gone(); disabled(w, r) }
		for what, c := range map[string]struct {
			patience time.Duration
			changes  []http.HandlerFunc
			shown    []http.HandlerFunc
			want     secret.Kind // zero: none
			writes   int
		}{
			"later":      {long, []http.HandlerFunc{reply(200, live)}, []http.HandlerFunc{disabled, disabled, disabled, reply(200, value)}, 0, 2},
			"never":      {short, []http.HandlerFunc{reply(200, live)}, []http.HandlerFunc{disabled}, secret.Unavailable, 2},
			"busy":       {long, []http.HandlerFunc{conflict("ObjectIsBeingRecovered"), reply(200, live)}, []http.HandlerFunc{disabled, reply(200, value)}, 0, 3},
			"not let":    {long, []http.HandlerFunc{forbidden}, []http.HandlerFunc{disabled}, secret.Upstream, 1},
			"unknown":    {long, []http.HandlerFunc{reply(500, ""), reply(200, live)}, []http.HandlerFunc{disabled}, secret.Unavailable, 2},
			"throttled":  {long, []http.HandlerFunc{reply(200, live), reply(429, ""), reply(500, ""), reply(200, live)}, []http.HandlerFunc{disabled, reply(200, value)}, 0, 4},
			"stays open": {long, []http.HandlerFunc{reply(200, live), forbidden}, []http.HandlerFunc{disabled, reply(200, value)}, secret.Unavailable, 2},
			"left":       {long, []http.HandlerFunc{reply(200, live)}, []http.HandlerFunc{disabled, leave}, secret.Unavailable, 2},
		} {
			b, vault := script(t, map[string][]http.HandlerFunc{getVersions: {reply(200, off)}, change: c.changes, show: c.shown})
			ctx, cancel := context.WithTimeout(t.Context(), c.patience)
			defer cancel()
			gone = cancel
			s, opened, err := b.ExportHidden(ctx, "s", secret.Unreadable)
			if c.want != 0 {
				wantKind(t, what, err, c.want)
				checkText(t, err)
			} else if err != nil || string(s.Versions[0].Value.Reveal()) != "x" || !s.Versions[0].Disabled {
				t.Errorf("%s: %v", what, err)
			}
			if n := vault.count(change); n != c.writes || (len(opened) == 1) != (c.want != secret.Upstream) {
				t.Errorf("%s: %d changes, want %d; opened %d", what, n, c.writes, opened)
			}
		}
	})
}
