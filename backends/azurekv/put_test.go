package azurekv

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

func tags(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint("k", i)] = "v"
	}
	return m
}

// TestFifteenTags: a draft that fills every tag is written without ours, reads
// the same wherever it is read, and leaves the history before it alone.
func TestFifteenTags(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	ctx := t.Context()
	first, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("1"), Tags: tags(14), OfSecret: &secret.Attributes{Description: "kept"}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("2"), Tags: tags(15)})
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Export(ctx, "s")
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Versions) != 2 || e.Current != 2 || e.Previous != 1 || e.Description != "kept" || len(e.Versions[1].Tags) != 15 {
		t.Errorf("%d versions, current %d, previous %d, %d tags", len(e.Versions), e.Current, e.Previous, len(e.Versions[1].Tags))
	}
	backendtest.Compare(t, e.Only(2), second, nil)
	if v := first.Versions[0]; e.Versions[0].UID != v.UID || e.Versions[0].Ordinal != 1 {
		t.Error("the first version is another")
	}
	got, err := b.Get(ctx, "s", secret.Current)
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, e.Only(2), got, nil)
	for what, d := range map[string]secret.Draft{
		"binary":    {Value: secret.BinaryValue([]byte{1})},
		"stages":    {Value: secret.TextValue("x"), Stages: []string{"a"}},
		"identity":  {Value: secret.TextValue("x"), UID: secret.NewUID()},
		"members":   {Value: secret.TextValue("x"), MergeExtra: secret.Extra{}.WithText("test.a", "b")},
		"fractions": {Value: secret.TextValue("x"), Expires: time.Now().Add(time.Hour).Truncate(time.Second).Add(1)},
	} {
		d.Tags = tags(15)
		_, err := b.Put(ctx, "t", d)
		wantKind(t, "15 tags and "+what, err, secret.Invalid)
	}
	if _, err := b.Describe(ctx, "t"); secret.KindOf(err) != secret.NotFound {
		t.Errorf("a refused draft left something: %v", err)
	}
}

// TestPutRefuses what the product would not hold, before it is asked.
func TestPutRefuses(t *testing.T) {
	t.Parallel()
	b := stub(t, "v.vault.example", "https://vault.example", reply(200, `{"value":[],"nextLink":null}`))
	x := secret.TextValue("x")
	long := strings.Repeat("x", 257)
	for what, c := range map[string]struct {
		d    secret.Draft
		kind secret.Kind
	}{
		"16 tags":            {secret.Draft{Value: x, Tags: tags(16)}, secret.Invalid},
		"our tag":            {secret.Draft{Value: x, Tags: map[string]string{"VaultFerry": ""}}, secret.Invalid},
		"a long tag":         {secret.Draft{Value: x, Tags: map[string]string{"k": strings.Repeat(long, 2)[:513]}}, secret.Invalid},
		"a tag without name": {secret.Draft{Value: x, Tags: map[string]string{"": "v"}}, secret.Invalid},
		"a long type":        {secret.Draft{Value: x, ContentType: long}, secret.Invalid},
		"a long description": {secret.Draft{Value: x, OfSecret: &secret.Attributes{Description: long}}, secret.Invalid},
		"many stages":        {secret.Draft{Value: x, Stages: []string{long}}, secret.Invalid},
		"a far year":         {secret.Draft{Value: x, Created: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}, secret.Invalid},
		"a long text":        {secret.Draft{Value: secret.TextValue(strings.Repeat("x", maxValue+1))}, secret.TooLarge},
		"long bytes":         {secret.Draft{Value: secret.BinaryValue(make([]byte, 19201))}, secret.TooLarge},
		"no value":           {secret.Draft{Missing: secret.Destroyed}, secret.Unsupported},
	} {
		_, err := b.Put(t.Context(), "s", c.d)
		wantKind(t, what, err, c.kind)
	}
}

// TestNative: what native tools write reads well, is told apart, and goes on
// through the gateway; what the gateway writes reads well for them.
func TestNative(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // of the product's clock
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	b := open(t, gatewaytest.New(t, gatewaytest.Options{Now: now}))
	ctx := t.Context()
	for _, v := range []string{"one", `{"looks":"like fields"}`} {
		_, err := b.client.sdk.SetSecret(ctx, "Db-Pass", azsecrets.SetSecretParameters{Value: &v, Tags: map[string]*string{"k": new("v")}}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Export(ctx, "db-pass")
	if err != nil {
		t.Fatal(err)
	}
	if s.Extra.Text(extraName) != "Db-Pass" || len(s.Versions) != 2 || s.Current == 0 {
		t.Fatalf("spelling %q, %d versions, current %d", s.Extra.Text(extraName), len(s.Versions), s.Current)
	}
	if v := s.Find(secret.Current); v.Value.Form() != secret.Text || v.Tags["k"] != "v" || len(v.Tags) != 1 {
		t.Error("the native value or its tags are not as they were written")
	}
	page, err := b.List(ctx, secret.Query{})
	if err != nil || len(page.Secrets) != 1 {
		t.Fatalf("%d secrets: %v", len(page.Secrets), err)
	}
	backendtest.Compare(t, s.WithoutValues().Only(s.Current), page.Secrets[0], nil)
	raw := []byte{0xff, 0}
	put, err := b.Put(ctx, "db-pass", secret.Draft{Value: secret.BinaryValue(bytes.Clone(raw))})
	if err != nil {
		t.Fatal(err)
	}
	if put.Current != 3 || put.Previous != s.Current || put.Extra.Text(extraName) != "Db-Pass" {
		t.Errorf("after a Put: current %d, previous %d, want 3 and %d", put.Current, put.Previous, s.Current)
	}
	seen, err := b.client.sdk.GetSecret(ctx, "DB-PASS", "", nil)
	if err != nil || *seen.Value != "/wA=" || *seen.ContentType != "application/octet-stream;base64" {
		t.Errorf("native tools do not see base64: %v", err)
	}
	ahead.Store(int64(2 * skew))
	v := "three"
	if _, err := b.client.sdk.SetSecret(ctx, "db-pass", azsecrets.SetSecretParameters{Value: &v, Tags: seen.Tags}, nil); err != nil {
		t.Fatal(err) // a tool that copies the tags of the version before
	}
	s, err = b.Export(ctx, "db-pass")
	if err != nil {
		t.Fatal(err)
	}
	last := s.Find(secret.ByOrdinal(4))
	if last == nil || string(last.Value.Reveal()) != v || last.UID == put.Versions[0].UID {
		t.Fatal("a version with copied tags is not one of its own")
	}
	got, err := b.Get(ctx, "db-pass", secret.Current)
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, s.Only(4), got, nil)
}

// TestSpelling: a new secret gets the spelling that it had elsewhere.
func TestSpelling(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	for _, c := range []struct {
		name     secret.Name
		spelling string
		want     string
	}{{"db-pass", "DB-Pass", "DB-Pass"}, {"api-key", "Other", "api-key"}, {"plain", "", "plain"}} {
		d := secret.Draft{Value: secret.TextValue("x")}
		if c.spelling != "" {
			d.NewExtra = secret.Extra{}.WithText(extraName, c.spelling)
		}
		if _, err := b.Put(t.Context(), c.name, d); err != nil {
			t.Fatal(err)
		}
		r, err := b.client.sdk.GetSecret(t.Context(), string(c.name), "", nil)
		if err != nil || r.ID.Name() != c.want {
			t.Errorf("%q is spelled %q: %v", c.name, r.ID.Name(), err)
		}
	}
	_, err := b.Put(t.Context(), "db-pass", secret.Draft{Value: secret.TextValue("x"), MergeExtra: secret.Extra{}.WithText(extraName, "db-PASS")})
	wantKind(t, "another spelling", err, secret.Invalid)
}

// TestCalls counts what the package promises about cost.
func TestCalls(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, n := backends.WithCallCount(t.Context())
	for _, c := range []struct {
		what string
		want int64
		do   func() error
	}{
		{"Put of a new secret", 2, func() error { _, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("1")}); return err }},
		{"Put of another version", 2, func() error { _, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("2")}); return err }},
		{"Get of current", 1, func() error { _, err := b.Get(ctx, "s", secret.Current); return err }},
		{"Get by ordinal", 2, func() error { _, err := b.Get(ctx, "s", secret.ByOrdinal(1)); return err }},
		{"Describe", 1, func() error { _, err := b.Describe(ctx, "s"); return err }},
		{"List", 1, func() error { _, err := b.List(ctx, secret.Query{}); return err }},
		{"Export", 3, func() error { _, err := b.Export(ctx, "s"); return err }},
	} {
		before := n()
		if err := c.do(); err != nil || n()-before != c.want {
			t.Errorf("%s: %d calls, want %d: %v", c.what, n()-before, c.want, err)
		}
	}
}
