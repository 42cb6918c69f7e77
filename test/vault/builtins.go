package main

import (
	"slices"

	jwt "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/builtin/plugin"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

// factories are the engines and the ways to log in that can be mounted,
// beside those that are part of the core, such as tokens.
var factories = map[consts.PluginType]map[string]logical.Factory{
	consts.PluginTypeSecrets:    {"kv": kv.Factory, "transit": transit.Factory},
	consts.PluginTypeCredential: {"approle": approle.Factory, "cert": cert.Factory, "jwt": jwt.Factory},
}

func engines() map[string]logical.Factory {
	return map[string]logical.Factory{"plugin": plugin.Factory, "kv": kv.Factory, "transit": transit.Factory}
}

func credentials() map[string]logical.Factory {
	return map[string]logical.Factory{"plugin": plugin.Factory}
}

// builtins tells the core of them.
type builtins struct{}

func (builtins) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	f, ok := factories[kind][name]
	return func() (any, error) { return f, nil }, ok
}

func (builtins) Keys(kind consts.PluginType) (names []string) {
	for name := range factories[kind] {
		names = append(names, name)
	}
	return names
}

func (b builtins) Contains(name string, kind consts.PluginType) bool {
	return slices.Contains(b.Keys(kind), name)
}

func (b builtins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
