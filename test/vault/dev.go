package main

import (
	"context"
	"errors"

	"github.com/hashicorp/vault/helper/namespace"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/vault"
)

// initialize makes a new server ready: unsealed, with the root token and
// KV v2 at secret/, as Vault's own -dev does.
func initialize(core *vault.Core, token string) error {
	ctx := namespace.ContextWithNamespace(context.Background(), namespace.RootNamespace)
	made, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1, StoredShares: 1, Name: "shamir"},
	})
	if err != nil {
		return err
	}
	key := append([]byte(nil), made.SecretShares[0]...) // Unseal wipes it
	if unsealed, err := core.Unseal(key); err != nil || !unsealed {
		return errors.Join(err, errors.New("it stays sealed"))
	}
	root := made.RootToken
	if token != "" {
		_, err := handle(ctx, core, root, "auth/token/create", map[string]any{
			"id": token, "policies": []string{"root"}, "no_parent": true, "no_default_policy": true,
		})
		if err != nil {
			return err
		}
		if _, err := handle(ctx, core, root, "auth/token/revoke-self", nil); err != nil {
			return err
		}
		root = token
	}
	_, err = handle(ctx, core, root, "sys/mounts/secret", map[string]any{
		"type": "kv", "path": "secret/", "description": "key/value secret storage", "options": map[string]string{"version": "2"},
	})
	return err
}

func handle(ctx context.Context, core *vault.Core, token, path string, data map[string]any) (*logical.Response, error) {
	resp, err := core.HandleRequest(ctx, &logical.Request{
		Operation: logical.UpdateOperation, ClientToken: token, Path: path, Data: data,
	})
	if err == nil && resp.IsError() {
		err = resp.Error()
	}
	return resp, err
}
