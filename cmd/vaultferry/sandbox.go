package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/httpd"
	"github.com/vaultferry/vaultferry/internal/pki"
	"github.com/vaultferry/vaultferry/secret"
)

// domain is below localhost, which no name server may answer for.
const domain = "vault.localhost"

// csmsHost is where a sandbox speaks the huawei dialect; any host would do.
const csmsHost = "csms." + domain

// sandbox is a gateway that needs no files: everything of it is fresh, lives
// in a private folder, and goes away with it.
type sandbox struct {
	dir          string
	cfg          *config.Config
	ca           *pki.Authority
	cert         tls.Certificate
	token, ak    string
	sk           secret.Value
	clientSecret secret.Value      // at the login
	projects     map[string]string // by store
	runtime      *runtime
	server       *httpd.Server
	host, portNo string
}

// newSandbox prepares a gateway over the stores with one caller who may do
// everything. The caller must remove it.
func (a *app) newSandbox(address string, stores func(dir string) []config.Store) (*sandbox, error) {
	dir, err := os.MkdirTemp("", "vaultferry-") // mode 0700
	if err != nil {
		return nil, err
	}
	s := &sandbox{dir: dir, cfg: config.Default(), projects: map[string]string{}}
	s.token, s.ak, s.sk = randomText(), "AK"+strings.ToUpper(randomText()[:18]), secret.TextValue(randomText())
	s.clientSecret = secret.TextValue(randomText())
	s.configure(address, stores(dir))
	if err := s.certify(a); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

func randomText() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func (s *sandbox) configure(address string, stores []config.Store) {
	c := s.cfg
	c.Server.Address, c.Admin.Address = address, ""
	c.Control.Socket = "" // no configuration file leads a command here
	c.Login.Host = loginHost
	c.Audit.File = filepath.Join(s.dir, "audit.jsonl")
	c.Stores = stores
	for _, st := range stores {
		s.projects[st.Name] = randomText()[:32]
		c.Dialects.Azure.Routes = append(c.Dialects.Azure.Routes, config.AzureRoute{Host: st.Name + "." + domain, Store: st.Name})
		c.Dialects.Huawei.Routes = append(c.Dialects.Huawei.Routes, config.HuaweiRoute{Project: s.projects[st.Name], Name: st.Name, Store: st.Name})
	}
	c.Callers = []config.Caller{{
		Name:       "dev",
		Client:     &config.Client{ID: "dev", Secret: s.clientSecret},
		Tokens:     []config.Token{{Hash: sha256.Sum256([]byte(s.token))}},
		AccessKeys: []config.AccessKey{{ID: s.ak, Secret: s.sk}},
	}}
	everything := []string{"*"}
	c.Policy = []config.Rule{{Callers: []string{"dev"}, Allow: everything, Stores: everything, Names: everything}}
}

func (s *sandbox) certify(a *app) error {
	var err error
	if s.ca, err = pki.New(a.now()); err != nil {
		return err
	}
	pair, err := s.ca.Issue(append(s.hosts(), "localhost", "127.0.0.1", "::1"), a.now())
	if err != nil {
		return err
	}
	s.cert, err = pair.TLS()
	return err
}

func (s *sandbox) hosts() []string {
	var hosts []string
	for _, r := range s.cfg.Dialects.Azure.Routes {
		hosts = append(hosts, r.Host)
	}
	return append(hosts, csmsHost, loginHost)
}

// listen opens everything. After it, Run of the server serves.
func (s *sandbox) listen(ctx context.Context, a *app) error {
	var err error
	if s.runtime, err = a.assemble(ctx, s.cfg, backup.NewKeyring()); err != nil {
		return err
	}
	s.server, err = a.server(s.runtime, &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12}, httpd.Inherited{})
	if err == nil {
		err = s.server.Listen(ctx)
	}
	if err == nil {
		s.host, s.portNo, err = net.SplitHostPort(s.server.Address())
	}
	if err != nil {
		return errors.Join(err, s.runtime.close())
	}
	return nil
}

func (s *sandbox) remove() error { return os.RemoveAll(s.dir) }

func (s *sandbox) url(host string) string { return "https://" + net.JoinHostPort(host, s.portNo) }

func (s *sandbox) hostsLine() string { return s.host + " " + strings.Join(s.hosts(), " ") }
