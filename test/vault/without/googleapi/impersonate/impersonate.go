// Package impersonate stands in for acting as another account of Google,
// which always fails.
package impersonate

import (
	"context"
	"errors"

	"golang.org/x/oauth2"
	"google.golang.org/api/option"
)

type CredentialsConfig struct {
	TargetPrincipal string
	Scopes          []string
	Subject         string
}

func CredentialsTokenSource(context.Context, CredentialsConfig, ...option.ClientOption) (oauth2.TokenSource, error) {
	return nil, errors.New("google: left out of this server")
}
