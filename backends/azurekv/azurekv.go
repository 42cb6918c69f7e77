// Package azurekv keeps secrets in Azure Key Vault, or in a private endpoint
// that speaks the same API, through the vendor's client.
//
// What the product holds natively stays native: values, content types, tags,
// enabled, expiry. The rest of the model stands in one tag of each version:
// see tagSidecar. Versions that native tools wrote read well without it: type
// stored says how their order and identity are found.
//
// The product has no conditional write. Within one gateway, writes to one name
// wait for each other; two gateways that write one name at the same moment may
// both think that they came first. Then both versions stand, and the one that
// lost gets another ordinal.
//
// The product's current version is its newest. Whom the gateway made current
// instead stands in that one's tag, which native tools do not read: they see
// the newest, and what they add becomes current again. So an import writes the
// current version last.
//
// Costs in calls: Get of current is one where that is the newest version, else
// three; any other read lists the versions (25 a page) and then reads the
// values, 32 at a time; Put lists and writes, and so do Update and Delete.
//
// The vault deletes, recovers and purges in its own time, and keeps what is
// deleted for its own retention. Calls wait for it for three quarters of the
// time that their callers have.
//
// Its own backups pass through as they are: see BackupNative. A disabled version
// has no value that anybody can read, unless the configuration lets the gateway
// enable it for a moment: see ExportHidden.
package azurekv

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// Backend is a backends.Backend. Its zero value is not usable: see New.
type Backend struct {
	client        client
	origin        origin
	now           func() time.Time
	log           *slog.Logger
	transport     *http.Transport
	locks         kit.KeyedLock
	listing       kit.ListingCache[item] // of live secrets
	trash         kit.ListingCache[item] // of deleted ones
	room          *tagRoom
	ends          *ends
	nativeBackups bool
	readsDisabled bool
}

var _ backends.Backend = (*Backend)(nil)

// New returns the backend of a valid configuration. It contacts nothing.
func New(env backends.Env, c *Config) (*Backend, error) {
	u, err := url.Parse(c.VaultURL)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	cred, err := newCredential(c, plainClient(transport))
	if err != nil {
		return nil, err
	}
	var vault http.RoundTripper = transport
	if c.wrap != nil {
		vault = c.wrap(vault)
	}
	room, known := new(tagRoom), endsOf(&c.Credential)
	sdk, err := azsecrets.NewClient("https://"+u.Host, marked{cred, known}, &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: plainClient(newVaultOnly(u, vault, room)),
			Retry:     policy.RetryOptions{MaxRetries: -1}, // the gateway retries
			Telemetry: policy.TelemetryOptions{Disabled: true},

			PerCallPolicies: []policy.Policy{patient{}},
		},
		DisableChallengeResourceVerification: c.DisableChallengeVerification,
	})
	if err != nil {
		return nil, err
	}
	b := &Backend{
		client: client{sdk}, origin: origin{env.Store, strings.ToLower(u.Host)}, now: env.Now, log: env.Log,
		transport: transport, nativeBackups: c.BackupForm == formNative, readsDisabled: c.ReadDisabled, room: room, ends: known,
	}
	if b.now == nil {
		b.now = time.Now
	}
	return b, nil
}

// Capabilities implements backends.Backend.
func (b *Backend) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product:            "Azure Key Vault",
		MaxValue:           maxValue,
		FoldsCase:          Driver.FoldsCase,
		Durable:            true,
		TrashHidesVersions: true,
		HidesDisabled:      true,
	}
}

// Check implements backends.Backend: it lists one page of names.
func (b *Backend) Check(ctx context.Context) error {
	_, err := b.client.secrets(ctx, true)
	return err
}

// Close implements backends.Backend.
func (b *Backend) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}
