package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
)

var storeName = form{1, 63, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)}

func (c *Config) validate(rep *report, kinds backends.Registry) {
	checkBounds(rep, "", reflect.ValueOf(c).Elem())
	c.validateGateway(rep)
	c.validateServer(rep)
	c.validateStores(rep, kinds)
	c.validateAzure(rep)
	c.validateHuawei(rep)
	c.validateIssuers(rep)
	c.validateCallers(rep)
	c.validatePolicy(rep)
	c.validateLogin(rep)
}

// MaxGatewayName bounds what other gateways keep of this one.
const MaxGatewayName = 64

var gatewayID = form{32, 32, regexp.MustCompile(`^[0-9a-f]+$`)}

func (c *Config) validateGateway(rep *report) {
	if name := c.Gateway.Name; len(name) > MaxGatewayName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		rep.bad("gateway.name", "want at most %d bytes that can be shown", MaxGatewayName)
	}
	if id := c.Gateway.ID; id != "" && !gatewayID.MatchString(id) {
		rep.bad("gateway.id", "not 32 lower-case hex digits (openssl rand -hex 16 makes some)")
	}
}

func (c *Config) validateServer(rep *report) {
	s := c.Server
	address(rep, "server.address", s.Address)
	switch {
	case s.TLS.Off && (s.TLS.CertFile != "" || s.TLS.KeyFile != ""):
		rep.bad("server.tls", "it is off and has a certificate: choose one")
	case s.TLS.Off && !Loopback(s.Address):
		rep.bad("server.tls.off", "%s is not a loopback address: TLS cannot be off", s.Address)
	case s.TLS.ACME.Directory != "":
		c.validateACME(rep)
	case !s.TLS.Off && s.TLS.CertFile == "":
		rep.bad("server.tls.cert_file", "missing (vaultferry init writes one)")
	case !s.TLS.Off && s.TLS.KeyFile == "":
		rep.bad("server.tls.key_file", "missing")
	}
	if words := s.Choices()["client_auth"]; !slices.Contains(words, s.ClientAuth) {
		rep.bad("server.client_auth", "use %s", anyOf(words))
	}
	if s.TLS.Off && s.ClientCAFile != "" {
		rep.bad("server.client_ca_file", "client certificates need TLS")
	}
	c.validateAdmin(rep)
	c.validateProxies(rep)
	c.validateKeyring(rep)
	if c.Audit.File == "" {
		rep.bad("audit.file", "missing")
	}
	c.validateSyslog(rep)
	c.validateWitnesses(rep)
	c.validateLog(rep)
	c.validateTraces(rep)
}

func (c *Config) validateAdmin(rep *report) {
	a := c.Admin
	if (a.TLS.CertFile == "") != (a.TLS.KeyFile == "") {
		rep.bad("admin.tls", "cert_file and key_file belong together")
	}
	if !a.Token.IsNone() && !access.Strong(a.Token.Reveal()) {
		rep.bad("admin.token", "it can be guessed: fewer than %d bits, as far as can be seen; make another with: openssl rand -hex 32", access.StrongBits)
	}
	if a.Address == "" {
		return
	}
	address(rep, "admin.address", a.Address)
	if _, port, _ := net.SplitHostPort(c.Server.Address); a.Address == c.Server.Address && port != "0" {
		rep.bad("admin.address", "the same as server.address")
	}
	if Loopback(a.Address) {
		return
	}
	if a.Token.IsNone() {
		rep.warn("admin.address", "%s is not a loopback address: whoever reaches it reads the names of stores and operations, without credentials", a.Address)
	}
	switch {
	case a.Pprof && a.Token.IsNone():
		rep.bad("admin.pprof", "%s is not a loopback address: profiles need admin.token there", a.Address)
	case !a.Token.IsNone() && a.TLS.CertFile == "":
		rep.bad("admin.tls", "%s is not a loopback address: without a certificate the token goes to whoever listens in", a.Address)
	}
}

func (c *Config) validateLog(rep *report) {
	for key, word := range map[string]string{"level": c.Log.Level, "format": c.Log.Format} {
		if words := c.Log.Choices()[key]; !slices.Contains(words, word) {
			rep.bad("log."+key, "use %s", anyOf(words))
		}
	}
}

func (c *Config) validateTraces(rep *report) {
	t := c.Traces
	if t.Endpoint == "" {
		return
	}
	switch u, err := url.Parse(t.Endpoint); {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		rep.bad("traces.endpoint", "not a URL such as https://otel.example.com:4318/v1/traces")
	case u.Scheme == "http" && !Loopback(u.Host) && !t.Token.IsNone():
		rep.bad("traces.endpoint", "http would send the token to whoever listens in: use https")
	}
}

func (c *Config) validateSyslog(rep *report) {
	s := c.Audit.Syslog
	switch {
	case s.Address != "":
		address(rep, "audit.syslog.address", s.Address)
	case s != Syslog{}:
		rep.bad("audit.syslog.address", "missing")
	}
	if (s.CertFile == "") != (s.KeyFile == "") {
		rep.bad("audit.syslog", "cert_file and key_file belong together")
	}
}

func (c *Config) validateWitnesses(rep *report) {
	for i, w := range c.Audit.Witnesses {
		at := fmt.Sprintf("audit.witnesses[%d]", i)
		switch u, err := url.Parse(w.URL); {
		case err != nil || u.Scheme != "https" || u.Host == "":
			rep.bad(at+".url", "not an https URL")
		case u.User != nil:
			rep.bad(at+".url", "holds a user; a witness knows a gateway by its signature alone")
		case slices.ContainsFunc(c.Audit.Witnesses[:i], func(other AuditWitness) bool { return other.URL == w.URL }):
			rep.bad(at+".url", "named twice")
		}
		if !gatewayID.MatchString(w.Gateway) {
			rep.bad(at+".gateway", "not the id of a gateway: 32 lower-case hex digits, its gateway.id, or what vaultferry keys list prints")
		}
		if w.KeyFile == "" {
			rep.bad(at+".key_file", "missing")
		}
	}
	if w := c.Audit.Witness; (w.File == "") != (w.KeyFile == "") {
		rep.bad("audit.witness", "file and key_file belong together")
	}
}

// Listen makes another address the server's, by the same rules as the file's.
func (c *Config) Listen(at string) error {
	var rep report
	address(&rep, "", at)
	if c.Server.TLS.Off && !Loopback(at) {
		rep.bad("", "%s is not a loopback address: TLS cannot be off", at)
	}
	if bad, _ := rep.split(); len(bad) > 0 {
		return errors.New(bad[0].String())
	}
	c.Server.Address = at
	return nil
}

func address(rep *report, path, s string) {
	if s == "" {
		rep.bad(path, "missing")
		return
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		rep.bad(path, "not an address; write HOST:PORT")
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		rep.bad(path, "not a port: %q", port)
	}
}

// Loopback reports whether nobody but this machine can reach the address.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (c *Config) validateStores(rep *report, kinds backends.Registry) {
	if len(c.Stores) == 0 {
		rep.bad("stores", "missing: name at least one store")
	}
	seen := map[string]bool{}
	for i := range c.Stores {
		s := &c.Stores[i]
		at := fmt.Sprintf("stores[%d]", i)
		switch {
		case s.Name == "":
			rep.bad(at+".name", "missing")
		case !storeName.MatchString(s.Name):
			rep.bad(at+".name", "letters, digits and ._- are allowed, 63 at most, a letter or digit first")
		case seen[s.Name]:
			rep.bad(at+".name", "%q is the name of an earlier store too", s.Name)
		}
		seen[s.Name] = true
		if words := s.Choices()["on_loss"]; !slices.Contains(words, s.OnLoss) {
			rep.bad(at+".on_loss", "use %s", anyOf(words))
		}
		if s.OnLoss == string(gateway.LossArchive) && c.Archive.Dir == "" {
			rep.bad(at+".on_loss", "archive needs archive.dir, a folder for what the store cannot hold")
		}
		s.validateBackend(rep, at, kinds)
	}
}

// anyOf is "a, b or c".
func anyOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// CheckStore returns an *Error with all that keeps the store from being opened, for
// a configuration of LoadUnresolved.
func (c *Config) CheckStore(name string, kinds backends.Registry) error {
	i := slices.IndexFunc(c.Stores, func(s Store) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no store %q", name)
	}
	var rep report
	c.Stores[i].validateBackend(&rep, fmt.Sprintf("stores[%d]", i), kinds)
	if bad, _ := rep.split(); len(bad) > 0 {
		return &Error{File: c.Stores[i].refs.file, Problems: bad}
	}
	return nil
}

func (s *Store) validateBackend(rep *report, at string, kinds backends.Registry) {
	known := kinds.Kinds()
	for key := range s.Sections {
		switch {
		case key == s.Backend:
		case slices.Contains(known, key) && s.Backend != "" && !slices.Contains(known, s.Backend):
			// A misspelt backend, which is said below; the section is right.
		case slices.Contains(known, key):
			rep.bad(at+"."+key, "the store's backend is %q, so this section belongs to none", s.Backend)
		default:
			rep.bad(at+"."+key, "unknown key")
		}
	}
	if s.Backend == "" {
		rep.bad(at+".backend", "missing (known: %s)", strings.Join(kinds.Kinds(), ", "))
		return
	}
	d, err := kinds.Find(s.Backend)
	if err != nil {
		rep.bad(at+".backend", "unknown backend %q (known: %s)", s.Backend, strings.Join(kinds.Kinds(), ", "))
		return
	}
	if err := d.Check(s.Section()); err != nil {
		rep.addTree(at+"."+s.Backend, "", err)
	}
}

// Section is what the store's driver decodes.
func (s *Store) Section() backends.Section {
	raw := s.Sections[s.Backend]
	if raw == nil {
		raw = map[string]any{}
	}
	r := s.refs
	if r == nil { // made by a program, whose paths are absolute
		r = &refs{}
	}
	return &section{raw: raw, refs: r}
}

// Store returns the store called name.
func (c *Config) Store(name string) (*Store, bool) {
	i := slices.IndexFunc(c.Stores, func(s Store) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return &c.Stores[i], true
}
