package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// The two names are of one length, so that only they differ.
const (
	nativeName = ")AzureKeyVaultSecretBackupV1.microsoft.com"
	ourName    = ")VaultferrySecretBackupV1.vaultferry.local"
)

// keyVaultLike stands for a vault whose backups only it can open: one of our
// own gateways, whose blobs go by Key Vault's name outside of it.
func keyVaultLike(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/secrets/restore":
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(renameBlob(body, nativeName, ourName)))
		case strings.HasSuffix(r.URL.Path, "/backup"):
			kept := httptest.NewRecorder()
			next.ServeHTTP(kept, r)
			for k, v := range kept.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(kept.Code)
			_, _ = w.Write(renameBlob(kept.Body.Bytes(), ourName, nativeName))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// renameBlob leaves a body alone that holds no blob of the name.
func renameBlob(body []byte, from, to string) []byte {
	var b struct {
		Value string `json:"value"`
	}
	_ = json.Unmarshal(body, &b)
	blob, _ := base64.RawURLEncoding.DecodeString(b.Value)
	rest, ok := bytes.CutPrefix(blob, []byte(from))
	if !ok {
		return body
	}
	return []byte(`{"value":"` + base64.RawURLEncoding.EncodeToString(append([]byte(to), rest...)) + `"}`)
}

// nativeWorld has two vaults of one cloud behind the gateway's stores "native"
// and "second", and a store "other" that is none.
type nativeWorld struct {
	*gatewaytest.Gateway
	stores []gateway.Store
}

func newNativeWorld(t *testing.T) *nativeWorld {
	t.Helper()
	keys := gatewaytest.NewKeyring(t) // of the cloud, in which every vault can open
	vault := func(store, form string) gateway.Store {
		cloud := gatewaytest.New(t, gatewaytest.Options{
			Keyring: keys, Wrap: keyVaultLike,
			Stores: []gateway.Store{{Name: "cloud", Kind: "memory", Backend: memory.New(memory.Options{})}},
		})
		c := overCloud(t, cloud)
		c.BackupForm = form
		return gateway.Store{Name: store, Kind: "azurekv", Backend: open(t, azurekv.Driver, store, c)}
	}
	w := &nativeWorld{stores: []gateway.Store{
		vault("native", "native"), vault("second", "portable"),
		{Name: "other", Kind: "memory", Backend: memory.New(memory.Options{})},
	}}
	w.Gateway = w.gateway(t, access.Rule{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}, From: []string{"*"}})
	return w
}

// gateway is one over the stores of the world with a policy of its own.
func (w *nativeWorld) gateway(t *testing.T, rules ...access.Rule) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.New(t, gatewaytest.Options{
		Stores: w.stores, Policy: rules,
		Azure: []azure.Route{{Host: "blue.vault.localhost", Store: "native", Prefix: "blue/"}},
	})
}

func (w *nativeWorld) azure(t *testing.T, store string) *azsecrets.Client {
	t.Helper()
	return (&keyVaultSuite{gateway: w.Gateway}).client(t, store)
}

func (w *nativeWorld) huawei(t *testing.T, store string) csmsClient {
	t.Helper()
	return (&csmsSuite{gateway: w.Gateway}).client(t, store)
}

// seed writes three versions, the middle one disabled, and takes the vault's
// own backup of them.
func (w *nativeWorld) seed(t *testing.T) []byte {
	t.Helper()
	c := w.azure(t, "native")
	for i, v := range []string{"one", "two", "three"} {
		setNative(t, c, "s", v, i != 1)
	}
	return got(c.BackupSecret(t.Context(), "s", nil))(t).Value
}

func setNative(t *testing.T, c *azsecrets.Client, name, value string, enabled bool) {
	t.Helper()
	_, err := c.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{
		Value: &value, SecretAttributes: &azsecrets.SecretAttributes{Enabled: &enabled},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// TestNativeBlob: the vault's own backup comes out as it is, with what no
// reader could bring out, and another vault of the cloud takes it.
func TestNativeBlob(t *testing.T) {
	t.Parallel()
	w := newNativeWorld(t)
	blob := w.seed(t)
	if !bytes.HasPrefix(blob, []byte(nativeName)) {
		t.Fatalf("the backup begins with %.44q", blob)
	}
	second := w.azure(t, "second")
	made := got(second.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil))(t)
	if made.ID.Name() != "s" || made.Value != nil {
		t.Errorf("restored: %v", made.ID)
	}
	if v := got(second.GetSecret(t.Context(), "s", "", nil))(t); *v.Value != "three" || *v.ID != *made.ID {
		t.Error("the current version is another one")
	}
	s := got(w.Service.Describe(t.Context(), owner, gateway.Ref{Store: "second", Name: "s"}))(t)
	if len(s.Versions) != 3 || !s.Versions[1].Disabled || s.Versions[0].Disabled || s.Current != 3 {
		t.Errorf("%d versions stand, current is %d", len(s.Versions), s.Current)
	}
	lines := w.lines(t)
	for _, want := range []string{
		"outcome azure.BackupSecret native/s native ok",
		"intent azure.RestoreSecret second/- native ",
		"outcome azure.RestoreSecret second/s native ok",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("the audit lacks %q", want)
		}
	}
}

// lines are those of the audit in short.
func (w *nativeWorld) lines(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, e := range w.Audit.Entries(t) {
		if e.Phase == audit.Intent {
			e.Result = ""
		}
		name := e.Name
		if name == "" {
			name = "-"
		}
		all = append(all, e.Phase+" "+e.Op+" "+e.Store+"/"+name+" "+e.Form+" "+e.Result)
	}
	return all
}

// TestNativeBlobTaken: a native restore changes nothing that stands, is told of
// the secret in the way, and waits for nothing but a purge.
func TestNativeBlobTaken(t *testing.T) {
	t.Parallel()
	w := newNativeWorld(t)
	c, blob := w.azure(t, "native"), w.seed(t)
	restore := func() error {
		_, err := c.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
		return err
	}
	wantCode(t, "over a live secret", restore(), 409, "Conflict")
	if err := restore(); !strings.Contains(err.Error(), "/secrets/s'") {
		t.Error("the conflict does not name the secret")
	}
	if _, err := c.DeleteSecret(t.Context(), "s", nil); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "over a deleted secret", restore(), 409, "Conflict")
	if _, err := c.PurgeDeletedSecret(t.Context(), "s", nil); err != nil {
		t.Fatal(err)
	}
	if err := restore(); err != nil {
		t.Errorf("after a purge: %v", err)
	}
	if v := got(c.GetSecret(t.Context(), "s", "", nil))(t); *v.Value != "three" {
		t.Error("the current version is another one")
	}
	blob = append(slices.Clone(blob[:len(blob)-9]), "AAAAAAAAA"...)
	err := restore()
	wantCode(t, "a damaged backup", err, 400, "Malformed backup blob")
	if !strings.Contains(err.Error(), "Key Vault refuses this backup") {
		t.Errorf("the vault's refusal is told as %v", err)
	}
}

// TestNativeBlobElsewhere: a store that is no vault says what the blob is, in
// both dialects; so does the dialect that could not have asked for it.
func TestNativeBlobElsewhere(t *testing.T) {
	t.Parallel()
	w := newNativeWorld(t)
	blob := w.seed(t)
	const said = "made by Azure Key Vault, which alone can"
	_, err := w.azure(t, "other").RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
	wantCode(t, "azure, into memory", err, 400, "Malformed backup blob")
	if !strings.Contains(err.Error(), said) {
		t.Errorf("azure: %v", err)
	}
	for _, store := range []string{"other", "second"} {
		for _, form := range []string{string(blob), base64.RawURLEncoding.EncodeToString(blob)} {
			_, err := w.huawei(t, store).UploadSecretBlob(&model.UploadSecretBlobRequest{Body: &model.UploadSecretBlobRequestBody{SecretBlob: form}})
			if refused(t, "huawei, into "+store, err, 400, "CSMS.0002"); err != nil && !strings.Contains(err.Error(), said) {
				t.Errorf("huawei, into %s: %v", store, err)
			}
		}
	}
}

// TestNativeBlobDoors: who could not give a native backup back gets a portable
// one, and a folder takes none.
func TestNativeBlobDoors(t *testing.T) {
	t.Parallel()
	w := newNativeWorld(t)
	blob := w.seed(t)
	w.huawei(t, "native").create("h", "x")
	down := got(w.huawei(t, "native").DownloadSecretBlob(&model.DownloadSecretBlobRequest{SecretName: "h"}))(t)
	if !strings.HasPrefix(*down.SecretBlob, ourName) {
		t.Errorf("huawei: the backup begins with %.44q", *down.SecretBlob)
	}
	if _, err := w.huawei(t, "other").UploadSecretBlob(&model.UploadSecretBlobRequest{Body: &model.UploadSecretBlobRequestBody{SecretBlob: *down.SecretBlob}}); err != nil {
		t.Error(err)
	}
	team := w.azure(t, "blue")
	setNative(t, team, "mine", "x", true)
	mine := got(team.BackupSecret(t.Context(), "mine", nil))(t).Value
	if h, err := backup.Inspect(mine); err != nil || h.Format != backup.FormatVaultferry {
		t.Errorf("a folder's backup is %q: %v", h.Format, err)
	}
	_, err := team.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
	wantCode(t, "into a folder", err, 400, "NotSupported")
	if !strings.Contains(err.Error(), "no folder to put it into") {
		t.Errorf("into a folder: %v", err)
	}
}

// TestNativeBlobPolicy: nobody knows the name in the blob nor where it is from,
// so a rule for some of either is not enough.
func TestNativeBlobPolicy(t *testing.T) {
	t.Parallel()
	w := newNativeWorld(t)
	blob := w.seed(t)
	everything := []string{"*"}
	for what, c := range map[string]struct {
		names, from []string
		allowed     bool
	}{
		"names by pattern":         {[]string{"s*"}, everything, false},
		"every name, own stores":   {everything, nil, false},
		"every name, named stores": {everything, []string{"native", "second"}, false},
		"everything":               {[]string{"x", "*"}, []string{"native", "*"}, true},
	} {
		g := w.gateway(t, access.Rule{Callers: everything, Allow: []string{"restore"}, Stores: []string{"second"}, Names: c.names, From: c.from})
		_, err := (&keyVaultSuite{gateway: g}).client(t, "second").RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
		if c.allowed {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		wantCode(t, what, err, 403, "Forbidden")
	}
	all := got(w.Service.List(t.Context(), owner, "second", secret.Query{}))(t)
	if len(all.Secrets) != 1 {
		t.Errorf("%d secrets stand", len(all.Secrets))
	}
}

// TestNativeBlobOptions: there is nothing to choose about what nobody can read.
func TestNativeBlobOptions(t *testing.T) {
	t.Parallel()
	w := newNativeWorld(t)
	blob := w.seed(t)
	call := owner
	call.NativeBlobs = true
	for what, o := range map[string]gateway.RestoreOptions{
		"as": {As: "t"}, "skip": {OnConflict: gateway.ConflictSkip}, "append": {OnConflict: gateway.ConflictAppend},
		"dry run": {DryRun: true}, "checked": {CheckName: func(secret.Name) error { return nil }},
	} {
		if _, err := w.Service.Restore(t.Context(), call, "second", blob, o); secret.KindOf(err) != secret.Unsupported {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := w.Service.Describe(t.Context(), owner, gateway.Ref{Store: "second", Name: "s"}); secret.KindOf(err) != secret.NotFound {
		t.Errorf("something was restored: %v", err)
	}
}
