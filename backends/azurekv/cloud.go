package azurekv

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// clouds are the words of the key cloud. The suffix is that of the hosts of a
// cloud's vaults.
var clouds = map[string]struct {
	suffix    string
	authority string
}{
	"public":     {".vault.azure.net", cloud.AzurePublic.ActiveDirectoryAuthorityHost},
	"china":      {".vault.azure.cn", cloud.AzureChina.ActiveDirectoryAuthorityHost},
	"government": {".vault.usgovcloudapi.net", cloud.AzureGovernment.ActiveDirectoryAuthorityHost},
}

// hostCloud is the cloud that a vault's host tells, or empty.
func (c *Config) hostCloud() string {
	u, err := url.Parse(c.VaultURL)
	if err != nil {
		return ""
	}
	for name, k := range clouds {
		if strings.HasSuffix(strings.ToLower(u.Hostname()), k.suffix) {
			return name
		}
	}
	return ""
}

// cloudOf is the cloud whose authority the credential asks. Empty: the kinds
// default and environment go by AZURE_AUTHORITY_HOST, if that is set, and all
// others take the public one.
func (c *Config) cloudOf() string {
	host := c.hostCloud()
	switch {
	case c.Cloud != "":
		return c.Cloud
	case host == "public" && c.readsEnvironment():
		return ""
	}
	return host
}

func (c *Config) readsEnvironment() bool {
	return c.Credential.Kind == "default" || c.Credential.Kind == "environment"
}

// asksAuthority tells the kinds whose authority is ours to choose from the others.
func (c *Config) asksAuthority() bool {
	return slices.Contains(needs[c.Credential.Kind].may, "authority")
}

// authority is the configuration of the vendor's library. known: whom to ask
// is settled here, and the public cloud is not to be asked about it.
func (c *Config) authority() (conf cloud.Configuration, known bool) {
	at := c.cloudOf()
	switch {
	case c.Credential.Authority != "":
		return cloud.Configuration{ActiveDirectoryAuthorityHost: c.Credential.Authority}, true
	case at != "":
		return cloud.Configuration{ActiveDirectoryAuthorityHost: clouds[at].authority}, at != "public"
	case c.readsEnvironment():
		return cloud.Configuration{}, false
	}
	return cloud.AzurePublic, false
}

func (c *Config) validateCloud() error {
	host := c.hostCloud()
	_, known := clouds[c.Cloud]
	switch {
	case c.Cloud == "":
		return nil
	case !known:
		return fmt.Errorf("cloud: %q is not known; use one of %s", c.Cloud, strings.Join(slices.Sorted(maps.Keys(clouds)), ", "))
	case host != "" && host != c.Cloud:
		return fmt.Errorf("cloud: vault_url is a vault of the cloud %s", host)
	case c.Credential.Authority != "":
		return errors.New("cloud: does nothing beside credential.authority")
	case !c.asksAuthority():
		return fmt.Errorf("cloud: does nothing with a credential of kind %s", c.Credential.Kind)
	}
	return nil
}
