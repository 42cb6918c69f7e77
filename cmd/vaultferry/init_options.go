package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/internal/pemfile"
	"github.com/vaultferry/vaultferry/internal/pki"
)

// initOptions are what a new gateway is to be.
type initOptions struct {
	hosts   []string
	user    string
	state   string // a folder; empty: that of the configuration
	keyring string // a file; empty: a new one
	ca      caFlags
}

func (o *initOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.hosts, "host", nil, "what clients call the gateway; may be given several times")
	cmd.Flags().StringVar(&o.user, "user", "", "the user that the gateway runs as: the files become his")
	cmd.Flags().StringVar(&o.state, "state", "", "the folder of the store, the audit and the control socket (default that of the configuration)")
	cmd.Flags().StringVar(&o.keyring, "keyring", "", "copy this keyring (default: make a new one)")
	o.ca.flags(cmd)
}

// callersFile is where init's configuration has the callers' credentials that commands make.
const callersFile = "callers.json"

// keys are a new gateway's: new ones, or those of a copy, which must open the store
// that the gateway will have.
func (o *initOptions) keys() (*backup.Keyring, error) {
	if o.keyring == "" {
		return backup.NewKeyring(), nil
	}
	k, err := loadKeyring(o.keyring)
	if err == nil && (!k.CanSeal() || !k.CanUnwrap()) {
		err = usagef("--keyring: %s cannot both encrypt and decrypt, which the store of the new gateway needs", o.keyring)
	}
	return k, err
}

var hostName = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// checkHosts refuses what no certificate can be valid for.
func checkHosts(hosts []string) error {
	for _, h := range hosts {
		if net.ParseIP(h) == nil && !hostName.MatchString(h) {
			return usagef("--host is a name in small letters, or an address, without a port, not %q", h)
		}
	}
	return nil
}

func (o *initOptions) check() error {
	var err error
	if o.state != "" {
		o.state, err = filepath.Abs(o.state)
	}
	return errors.Join(checkHosts(o.hosts), o.ca.check(), err)
}

// names are the hosts of the routes.
func (o *initOptions) names() []string {
	if len(o.hosts) == 0 {
		return []string{"main." + domain}
	}
	return o.hosts
}

// certified are the names that the certificate is valid for.
func (o *initOptions) certified() []string {
	var all []string
	for _, h := range append(o.names(), o.csmsHost(), o.loginHost(), "localhost", "127.0.0.1", "::1") {
		if !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}

// csmsHost is what clients of CSMS may call it; any host would do.
func (o *initOptions) csmsHost() string {
	if len(o.hosts) == 0 {
		return csmsHost
	}
	return strings.Replace(o.hosts[0], "*", "csms", 1)
}

// loginHost is beside the first host that has a name.
func (o *initOptions) loginHost() string {
	for _, h := range o.hosts {
		if net.ParseIP(h) != nil {
			continue
		}
		if _, parent, _ := strings.Cut(h, "."); strings.Contains(parent, ".") {
			return "login." + parent
		}
		return "login." + strings.TrimPrefix(h, "*.")
	}
	return loginHost
}

// address is of this machine alone, unless a host is another's.
func (o *initOptions) address() string {
	for _, h := range o.hosts {
		ip := net.ParseIP(h)
		if ip != nil && !ip.IsLoopback() || ip == nil && h != "localhost" && !strings.HasSuffix(h, ".localhost") {
			return "0.0.0.0:8443"
		}
	}
	return "127.0.0.1:8443"
}

// owner is who files are given to; nil: they are ours.
type owner struct{ uid, gid int }

func (o *initOptions) owner() (*owner, error) {
	if o.user == "" {
		return nil, nil
	}
	u, err := user.Lookup(o.user)
	if err != nil {
		return nil, usagef("--user: there is no user %q", o.user)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	switch {
	case err1 != nil || err2 != nil:
		return nil, usagef("--user does not work on this system")
	case uid == os.Geteuid():
		return nil, nil
	case os.Geteuid() != 0:
		return nil, usagef("--user: only root can give files to %s", o.user)
	}
	return &owner{uid, gid}, nil
}

// give takes the open file: a name may lead elsewhere by now.
func (o *owner) give(f *os.File) error {
	if o == nil {
		return nil
	}
	return f.Chown(o.uid, o.gid)
}

// giveFolder refuses a link in the folder's place.
func (o *owner) giveFolder(path string) error {
	if o == nil {
		return nil
	}
	f, err := osfile.OpenFolder(path)
	if err != nil {
		return err
	}
	return errors.Join(o.give(f), f.Close())
}

// caKeyFile is what init calls the key of the CA in caFile, beside the configuration.
const caKeyFile = "ca-key.pem"

// caFlags name an authority.
type caFlags struct{ cert, key string }

func (f *caFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.cert, "ca", "", "the certificate of a CA of yours, PEM")
	cmd.Flags().StringVar(&f.key, "ca-key", "", "its private key, PEM")
}

func (f *caFlags) given() bool { return f.cert != "" }

func (f *caFlags) check() error {
	if (f.cert == "") != (f.key == "") {
		return usagef("--ca and --ca-key belong together")
	}
	return nil
}

// authority is the one that is given, or a new one.
func (f *caFlags) authority(now time.Time) (*pki.Authority, error) {
	if !f.given() {
		return pki.New(now)
	}
	return loadAuthority(f.cert, f.key, now)
}

func loadAuthority(certFile, keyFile string, now time.Time) (*pki.Authority, error) {
	cert, err := readText(certFile, maxKeyFile)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	key, err := readText(keyFile, maxKeyFile)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	ca, err := pki.Load(cert, key, now)
	if err != nil {
		if _, why := pemfile.Pair(certFile, keyFile); why != nil {
			return nil, &exitError{exitUsage, why}
		}
		return nil, &exitError{exitUsage, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)}
	}
	return ca, nil
}
