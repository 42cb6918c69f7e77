package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
	parts        *parts
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
	if s.parts, err = a.assemble(ctx, s.cfg, backup.NewKeyring()); err != nil {
		return err
	}
	s.server, err = a.server(s.parts, &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12})
	if err == nil {
		err = s.server.Listen(ctx)
	}
	if err == nil {
		s.host, s.portNo, err = net.SplitHostPort(s.server.Address())
	}
	if err != nil {
		return errors.Join(err, s.parts.close())
	}
	return nil
}

func (s *sandbox) remove() error { return os.RemoveAll(s.dir) }

// files of the private folder, beside the stores'.
const (
	caFile      = "ca.pem"
	exportsFile = "exports"
	azureHeader = "azure.header"  // for curl -H @FILE: no secret in an argument
	csmsHeader  = "huawei.header" // the same
)

// hand writes what clients need.
func (s *sandbox) hand() error {
	for name, text := range map[string]string{
		caFile:      string(s.ca.Cert()),
		exportsFile: s.exports(),
		azureHeader: "Authorization: Bearer " + s.token + "\n",
		csmsHeader:  "X-Auth-Token: " + s.token + "\n",
	} {
		if err := writeFile(filepath.Join(s.dir, name), []byte(text), false); err != nil {
			return err
		}
	}
	return nil
}

func (s *sandbox) exports() string {
	var b strings.Builder
	first := s.cfg.Stores[0].Name
	ca := filepath.Join(s.dir, caFile)
	fmt.Fprintf(&b, "# For one shell: clients in it trust this gateway's CA and no other.\n")
	b.WriteString(exportLines([][2]string{
		{"SSL_CERT_FILE", ca},
		{"REQUESTS_CA_BUNDLE", ca},
		{"NODE_EXTRA_CA_CERTS", ca},
		{"AZURE_KEYVAULT_URL", s.url(first + "." + domain)},
		{"AZURE_KEYVAULT_TOKEN", s.token},
		{"HUAWEICLOUD_SDK_AK", s.ak},
		{"HUAWEICLOUD_SDK_SK", string(s.sk.Reveal())},
		{"HUAWEICLOUD_SDK_PROJECT_ID", s.projects[first]},
		{"HUAWEICLOUD_SDK_CSMS_ENDPOINT", s.url(csmsHost)},
		{"HUAWEICLOUD_SDK_IAM_ENDPOINT", s.url(csmsHost)},
	}))
	b.WriteString(exportLines(loginEnvironment(s.url(loginHost), "dev", string(s.clientSecret.Reveal()))))
	fmt.Fprintf(&b, "# IAM's user: name dev, password $AZURE_CLIENT_SECRET, domain %s, project %s.\n", s.cfg.Dialects.Huawei.Domain, first)
	return b.String()
}

func (s *sandbox) url(host string) string { return "https://" + net.JoinHostPort(host, s.portNo) }

func (s *sandbox) hostsLine() string { return s.host + " " + strings.Join(s.hosts(), " ") }

// curls are lines to paste, in the order in which they make sense: the second
// dialect reads what the first wrote.
func (s *sandbox) curls() []string {
	first := s.cfg.Stores[0].Name
	az := first + "." + domain
	return []string{
		fmt.Sprintf(`%s -X PUT -H 'Content-Type: application/json' -d '{"value":"hello"}' '%s/secrets/greeting?api-version=7.4'`,
			s.curl(az, azureHeader), s.url(az)),
		fmt.Sprintf(`%s '%s/v1/%s/secrets/greeting/versions/latest'`, s.curl(csmsHost, csmsHeader), s.url(csmsHost), s.projects[first]),
	}
}

func (s *sandbox) curl(host, header string) string {
	at := s.host
	if strings.Contains(at, ":") {
		at = "[" + at + "]"
	}
	return fmt.Sprintf("curl -sS --cacert '%s' --resolve %s:%s:%s -H '@%s'",
		filepath.Join(s.dir, caFile), host, s.portNo, at, filepath.Join(s.dir, header))
}

// guideView is the guide for programs.
type guideView struct {
	Folder   string            `json:"folder"`
	Exports  string            `json:"exports"`
	CA       string            `json:"ca"`
	Hosts    string            `json:"hosts"`
	Address  string            `json:"address"`
	Azure    map[string]string `json:"azure"`  // store to URL
	Huawei   map[string]string `json:"huawei"` // store to project
	Examples []string          `json:"examples"`
}

// guide tells how to use a sandbox that serves.
func (s *sandbox) guide(a *app) error {
	v := guideView{
		Folder: s.dir, Exports: filepath.Join(s.dir, exportsFile), CA: filepath.Join(s.dir, caFile),
		Hosts: s.hostsLine(), Address: s.server.Address(), Azure: map[string]string{}, Huawei: s.projects, Examples: s.curls(),
	}
	for _, st := range s.cfg.Stores {
		v.Azure[st.Name] = s.url(st.Name + "." + domain)
	}
	return a.print(v, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, `Everything here is fresh and goes away when you stop it with Ctrl-C.

Credentials for this shell:
  . %s

Go and Node clients need this line in /etc/hosts:
  %s

Write through the API of Azure Key Vault, read through that of Huawei Cloud:
  %s

serving on %s
`, v.Exports, v.Hosts, strings.Join(v.Examples, "\n  "), v.Address)
		return err
	})
}
