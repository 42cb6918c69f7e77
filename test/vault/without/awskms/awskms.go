// Package awskms stands in for the seal of that name, which cannot be configured.
package awskms

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
)

const (
	EnvAwsKmsWrapperKeyId   = "AWSKMS_WRAPPER_KEY_ID"
	EnvVaultAwsKmsSealKeyId = "VAULT_AWSKMS_SEAL_KEY_ID"
)

// Wrapper is none: it refuses its configuration.
type Wrapper struct{ wrapping.Wrapper }

func NewWrapper() *Wrapper { return new(Wrapper) }

func (*Wrapper) SetConfig(context.Context, ...wrapping.Option) (*wrapping.WrapperConfig, error) {
	return nil, errors.New("awskms: left out of this server")
}

// WithDisallowEnvVars and WithLogger are options that nothing reads.
func WithDisallowEnvVars(bool) wrapping.Option { return func() any { return nil } }

func WithLogger(hclog.Logger) wrapping.Option { return func() any { return nil } }
