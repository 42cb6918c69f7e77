package e2e

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// TestKeyVaultReadsWhatWeWrote: azsecrets, with nothing of ours between, finds
// every version that the store imported, with its value and attributes, and
// beside them one tag of the gateway's.
func TestKeyVaultReadsWhatWeWrote(t *testing.T) {
	t.Parallel()
	var ticks atomic.Int64 // each version has a second of its own: that is all that tells their order
	start := time.Now().Add(-time.Hour)
	cloud := newCloudAt(t, func() time.Time { return start.Add(time.Duration(ticks.Add(1)) * time.Second) })
	ours := open(t, azurekv.Driver, "ours", overCloud(t, cloud))
	alone, ok := newAzure(t, cloud, "cloud").(azureClient)
	if !ok {
		t.Fatal("no client of Azure")
	}
	s := backendtest.Sample("s")
	if _, err := ours.Import(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	s = loss.Apply(s, ours.Forecast(s))
	var want []*secret.Version // the current one is written last
	for i := range s.Versions {
		if v := &s.Versions[i]; v.Ordinal != s.Current {
			want = append(want, v)
		}
	}
	want = append(want, s.Find(secret.ByOrdinal(s.Current)))
	have := listedNatively(t, alone.c, "s")
	if len(have) != len(want) {
		t.Fatalf("%d versions, want %d", len(have), len(want))
	}
	for i, v := range want {
		readNatively(t, alone.c, have[i], v)
	}
	newest := got(alone.c.GetSecret(t.Context(), "s", "", nil))(t)
	if newest.ID.Version() != have[len(have)-1].ID.Version() {
		t.Error("what is read without a version is not the current one")
	}
}

// listedNatively is every version, oldest first.
func listedNatively(t *testing.T, c *azsecrets.Client, name string) []*azsecrets.SecretProperties {
	t.Helper()
	var out []*azsecrets.SecretProperties
	for pager := c.NewListSecretPropertiesVersionsPager(name, nil); pager.More(); {
		out = append(out, got(pager.NextPage(t.Context()))(t).Value...)
	}
	slices.SortFunc(out, func(a, b *azsecrets.SecretProperties) int { return a.Attributes.Created.Compare(*b.Attributes.Created) })
	return out
}

// readNatively holds one version against what it was written from.
func readNatively(t *testing.T, c *azsecrets.Client, p *azsecrets.SecretProperties, v *secret.Version) {
	t.Helper()
	if *p.Attributes.Enabled == v.Disabled || !sameSecond(p.Attributes.Expires, v.Expires) || !sameSecond(p.Attributes.NotBefore, v.NotBefore) {
		t.Errorf("version %d: enabled, nbf or exp is another", v.Ordinal)
	}
	if p.ContentType == nil && v.ContentType != "" || p.ContentType != nil && v.ContentType != "" && *p.ContentType != v.ContentType {
		t.Errorf("version %d: the content type is another", v.Ordinal)
	}
	tags := map[string]string{}
	for k, tag := range p.Tags {
		if k != "vaultferry" {
			tags[k] = *tag
		}
	}
	if !maps.Equal(tags, v.Tags) || len(p.Tags) != len(tags)+1 {
		t.Errorf("version %d: the tags are others", v.Ordinal)
	}
	r, err := c.GetSecret(t.Context(), "s", p.ID.Version(), nil)
	var refused *azcore.ResponseError
	if v.Disabled {
		if !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden {
			t.Errorf("version %d is disabled, and the answer is %v", v.Ordinal, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	text := string(v.Value.Reveal())
	if v.Value.Form() == secret.Binary {
		text = base64.StdEncoding.EncodeToString(v.Value.Reveal())
	}
	if *r.Value != text {
		t.Errorf("version %d: the value is another, of %d bytes", v.Ordinal, len(*r.Value))
	}
	if strings.Contains(*r.Value, "vaultferry.") {
		t.Errorf("version %d: something of the gateway's is in the value", v.Ordinal)
	}
}

func sameSecond(have *time.Time, want time.Time) bool {
	if have == nil || want.IsZero() {
		return have == nil && want.IsZero()
	}
	return have.Unix() == want.Unix()
}
