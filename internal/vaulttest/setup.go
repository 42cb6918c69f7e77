package vaulttest

import (
	"fmt"
	"testing"

	"github.com/hashicorp/vault/api"
)

// NewMount makes a fresh KV v2 mount and returns its path.
func (s *Server) NewMount(tb testing.TB) string { return s.mount(tb, "2") }

// NewMountV1 makes a fresh KV v1 mount.
func (s *Server) NewMountV1(tb testing.TB) string { return s.mount(tb, "1") }

func (s *Server) mount(tb testing.TB, version string) string {
	tb.Helper()
	path := s.unique("kv")
	s.must(tb, s.Client(tb, RootToken).Sys().Mount(path, &api.MountInput{Type: "kv", Options: map[string]string{"version": version}}))
	return path
}

// NewTransit makes a fresh transit mount with one key of the properties, and returns
// the paths of both.
func (s *Server) NewTransit(tb testing.TB, properties map[string]any) (mount, key string) {
	tb.Helper()
	c := s.Client(tb, RootToken)
	mount, key = s.unique("transit"), "ring"
	s.must(tb, c.Sys().Mount(mount, &api.MountInput{Type: "transit"}))
	_, err := c.Logical().Write(mount+"/keys/"+key, properties)
	s.must(tb, err)
	return mount, key
}

func (s *Server) unique(prefix string) string {
	s.mounts.Lock()
	defer s.mounts.Unlock()
	s.count++
	return fmt.Sprintf("%s%d", prefix, s.count)
}

func (*Server) must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("set up Vault: %v", err)
	}
}

// Policy stores rules under a new name and returns it.
func (s *Server) Policy(tb testing.TB, rules string) string {
	tb.Helper()
	name := s.unique("policy")
	s.must(tb, s.Client(tb, RootToken).Sys().PutPolicy(name, rules))
	return name
}

// Token returns a token that holds one policy alone.
func (s *Server) Token(tb testing.TB, policy string) string {
	tb.Helper()
	made, err := s.Client(tb, RootToken).Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{policy}, NoDefaultPolicy: true, TTL: "1h"})
	s.must(tb, err)
	return made.Auth.ClientToken
}

// NewAuth enables a method of logging in under a new path and returns it.
func (s *Server) NewAuth(tb testing.TB, kind string) string {
	tb.Helper()
	path := s.unique(kind)
	s.must(tb, s.Client(tb, RootToken).Sys().EnableAuthWithOptions(path, &api.EnableAuthOptions{Type: kind}))
	return path
}

// AppRole is a role that a program logs in with.
type AppRole struct{ Mount, RoleID, SecretID string }

// NewAppRole mounts the method anew with one role of the policy. More sets
// further properties of the role, such as token_ttl.
func (s *Server) NewAppRole(tb testing.TB, policy string, more map[string]any) AppRole {
	tb.Helper()
	c, path := s.Client(tb, RootToken), s.NewAuth(tb, "approle")
	role := map[string]any{"token_policies": policy}
	for k, v := range more {
		role[k] = v
	}
	at := "auth/" + path + "/role/r"
	_, err := c.Logical().Write(at, role)
	s.must(tb, err)
	id, err := c.Logical().Read(at + "/role-id")
	s.must(tb, err)
	made, err := c.Logical().Write(at+"/secret-id", nil)
	s.must(tb, err)
	return AppRole{Mount: path, RoleID: text(id, "role_id"), SecretID: text(made, "secret_id")}
}

func text(s *api.Secret, key string) string {
	if s == nil {
		return ""
	}
	v, _ := s.Data[key].(string)
	return v
}

// Seal seals the server: it answers nothing any more. For a server of one's
// own alone.
func (s *Server) Seal(tb testing.TB) {
	tb.Helper()
	s.must(tb, s.Client(tb, RootToken).Sys().Seal())
}
