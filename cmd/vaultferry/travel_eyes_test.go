package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/hashicorp/vault/api"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	hwconfig "github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"
	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/migrate"
)

// eyes are what a vendor's own client sees of a store, by the model's names.
type eyes map[string]nativeSecret

type nativeSecret struct {
	numbered int             // versions, also those without a value
	versions []nativeVersion // with a value, the oldest first
	unseen   int             // disabled ones, whose value the product does not show
	// ordered is false where the times that the product shows do not order the
	// versions.
	ordered bool
	tags    map[string]string // nil: the product does not show them
	current string
}

type nativeVersion struct {
	value   string
	expires int64 // Unix seconds; -1: the product has no such thing
}

// differences are those that the plan did not foretell.
func (s nativeSecret) differences(o nativeSecret, e *migrate.Entry) []string {
	var out []string
	lost := map[string]int{}
	for _, l := range e.Losses {
		lost[l.What]++
	}
	if gone := s.numbered - o.numbered; gone != lost["version"] {
		out = append(out, fmt.Sprintf("%d versions are gone, and %d were foretold", gone, lost["version"]))
	}
	mine, theirs := valuesOf(s), valuesOf(o)
	if !s.ordered || !o.ordered {
		slices.Sort(mine)
		slices.Sort(theirs)
	}
	switch gone := len(mine) - len(theirs); {
	case o.unseen > 0 && gone <= o.unseen && within(theirs, mine): // as far as it can be seen
	case gone < 0:
		return append(out, "there are more values than before")
	case gone > lost["version"]+lost["value"]:
		out = append(out, fmt.Sprintf("%d values are gone", gone))
	case !slices.Equal(mine[gone:], theirs) && s.ordered && o.ordered, !within(theirs, mine):
		out = append(out, "values differ")
	}
	if s.current != o.current && lost["current"]+lost["version"]+lost["value"] == 0 {
		out = append(out, fmt.Sprintf("the current value was %q and is %q", s.current, o.current))
	}
	if s.tags != nil && o.tags != nil && !maps.Equal(s.tags, o.tags) && lost["tags"] == 0 {
		out = append(out, "tags differ")
	}
	for i := range o.versions {
		a, b := s.versions[len(s.versions)-len(o.versions)+i].expires, o.versions[i].expires
		if s.ordered && o.ordered && a >= 0 && b >= 0 && a != b && lost["expires"] == 0 {
			out = append(out, "an expiry differs")
		}
	}
	return out
}

func valuesOf(s nativeSecret) []string {
	var all []string
	for _, v := range s.versions {
		all = append(all, v.value)
	}
	return all
}

// within reports whether each of some is one of all, as often.
func within(some, all []string) bool {
	left := map[string]int{}
	for _, v := range all {
		left[v]++
	}
	for _, v := range some {
		if left[v]--; left[v] < 0 {
			return false
		}
	}
	return true
}

// asText makes one of the forms that products have for a value: fields are JSON
// text, whatever its spaces, and bytes are base64.
func asText(s string) string {
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if d.Decode(&fields) == nil {
		if b, err := json.Marshal(fields); err == nil {
			return string(b)
		}
	}
	return s
}

// vaultEyes is the view of Vault's client.
func vaultEyes(t *testing.T, c *api.Client) eyes {
	t.Helper()
	out := eyes{}
	for name, v := range viewOf(t, c) {
		s := nativeSecret{numbered: len(v.Versions), ordered: true}
		if len(v.Custom) > 0 {
			s.tags = v.Custom
		}
		for _, n := range slices.Sorted(maps.Keys(v.Versions)) {
			text, live := strings.CutPrefix(v.Versions[n], "value ")
			if !live {
				continue
			}
			var one map[string]any
			if json.Unmarshal([]byte(text), &one) == nil {
				if only, is := one["value"].(string); is && len(one) == 1 {
					text = only
				}
			}
			s.versions = append(s.versions, nativeVersion{asText(text), -1})
			s.current = asText(text)
		}
		out[name] = s
	}
	return out
}

// sdkTransport trusts the cloud's certificate.
func (w *killWorld) sdkTransport(t *testing.T) *http.Transport {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(w.dir, "cloud/ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: lookers}
}

// lookers is how many secrets a native client reads at once.
const lookers = 8

type fixedToken string

func (f fixedToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(f), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// azureEyes is the view of Azure's client of a vault of the cloud.
func (w *killWorld) azureEyes(t *testing.T, vault int) func(*testing.T, map[string]string) eyes {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(w.dir, "cloud/token"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := azsecrets.NewClient("https://"+cloudHosts[vault]+":"+w.port, fixedToken(token), &azsecrets.ClientOptions{
		ClientOptions:                        azcore.ClientOptions{Transport: &http.Client{Transport: w.sdkTransport(t)}},
		DisableChallengeResourceVerification: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, spelled map[string]string) eyes {
		t.Helper()
		names := map[string]bool{}
		for pager := c.NewListSecretPropertiesPager(nil); pager.More(); {
			page, err := pager.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Value {
				names[p.ID.Name()] = true
			}
		}
		return lookAt(t, names, spelled, func(name string) (nativeSecret, error) { return azureSecret(t.Context(), c, name) })
	}
}

func azureSecret(ctx context.Context, c *azsecrets.Client, name string) (nativeSecret, error) {
	s := nativeSecret{ordered: true}
	var all []*azsecrets.SecretProperties
	for pager := c.NewListSecretPropertiesVersionsPager(name, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return s, err
		}
		all = append(all, page.Value...)
	}
	slices.SortStableFunc(all, func(a, b *azsecrets.SecretProperties) int { return a.Attributes.Created.Compare(*b.Attributes.Created) })
	s.numbered = len(all)
	for i, p := range all {
		if i > 0 && p.Attributes.Created.Equal(*all[i-1].Attributes.Created) {
			s.ordered = false
		}
		if !*p.Attributes.Enabled {
			s.unseen++
			continue
		}
		got, err := c.GetSecret(ctx, name, p.ID.Version(), nil)
		if err != nil {
			return s, err
		}
		v := nativeVersion{value: asText(*got.Value)}
		if e := got.Attributes.Expires; e != nil {
			v.expires = e.Unix()
		}
		s.versions = append(s.versions, v)
	}
	got, err := c.GetSecret(ctx, name, "", nil)
	var refused *azcore.ResponseError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusForbidden {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.current, s.tags = asText(*got.Value), map[string]string{}
	for k, v := range got.Tags {
		if !strings.HasPrefix(k, "vaultferry") {
			s.tags[k] = *v
		}
	}
	return s, nil
}

// csmsClient is Huawei's client of a project of the gateway at the port.
func (w *killWorld) csmsClient(t *testing.T, port string, project int) *csms.CsmsClient {
	t.Helper()
	sk, err := os.ReadFile(filepath.Join(w.dir, "cloud/admin.sk"))
	if err != nil {
		t.Fatal(err)
	}
	cred, err := basic.NewCredentialsBuilder().WithAk("AKCLOUD").WithSk(strings.TrimSpace(string(sk))).WithProjectId(cloudProjects[project]).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	hc, err := csms.CsmsClientBuilder().WithEndpoint("https://localhost:" + port).WithCredential(cred).
		WithHttpConfig(hwconfig.DefaultHttpConfig().WithHttpTransport(w.sdkTransport(t))).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	return csms.NewCsmsClient(hc)
}

// csmsEyes is its view.
func (w *killWorld) csmsEyes(t *testing.T, port string, project int) func(*testing.T, map[string]string) eyes {
	t.Helper()
	c := w.csmsClient(t, port, project)
	return func(t *testing.T, spelled map[string]string) eyes {
		t.Helper()
		names := map[string]bool{}
		for marker := (*string)(nil); ; {
			page, err := c.ListSecrets(&model.ListSecretsRequest{Limit: new("50"), Marker: marker})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range *page.Secrets {
				names[*s.Name] = true
			}
			if marker = page.PageInfo.NextMarker; marker == nil || *marker == "" {
				break
			}
		}
		return lookAt(t, names, spelled, func(name string) (nativeSecret, error) { return csmsSecret(c, name) })
	}
}

// boltEyes is the view of Huawei's client of the bolt store, which a gateway serves.
func (w *killWorld) boltEyes(t *testing.T, spelled map[string]string) eyes {
	t.Helper()
	config := `server: { address: 127.0.0.1:0, tls: { cert_file: cert.pem, key_file: key.pem } }
keyring: { file: ../keyring.json }
audit: { file: bolt.audit.jsonl }
control: { socket: sb }
stores: [ { name: bolt-b, backend: bolt, bolt: { path: ../b.db } } ]
dialects: { huawei: { routes: [ { project: %s, store: bolt-b } ] } }
callers: [ { name: looker, access_keys: [ { id: AKCLOUD, secret: { file: admin.sk } } ] } ]
policy: [ { callers: [looker], allow: [list, get], stores: ["*"], names: ["*"] } ]
`
	w.file(t, "cloud/bolt.yaml", fmt.Sprintf(config, cloudProjects[0]))
	_, port, _ := net.SplitHostPort(w.serve(t, "cloud/bolt.yaml"))
	return w.csmsEyes(t, port, 0)(t, spelled)
}

func csmsSecret(c *csms.CsmsClient, name string) (nativeSecret, error) {
	s := nativeSecret{ordered: true, tags: map[string]string{}}
	shown, err := c.ShowSecret(&model.ShowSecretRequest{SecretName: name})
	if err != nil {
		return s, err
	}
	tags, err := c.ListSecretTags(&model.ListSecretTagsRequest{SecretId: *shown.Secret.Id})
	if err != nil {
		return s, err
	}
	for _, tag := range *tags.Tags {
		s.tags[tag.Key] = *tag.Value
	}
	listed, err := c.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: name, Limit: new(int32(100))})
	if err != nil {
		return s, err
	}
	numbers := make([]int, 0, len(*listed.VersionMetadatas))
	for _, v := range *listed.VersionMetadatas {
		n, err := strconv.Atoi(strings.TrimPrefix(*v.Id, "v"))
		if err != nil {
			return s, err
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	s.numbered = len(numbers)
	for _, n := range numbers {
		got, err := c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: fmt.Sprint("v", n)})
		if err != nil {
			return s, err
		}
		v := nativeVersion{value: csmsValue(got.Version)}
		if at := got.Version.VersionMetadata.ExpireTime; at != nil {
			v.expires = *at / 1000
		}
		s.versions = append(s.versions, v)
		if slices.Contains(*got.Version.VersionMetadata.VersionStages, "SYSCURRENT") {
			s.current = v.value
		}
	}
	return s, nil
}

func csmsValue(v *model.Version) string {
	if v.SecretString != nil && *v.SecretString != "" {
		return asText(*v.SecretString)
	}
	if v.SecretBinary != nil {
		return *v.SecretBinary
	}
	return ""
}

// lookAt reads each name. A name that nobody spelled so stands under itself.
func lookAt(t *testing.T, names map[string]bool, spelled map[string]string, look func(name string) (nativeSecret, error)) eyes {
	t.Helper()
	plain := map[string]string{}
	for name, native := range spelled {
		plain[native] = name
	}
	out, mu := eyes{}, sync.Mutex{}
	g, _ := errgroup.WithContext(t.Context())
	g.SetLimit(lookers)
	for native := range names {
		g.Go(func() error {
			s, err := look(native)
			mu.Lock()
			defer mu.Unlock()
			out[cmp.Or(plain[native], native)] = s
			if err != nil {
				return fmt.Errorf("%s: %w", native, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return out
}
