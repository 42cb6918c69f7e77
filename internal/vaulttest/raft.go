package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"
)

// Cluster is servers over integrated storage, which is durable and knows
// limits: the first is active, the others stand by. RootToken is good on all.
type Cluster struct {
	Nodes []*Server
	key   string // that unseals
}

// StartRaft runs a cluster of the test's own and stops it with the test.
func StartRaft(tb testing.TB, nodes int) *Cluster {
	tb.Helper()
	binary, err := build(context.Background())
	if err != nil {
		tb.Fatalf("build Vault: %v", err)
	}
	c := new(Cluster)
	for i := range nodes {
		s, err := launchRaft(binary, fmt.Sprint("node", i))
		if err != nil {
			tb.Fatalf("start Vault: %v", err)
		}
		tb.Cleanup(s.Stop)
		c.Nodes = append(c.Nodes, s)
		c.join(tb, s)
	}
	return c
}

func launchRaft(binary, id string) (*Server, error) {
	home, err := os.MkdirTemp("", "vaulttest")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cancel: cancel, exited: make(chan struct{}), home: home}
	address, err := s.keepPort()
	peers, err2 := s.keepPort()
	s.Address = "http://" + address
	data, file := filepath.Join(home, "raft"), filepath.Join(home, "vault.hcl")
	conf := fmt.Sprintf(`
storage "raft" {
  path = %q
  node_id = %q
  performance_multiplier = 1
}
listener "tcp" {
  address = %q
  cluster_address = %q
  tls_disable = true
}
api_addr = %q
cluster_addr = "https://%s"
disable_mlock = true
`, data, id, address, peers, s.Address, peers)
	err = errors.Join(err, err2, os.Mkdir(data, 0o700), os.WriteFile(file, []byte(conf), 0o600))
	if err != nil {
		close(s.exited) // it never ran
		s.Stop()
		return nil, err
	}
	return s, s.run(ctx, binary, []string{"server", "-config=" + file, "-log-level=error"}, "/v1/sys/health?uninitcode=200&sealedcode=200")
}

// join makes the server the first of the cluster, or one more.
func (c *Cluster) join(tb testing.TB, s *Server) {
	tb.Helper()
	client := s.Client(tb, "")
	if len(c.Nodes) > 1 {
		_, err := client.Sys().RaftJoin(&api.RaftJoinRequest{LeaderAPIAddr: c.Nodes[0].Address})
		s.must(tb, err)
		c.Unseal(tb, s)
		return
	}
	made, err := client.Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	s.must(tb, err)
	c.key = made.Keys[0]
	c.Unseal(tb, s)
	_, err = s.Client(tb, made.RootToken).Auth().Token().CreateOrphan(&api.TokenCreateRequest{ID: RootToken, Policies: []string{"root"}})
	s.must(tb, err)
}

// Unseal unseals a server and waits until it serves: as the active one, or
// standing by for one that is known.
func (c *Cluster) Unseal(tb testing.TB, s *Server) {
	tb.Helper()
	client := s.Client(tb, "")
	s.must(tb, s.await(func() bool { // a server that has just joined does not know yet that it may be unsealed
		state, err := client.Sys().Unseal(c.key)
		return err == nil && !state.Sealed
	}))
	s.must(tb, s.await(func() bool {
		leader, err := client.Sys().Leader()
		return err == nil && leader.LeaderAddress != "" && (leader.IsSelf || s != c.Nodes[0])
	}))
}
