package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/vaultferry/vaultferry/gateway/login"
)

// files of the private folder, beside the stores'.
const (
	caFile      = "ca.pem"
	exportsFile = "exports"
	azureHeader = "azure.header"  // for curl -H @FILE: no secret in an argument
	csmsHeader  = "huawei.header" // the same
)

// writeClientFiles writes what clients need to the private folder.
func (s *sandbox) writeClientFiles() error {
	if err := s.writeCA(); err != nil {
		return err
	}
	for name, text := range map[string]string{
		exportsFile: s.exports(),
		azureHeader: "Authorization: Bearer " + s.token + "\n",
		csmsHeader:  "X-Auth-Token: " + s.token + "\n",
	} {
		if err := writeFile(filepath.Join(s.dir, name), []byte(text), s.o.dir != ""); err != nil {
			return err
		}
	}
	return nil
}

// writeCA writes what clients trust. In a folder of one's own everybody may read it
// whom the folder lets in.
func (s *sandbox) writeCA() error {
	mode := os.FileMode(0o600)
	if s.o.dir != "" {
		mode = 0o644
	}
	return writeWhole(filepath.Join(s.dir, caFile), s.o.dir != "", func(f *os.File) error {
		_, err := f.Write(s.ca.Cert())
		return errors.Join(err, f.Chmod(mode))
	})
}

func (s *sandbox) exports() string {
	var b strings.Builder
	first := s.cfg.Stores[0].Name
	ca := filepath.Join(s.dir, caFile)
	fmt.Fprintf(&b, "# For one shell: clients in it trust this gateway's CA and no other.\n")
	b.WriteString(exportLines([][2]string{
		{"SSL_CERT_FILE", ca},
		{"CURL_CA_BUNDLE", ca}, // which machines behind a proxy set, and curl prefers
		{"REQUESTS_CA_BUNDLE", ca},
		{"NODE_EXTRA_CA_CERTS", ca},
		{"AZURE_KEYVAULT_URL", s.url(s.vaultHost(first))},
		{"AZURE_KEYVAULT_TOKEN", s.token},
		{"AZURE_KEYVAULT_READER_TOKEN", s.reader},
		{"HUAWEICLOUD_SDK_AK", s.ak},
		{"HUAWEICLOUD_SDK_SK", string(s.sk.Reveal())},
		{"HUAWEICLOUD_SDK_PROJECT_ID", s.projects[first]},
		{"HUAWEICLOUD_SDK_CSMS_ENDPOINT", s.url(s.csmsHost())},
		{"HUAWEICLOUD_SDK_IAM_ENDPOINT", s.url(s.csmsHost())},
	}))
	b.WriteString(exportLines(loginEnvironment(s.url(s.loginHost()), "dev", string(s.clientSecret.Reveal()))))
	fmt.Fprintf(&b, "# IAM's user: name dev, password $AZURE_CLIENT_SECRET, domain %s, project %s.\n", s.cfg.Dialects.Huawei.Domain, first)
	return b.String()
}

// loginEnvironment is what an Azure client needs to log in: of its variables
// only the values are ours.
func loginEnvironment(url, id, secret string) [][2]string {
	return [][2]string{
		{"AZURE_AUTHORITY_HOST", url},
		{"AZURE_TENANT_ID", login.Tenant},
		{"AZURE_CLIENT_ID", id},
		{"AZURE_CLIENT_SECRET", secret},
	}
}

func exportLines(pairs [][2]string) string {
	text := ""
	for _, kv := range pairs {
		text += fmt.Sprintf("export %s='%s'\n", kv[0], kv[1])
	}
	return text
}

// curls are lines to paste, in the order in which they make sense: the second
// dialect reads what the first wrote.
func (s *sandbox) curls() []string {
	first := s.cfg.Stores[0].Name
	az := s.vaultHost(first)
	return []string{
		fmt.Sprintf(`%s -X PUT -H 'Content-Type: application/json' -d '{"value":"hello"}' '%s/secrets/greeting?api-version=7.4'`,
			s.curl(az, azureHeader), s.url(az)),
		fmt.Sprintf(`%s '%s/v1/%s/secrets/greeting/versions/latest'`, s.curl(s.csmsHost(), csmsHeader), s.url(s.csmsHost()), s.projects[first]),
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
	Admin    string            `json:"admin,omitempty"`
	Azure    map[string]string `json:"azure"`  // store to URL
	Huawei   map[string]string `json:"huawei"` // store to project
	Examples []string          `json:"examples"`
}

// printGuide tells how to use a sandbox that serves.
func (s *sandbox) printGuide(a *app) error {
	v := guideView{
		Folder: s.dir, Exports: filepath.Join(s.dir, exportsFile), CA: filepath.Join(s.dir, caFile),
		Hosts: s.hostsLine(), Address: s.server.Address(), Admin: s.server.AdminAddress(), Azure: map[string]string{}, Huawei: s.projects, Examples: s.curls(),
	}
	for _, st := range s.cfg.Stores {
		v.Azure[st.Name] = s.url(s.vaultHost(st.Name))
	}
	ready := ""
	if v.Admin != "" {
		ready = "ready when http://" + v.Admin + "/readyz says so\n"
	}
	return a.print(v, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, `%s

Credentials for this shell:
  . %s

Other clients than curl need this line in /etc/hosts:
  %s

Write through the API of Azure Key Vault, read through that of Huawei Cloud:
  %s

%sserving on %s
`, s.lasts(), v.Exports, v.Hosts, strings.Join(v.Examples, "\n  "), ready, v.Address)
		return err
	})
}

// lasts says what stays when the gateway stops.
func (s *sandbox) lasts() string {
	switch {
	case s.o.fixed:
		return "These credentials are the same each time, and everybody knows them: keep no secret here."
	case s.o.dir != "":
		return "The secrets go away when you stop it; " + s.dir + " stays, with the CA for the next time."
	}
	return "Everything here is fresh and goes away when you stop it with Ctrl-C."
}
