package huaweicsms

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Credential is how the gateway gets temporary access keys, which it renews. The
// kinds are those of the vendor's client: `metadata` is the agency of an ECS
// host, `pod_identity` what CCE gives a pod in its environment, `federation` an
// OIDC token that IAM exchanges.
type Credential struct {
	// Kind is one of the ways in the table below.
	Kind string `mapstructure:"kind" required:"true"`
	// IdPID is the name of the identity provider from which IAM knows the token.
	IdPID string `mapstructure:"idp_id" example:"my-idp"`
	// TokenFile is a file with an OIDC token, which is read at each renewal.
	TokenFile string `mapstructure:"token_file" path:"true" loaded:"false" example:"/var/run/secrets/tokens/oidc-token"`
	// IAMEndpoint is the URL of IAM in a region.
	IAMEndpoint string `mapstructure:"iam_endpoint" example:"https://iam.cn-north-4.myhuaweicloud.com"`
}

// The kinds.
const (
	kindMetadata    = "metadata"     // the agency of an ECS host
	kindPodIdentity = "pod_identity" // of a pod in CCE, by what CCE sets in its environment
	kindFederation  = "federation"   // an OIDC token, exchanged at IAM
)

// needs lists the keys that each kind wants. It may have no other.
var needs = map[string][]string{
	kindMetadata:    nil,
	kindPodIdentity: nil,
	kindFederation:  {"idp_id", "token_file", "iam_endpoint"},
}

// Needs lists, for each word of kind, the keys that it needs and those that it
// may have. It has no others.
func (*Credential) Needs() (must, may map[string][]string) { return needs, nil }

// keys are all keys of the section but kind, and whether they are set.
func (c *Credential) keys() map[string]bool {
	return map[string]bool{"idp_id": c.IdPID != "", "token_file": c.TokenFile != "", "iam_endpoint": c.IAMEndpoint != ""}
}

func (c *Credential) validate() error {
	must, ok := needs[c.Kind]
	if !ok {
		return fmt.Errorf("credential.kind: %q is not known; use one of %s", c.Kind, strings.Join(slices.Sorted(maps.Keys(needs)), ", "))
	}
	set := c.keys()
	var errs []error
	for _, key := range must {
		if !set[key] {
			errs = append(errs, fmt.Errorf("credential.%s: is missing; kind %s needs it", key, c.Kind))
		}
		delete(set, key)
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if set[key] {
			errs = append(errs, fmt.Errorf("credential.%s: does nothing with kind %s", key, c.Kind))
		}
	}
	if c.Kind == kindFederation {
		errs = append(errs, checkEndpoint("credential.iam_endpoint", c.IAMEndpoint))
	}
	return errors.Join(errs...)
}
