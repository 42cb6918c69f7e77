// Package azurekeyvault stands in for the seal of that name, which cannot be configured.
package azurekeyvault

import (
	"context"
	"errors"

	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
)

const (
	EnvAzureKeyVaultWrapperVaultName = "AZUREKEYVAULT_WRAPPER_VAULT_NAME"
	EnvVaultAzureKeyVaultVaultName   = "VAULT_AZUREKEYVAULT_VAULT_NAME"
	EnvAzureKeyVaultWrapperKeyName   = "AZUREKEYVAULT_WRAPPER_KEY_NAME"
	EnvVaultAzureKeyVaultKeyName     = "VAULT_AZUREKEYVAULT_KEY_NAME"
)

// Wrapper is none: it refuses its configuration.
type Wrapper struct{ wrapping.Wrapper }

func NewWrapper() *Wrapper { return new(Wrapper) }

func (*Wrapper) SetConfig(context.Context, ...wrapping.Option) (*wrapping.WrapperConfig, error) {
	return nil, errors.New("azurekeyvault: left out of this server")
}

// WithDisallowEnvVars is an option that nothing reads.
func WithDisallowEnvVars(bool) wrapping.Option { return func() any { return nil } }
