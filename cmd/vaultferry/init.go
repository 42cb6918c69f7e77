package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/login"
)

func (a *app) initCommand() *cobra.Command {
	var w writeFlags
	var o initOptions
	var schemaOnly bool
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a working configuration with an embedded durable store",
		Long: `Writes a configuration, a keyring, a CA with a server certificate, and one
caller with fresh credentials, which are shown once. Every file has mode 0600.
Nothing that exists is overwritten.

--host names what clients call the gateway, and may be given several times: each
is a route to the store, and the certificate is valid for it. With a name that
others can reach it listens on all addresses. Without one it serves this machine
alone, as main.vault.localhost.

The CA's key is in ca-key.pem, for vaultferry cert renew; the gateway does not
need it. --ca and --ca-key take a CA that you have, and its key is not copied.
--keyring copies the keyring of a gateway that is lost, or whose backups this one
is to open, instead of making a new one.
--user gives the files to the user that the gateway runs as. A service may often
not write beside its configuration: --state names a folder where the store, the
audit and the control socket will lie instead.

Beside the configuration it writes vaultferry.schema.json, by which editors
complete and check the configuration. After an upgrade, --schema-only replaces
that file and leaves the rest alone.`,
		Example: `  vaultferry init gateway
  cd gateway && vaultferry serve
  vaultferry init /etc/vaultferry --host payments.vault.example.com --user vaultferry \
    --state /var/lib/vaultferry
  vaultferry init gateway --schema-only`,
		Args: arguments("[DIR]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if schemaOnly {
				return a.renewSchema(cmd.Context(), dir, w)
			}
			if err := o.check(); err != nil {
				return err
			}
			return a.initialise(cmd.Context(), dir, o, w)
		},
	}
	w.flags(cmd)
	o.flags(cmd)
	cmd.Flags().BoolVar(&schemaOnly, "schema-only", false, "write only vaultferry.schema.json, in the place of an older one")
	return cmd
}

// firstCaller is a new gateway's only caller, and what it finds.
type firstCaller struct {
	Gateway, Address, LoginHost, Project, TokenHash, AK string
	Hosts                                               []string
	State                                               string

	csmsHost, token, sk, clientSecret string
}

// Quoted are the hosts as YAML reads them as text.
func (f firstCaller) Quoted() (quoted []string) {
	for _, h := range f.Hosts {
		if strings.ContainsAny(h, "*:") {
			h = strconv.Quote(h)
		}
		quoted = append(quoted, h)
	}
	return quoted
}

// At is a file of the gateway's state, as the configuration names it.
func (f firstCaller) At(name string) string {
	if f.State == "" {
		return name
	}
	return strconv.Quote(filepath.Join(f.State, name))
}

const configTemplate = config.SchemaLine + `
# Written by vaultferry init. "vaultferry check" says what it means.
gateway:
  id: {{.Gateway}}   # replicas have the same; other gateways another
server:
  address: {{.Address}}
  tls: { cert_file: cert.pem, key_file: key.pem }
admin:
  address: 127.0.0.1:8444        # /livez /readyz /metrics
keyring:
  file: keyring.json             # opens every backup: keep a copy elsewhere
callers_file: ` + callersFile + `       # credentials that vaultferry callers makes
audit:
  file: {{.At "audit.jsonl"}}
{{- if .State}}
control:
  socket: {{.At "vaultferry.sock"}}
{{- end}}
stores:
  - name: main
    backend: bolt
    bolt: { path: {{.At "main.db"}} }
dialects:
  azure:
    authority: https://{{.LoginHost}}/adfs
    routes:
{{- range .Quoted}}
      - { host: {{.}}, store: main }
{{- end}}
  huawei:
    routes:
      - { project: "{{.Project}}", name: main, store: main }   # name: what clients look up by their region
login:
  host: {{.LoginHost}}
callers:
  - name: admin
    client: { id: admin, secret: { file: admin.secret } }
    tokens: [ { sha256: "{{.TokenHash}}" } ]
    access_keys: [ { id: {{.AK}}, secret: { file: admin.sk } } ]
policy:
  - { callers: [admin], allow: ["*"], stores: ["*"], names: ["*"] }
`

// files are in the order in which they are written: the configuration is
// the last, so that none stands without the rest.
func (o *initOptions) files() []string {
	files := []string{"keyring.json", caFile, caKeyFile, "cert.pem", "key.pem", "admin.sk", "admin.secret", config.SchemaFile, "vaultferry.yaml"}
	if o.ca.given() {
		files = slices.DeleteFunc(files, func(name string) bool { return name == caKeyFile })
	}
	return files
}

func (a *app) initialise(ctx context.Context, dir string, o initOptions, w writeFlags) error {
	files := o.files()
	for i, name := range append(slices.Clone(files), callersFile, "main.db", "audit.jsonl") {
		file := filepath.Join(dir, name)
		if i > len(files) && o.state != "" {
			file = filepath.Join(o.state, name)
		}
		switch _, err := os.Lstat(file); {
		case err == nil:
			return fmt.Errorf("%s exists already; nothing was written", file)
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
	}
	f := firstCaller{
		Gateway: randomText()[:32], Address: o.address(), Hosts: o.names(), LoginHost: o.loginHost(), csmsHost: o.csmsHost(), State: o.state,
		Project: randomText()[:32], AK: "AK" + strings.ToUpper(randomText()[:18]),
		token: randomText(), sk: randomText(), clientSecret: randomText(),
	}
	sum := sha256.Sum256([]byte(f.token))
	f.TokenHash = hex.EncodeToString(sum[:])
	content, err := a.initContent(o, f)
	if err != nil {
		return err
	}
	owner, err := o.owner()
	if err != nil {
		return err
	}
	if w.dryRun {
		return a.print(map[string]any{"would_write": files, "folder": dir}, func(out io.Writer) error {
			_, err := fmt.Fprintf(out, "would write into %s: %s\n", dir, strings.Join(files, " "))
			return err
		})
	}
	if err := w.approve(ctx, a, "write "+strings.Join(files, " ")+" into "+dir+"?"); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range files {
		err := writeWhole(filepath.Join(dir, name), false, func(f *os.File) error {
			_, err := f.Write(content[name])
			return errors.Join(err, owner.give(f))
		})
		if err != nil {
			return err
		}
	}
	if err := owner.giveFolder(dir); err != nil {
		return err
	}
	return a.printInit(dir, files, f)
}

// renewSchema writes this release's schema beside a configuration.
func (a *app) renewSchema(ctx context.Context, dir string, w writeFlags) error {
	file := filepath.Join(dir, config.SchemaFile)
	verb := "wrote"
	if w.dryRun {
		verb = "would write"
	} else {
		if err := w.approve(ctx, a, "write "+file+"?"); err != nil {
			return err
		}
		if err := writeFile(file, []byte(config.Schema()), true); err != nil {
			return err
		}
	}
	return a.print(map[string]any{strings.ReplaceAll(verb, " ", "_"): []string{config.SchemaFile}, "folder": dir}, func(out io.Writer) error {
		_, err := fmt.Fprintln(out, verb, file)
		return err
	})
}

// initContent makes every file before the first is written.
func (a *app) initContent(o initOptions, f firstCaller) (map[string][]byte, error) {
	ca, err := o.ca.authority(a.now())
	if err != nil {
		return nil, err
	}
	caKey, err := ca.Key()
	if err != nil {
		return nil, err
	}
	pair, err := ca.Issue(o.certified(), a.now())
	if err != nil {
		return nil, err
	}
	keys, err := o.keys()
	if err != nil {
		return nil, err
	}
	ring, err := keys.Reveal()
	if err != nil {
		return nil, err
	}
	t, err := template.New("vaultferry.yaml").Parse(configTemplate)
	if err != nil {
		return nil, err
	}
	var yaml bytes.Buffer
	if err := t.Execute(&yaml, f); err != nil {
		return nil, err
	}
	return map[string][]byte{
		"keyring.json": ring, caFile: ca.Cert(), caKeyFile: caKey, "cert.pem": pair.Cert, "key.pem": pair.Key,
		"admin.sk": []byte(f.sk + "\n"), "admin.secret": []byte(f.clientSecret + "\n"),
		config.SchemaFile: []byte(config.Schema()), "vaultferry.yaml": yaml.Bytes(),
	}, nil
}

type initView struct {
	Folder    string   `json:"folder"`
	Files     []string `json:"files"`
	Host      string   `json:"host"`
	Hosts     []string `json:"hosts"`
	Project   string   `json:"project"`
	Caller    string   `json:"caller"`
	Token     string   `json:"token"`
	AccessKey string   `json:"access_key"`
	SecretKey string   `json:"secret_key"`
	Login     string   `json:"login"`
	ClientID  string   `json:"client_id"`
	Client    string   `json:"client_secret"`
}

func (a *app) printInit(dir string, files []string, f firstCaller) error {
	v := initView{
		Folder: dir, Files: files, Host: f.Hosts[0], Hosts: f.Hosts, Project: f.Project, Caller: "admin",
		Token: f.token, AccessKey: f.AK, SecretKey: f.sk,
		Login: "https://" + f.LoginHost + ":8443", ClientID: "admin", Client: f.clientSecret,
	}
	return a.print(v, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, `wrote %s: %s

It will serve store "main" at
  azure       https://%s:8443
  huawei      https://%s:8443
  project     %s
  login       %s, tenant %s

Credentials of caller "admin", shown this once:
  token       %s
  access key  %s
  secret key  %s
  client      %s
  its secret  %s

Next:
  Keep a copy of %s elsewhere: without it no backup, and nothing in the store, can be opened.
  Give %s to the clients: it is the CA they must trust.
  cd %s && vaultferry check && vaultferry serve
`, dir, strings.Join(v.Files, " "), v.Host, f.csmsHost, v.Project, v.Login, login.Tenant,
			v.Token, v.AccessKey, v.SecretKey, v.ClientID, v.Client,
			filepath.Join(dir, "keyring.json"), filepath.Join(dir, "ca.pem"), dir)
		return err
	})
}
