package main

import (
	"cmp"
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
	"github.com/vaultferry/vaultferry/gateway/login"
	"github.com/vaultferry/vaultferry/internal/pki"
	"github.com/vaultferry/vaultferry/secret"
)

// domain is below localhost, which no name server may answer for.
const domain = "vault.localhost"

// csmsHost is where a sandbox speaks the huawei dialect; any host would do.
const csmsHost = "csms." + domain

// sandbox is a gateway that needs no files. Names are the same each time; the rest
// of it is fresh, lives in a private folder, and goes away with it, as far as its
// options say nothing else.
type sandbox struct {
	o            sandboxOptions
	dir          string
	cfg          *config.Config
	ca           *pki.Authority
	cert         tls.Certificate
	token, ak    string
	sk           secret.Value
	clientSecret secret.Value      // at the login
	reader       string            // a token of the caller who may read
	projects     map[string]string // by store
	runtime      *runtime
	server       *httpd.Server
	host, portNo string
}

// sandboxOptions say what differs from a sandbox that leaves nothing behind.
type sandboxOptions struct {
	address string
	admin   string // address; empty: none
	domain  string // of all hosts
	dir     string // is kept, with the CA; empty: a private one that goes away
	fixed   bool   // credentials that everybody knows
	stores  func(dir string) []config.Store
}

// newSandbox prepares a gateway over the stores with one caller who may do
// everything, and one who may read. The caller must remove it.
func (a *app) newSandbox(o sandboxOptions) (*sandbox, error) {
	o.domain = cmp.Or(o.domain, domain)
	s := &sandbox{o: o, dir: o.dir, cfg: config.Default(), projects: map[string]string{}}
	var err error
	if s.dir == "" {
		s.dir, err = os.MkdirTemp("", "vaultferry-") // mode 0700
	} else {
		err = os.MkdirAll(s.dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	s.credentials()
	s.configure(o.stores(s.dir))
	if err := s.certify(a); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// credentials are fresh, or those that stand in the docs.
func (s *sandbox) credentials() {
	text := func(string) string { return randomText() }
	if s.o.fixed {
		text = knownText
	}
	s.token, s.reader, s.ak = text("token"), text("reader"), "AK"+strings.ToUpper(text("ak")[:18])
	s.sk, s.clientSecret = secret.TextValue(text("sk")), secret.TextValue(text("client"))
}

// knownText is the same everywhere: whoever knows vaultferry knows it.
func knownText(of string) string {
	sum := sha256.Sum256([]byte("vaultferry dev " + of))
	return hex.EncodeToString(sum[:20])
}

func randomText() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func (s *sandbox) configure(stores []config.Store) {
	c := s.cfg
	c.Server.Address, c.Admin.Address = s.o.address, s.o.admin
	c.Control.Socket = "" // no configuration file leads a command here
	c.Login.Host = s.loginHost()
	c.Audit.File = filepath.Join(s.dir, "audit.jsonl")
	c.Stores = stores
	for _, st := range stores {
		sum := sha256.Sum256([]byte(st.Name))
		s.projects[st.Name] = hex.EncodeToString(sum[:16])
		c.Dialects.Azure.Routes = append(c.Dialects.Azure.Routes, config.AzureRoute{Host: s.vaultHost(st.Name), Store: st.Name})
		c.Dialects.Huawei.Routes = append(c.Dialects.Huawei.Routes, config.HuaweiRoute{Project: s.projects[st.Name], Name: st.Name, Store: st.Name})
	}
	c.Dialects.Azure.Authority = "https://" + s.loginHost() + "/" + login.Tenant
	c.Callers = []config.Caller{{
		Name:       "dev",
		Client:     &config.Client{ID: "dev", Secret: s.clientSecret},
		Tokens:     []config.Token{{Hash: sha256.Sum256([]byte(s.token))}},
		AccessKeys: []config.AccessKey{{ID: s.ak, Secret: s.sk}},
	}, {
		Name:   "reader",
		Tokens: []config.Token{{Hash: sha256.Sum256([]byte(s.reader))}},
	}}
	everything := []string{"*"}
	c.Policy = []config.Rule{
		{Callers: []string{"dev"}, Allow: everything, Stores: everything, Names: everything},
		{Callers: []string{"reader"}, Allow: []string{"get", "list"}, Stores: everything, Names: everything},
	}
}

func (s *sandbox) vaultHost(store string) string { return store + "." + s.o.domain }
func (s *sandbox) csmsHost() string              { return "csms." + s.o.domain }
func (s *sandbox) loginHost() string             { return "login." + s.o.domain }

// certify takes the CA that a folder of one's own has from before.
func (s *sandbox) certify(a *app) error {
	cert, key := filepath.Join(s.dir, caFile), filepath.Join(s.dir, caKeyFile)
	err := s.takeAuthority(a, cert, key)
	if err != nil {
		return err
	}
	pair, err := s.ca.Issue(append(s.hosts(), "localhost", "127.0.0.1", "::1"), a.now())
	if err != nil {
		return err
	}
	s.cert, err = pair.TLS()
	return err
}

func (s *sandbox) takeAuthority(a *app, cert, key string) (err error) {
	if s.o.dir != "" {
		if _, err := os.Stat(key); err == nil {
			s.ca, err = loadAuthority(cert, key, a.now())
			return err
		}
	}
	if s.ca, err = pki.New(a.now()); err != nil || s.o.dir == "" {
		return err
	}
	text, err := s.ca.Key()
	if err != nil {
		return err
	}
	return writeFile(key, text, false)
}

func (s *sandbox) hosts() []string {
	var hosts []string
	for _, r := range s.cfg.Dialects.Azure.Routes {
		hosts = append(hosts, r.Host)
	}
	return append(hosts, s.csmsHost(), s.loginHost())
}

// listen opens everything. After it, Run of the server serves.
func (s *sandbox) listen(ctx context.Context, a *app) error {
	keys, err := s.keyring()
	if err != nil {
		return err
	}
	if s.runtime, err = a.assemble(ctx, s.cfg, keys); err != nil {
		return err
	}
	s.server, err = a.server(s.runtime, &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12}, httpd.Inherited{})
	if err == nil {
		err = s.server.Listen(ctx)
	}
	if err == nil {
		s.host, s.portNo, err = net.SplitHostPort(s.server.Address())
		if ip := net.ParseIP(s.host); ip != nil && ip.IsUnspecified() {
			s.host = "127.0.0.1" // for the lines to paste
		}
	}
	if err != nil {
		return errors.Join(err, s.runtime.close())
	}
	return nil
}

// keyring is the one that a folder of one's own has from before, or a new one.
func (s *sandbox) keyring() (*backup.Keyring, error) {
	if s.o.dir == "" {
		return backup.NewKeyring(), nil
	}
	file := filepath.Join(s.dir, "keyring.json")
	if _, err := os.Stat(file); err == nil {
		return loadKeyring(file)
	}
	k := backup.NewKeyring()
	return k, k.Create(file)
}

func (s *sandbox) remove() error {
	if s.o.dir != "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

func (s *sandbox) url(host string) string { return "https://" + net.JoinHostPort(host, s.portNo) }

func (s *sandbox) hostsLine() string { return s.host + " " + strings.Join(s.hosts(), " ") }
