// Command vault is a Vault server for tests: Vault's own core, HTTP interface,
// storage and engines, with no more of them than our tests use, so that it
// builds in a fraction of the time. Of Vault's command line it knows
// "server -dev" and "server -config=FILE" with the flags below.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/cli"
	"github.com/hashicorp/go-hclog"
	aead "github.com/hashicorp/go-kms-wrapping/wrappers/aead/v2"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/command/server"
	"github.com/hashicorp/vault/helper/metricsutil"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
	"github.com/hashicorp/vault/vault/seal"
	"github.com/hashicorp/vault/version"
)

type flags struct {
	config, logLevel              string
	dev, devTLS                   bool
	devToken, devListen, devCerts string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "version" {
		fmt.Println(version.GetVersion().FullVersionNumber(true))
		return nil
	}
	if len(args) == 0 || args[0] != "server" {
		return errors.New("usage: vault server -dev | -config=FILE, or vault version")
	}
	var f flags
	set := flag.NewFlagSet("server", flag.ContinueOnError)
	set.StringVar(&f.config, "config", "", "the file with the configuration")
	set.StringVar(&f.logLevel, "log-level", "info", "what is logged at least")
	set.BoolVar(&f.dev, "dev", false, "in memory, unsealed, KV v2 at secret/")
	set.StringVar(&f.devToken, "dev-root-token-id", "", "the root token of -dev")
	set.StringVar(&f.devListen, "dev-listen-address", "127.0.0.1:8200", "where -dev listens")
	set.BoolVar(&f.devTLS, "dev-tls", false, "HTTPS, under a CA of its own")
	set.StringVar(&f.devCerts, "dev-tls-cert-dir", "", "where -dev-tls puts its certificates")
	set.Bool("dev-no-store-token", true, "always so: the token is stored nowhere")
	if err := set.Parse(args[1:]); err != nil {
		return err
	}
	return serve(&f)
}

func (f *flags) load() (conf *server.Config, err error) {
	switch {
	case !f.dev && f.config == "":
		return nil, errors.New("one of -dev and -config is needed")
	case !f.dev:
		conf, err = server.LoadConfig(f.config)
	case f.devTLS && f.devCerts == "":
		return nil, errors.New("-dev-tls needs -dev-tls-cert-dir")
	case f.devTLS:
		conf, err = server.DevTLSConfig("inmem", f.devCerts, nil)
	default:
		conf, err = server.DevConfig("inmem")
	}
	if err != nil {
		return nil, err
	}
	if f.dev {
		conf.Listeners[0].Address = f.devListen
		conf.Listeners[0].Telemetry.UnauthenticatedMetricsAccess = true
	}
	if conf.Storage == nil || len(conf.Seals) > 0 || conf.HAStorage != nil || conf.ServiceRegistration != nil {
		return nil, errors.New("the configuration names no storage, or a seal, HA storage or service registration, which this server has not")
	}
	return conf, nil
}

// serve does what Vault's command/server.go does, in the same order.
func serve(f *flags) error {
	conf, err := f.load()
	if err != nil {
		return err
	}
	log := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Output: os.Stderr, Level: hclog.LevelFromString(f.logLevel), IndependentLevels: true,
	})
	core, err := newCore(f, conf, log)
	if err != nil {
		return err
	}
	lns, peers, err := listen(conf)
	if err != nil {
		return err
	}
	core.SetClusterListenerAddrs(peers)
	core.SetClusterHandler(vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: new(configutil.Listener)}))
	if f.dev {
		if err := initialize(core, f.devToken); err != nil {
			return fmt.Errorf("initialize: %w", err)
		}
	}
	for i, ln := range lns {
		s := &http.Server{
			Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
				Core: core, ListenerConfig: conf.Listeners[i], DisablePrintableCheck: conf.DisablePrintableCheck,
			}),
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       30 * time.Second,
			IdleTimeout:       5 * time.Minute,
			ErrorLog:          log.StandardLogger(nil),
		}
		go func() { _ = s.Serve(ln) }()
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	<-end
	for _, ln := range lns {
		_ = ln.Close()
	}
	return core.Shutdown()
}

func newCore(f *flags, conf *server.Config, log hclog.InterceptLogger) (*vault.Core, error) {
	factory, ok := map[string]physical.Factory{"inmem": inmem.NewInmem, "raft": raft.NewRaftBackend}[conf.Storage.Type]
	if !ok {
		return nil, fmt.Errorf("this server has no storage %q", conf.Storage.Type)
	}
	storage, err := factory(conf.Storage.Config, log.Named("storage."+conf.Storage.Type))
	if err != nil {
		return nil, err
	}
	inm, sink, prometheus, err := configutil.SetupTelemetry(&configutil.SetupTelemetryOpts{
		Config: conf.Telemetry, Ui: ui(), ServiceName: "vault", DisplayName: "Vault", ClusterName: conf.ClusterName,
	})
	if err != nil {
		return nil, err
	}
	shamir, err := newSeal(log)
	if err != nil {
		return nil, err
	}
	c := &vault.CoreConfig{
		RawConfig:                      conf,
		Physical:                       storage,
		StorageType:                    conf.Storage.Type,
		RedirectAddr:                   conf.Storage.RedirectAddr,
		Seal:                           shamir,
		AuditBackends:                  map[string]audit.Factory{"file": audit.NewFileBackend},
		CredentialBackends:             credentials(),
		LogicalBackends:                engines(),
		BuiltinRegistry:                builtins{},
		LogLevel:                       f.logLevel,
		Logger:                         log,
		AllLoggers:                     []hclog.Logger{log},
		DisableCache:                   conf.DisableCache,
		DisableMlock:                   conf.DisableMlock,
		MaxLeaseTTL:                    conf.MaxLeaseTTL,
		DefaultLeaseTTL:                conf.DefaultLeaseTTL,
		ClusterName:                    conf.ClusterName,
		CacheSize:                      conf.CacheSize,
		EnableRaw:                      conf.EnableRawEndpoint || f.dev,
		EnableIntrospection:            conf.EnableIntrospectionEndpoint || f.dev,
		DisableKeyEncodingChecks:       conf.DisablePrintableCheck,
		MetricsHelper:                  metricsutil.NewMetricsHelper(inm, prometheus),
		MetricSink:                     sink,
		EnableResponseHeaderHostname:   conf.EnableResponseHeaderHostname,
		EnableResponseHeaderRaftNodeID: conf.EnableResponseHeaderRaftNodeID,
		DisableSSCTokens:               conf.DisableSSCTokens,
		DevToken:                       f.devToken,
	}
	if ha, ok := storage.(physical.HABackend); ok {
		c.HAPhysical, c.ClusterAddr = ha, conf.Storage.ClusterAddr
		if c.RedirectAddr == "" || c.ClusterAddr == "" {
			return nil, errors.New("this storage needs api_addr and cluster_addr")
		}
	}
	if f.dev {
		scheme := "http://"
		if f.devTLS {
			scheme = "https://"
		}
		c.RedirectAddr = scheme + f.devListen
	}
	core, err := vault.NewCore(c)
	if err != nil && !vault.IsFatalError(err) {
		log.Warn("initializing the core", "error", err)
		err = nil
	}
	return core, err
}

// newSeal is the seal of shares of a key, the only one here.
func newSeal(log hclog.Logger) (vault.Seal, error) {
	name := vault.SealConfigTypeShamir.String()
	kms := []*configutil.KMS{{Type: name, Priority: 1, Name: name}}
	generation := &seal.SealGenerationInfo{Generation: 1, Seals: kms}
	wrapper := seal.NewSealWrapper(aead.NewShamirWrapper(), 1, name, name, false, true)
	access, err := seal.NewAccess(log, generation, []*seal.SealWrapper{wrapper})
	if err != nil {
		return nil, err
	}
	generation.SetRewrapped(true)
	return vault.NewDefaultSeal(access), nil
}

// listen opens the listeners, fills in what their configuration leaves to the
// defaults, and tells where servers of a cluster reach each other.
func listen(conf *server.Config) (lns []net.Listener, peers []*net.TCPAddr, err error) {
	for _, c := range conf.Listeners {
		ln, _, _, err := server.NewListener(c, os.Stderr, ui())
		if err != nil {
			return nil, nil, err
		}
		at, ok := ln.Addr().(*net.TCPAddr)
		if !ok {
			return nil, nil, fmt.Errorf("this server does not listen on %q", c.Type)
		}
		peer := &net.TCPAddr{IP: at.IP, Port: at.Port + 1}
		if c.ClusterAddress != "" {
			if peer, err = net.ResolveTCPAddr("tcp", c.ClusterAddress); err != nil {
				return nil, nil, err
			}
		}
		orElse(&c.MaxRequestSize, vaulthttp.DefaultMaxRequestSize)
		orElse(&c.CustomMaxJSONDepth, vaulthttp.CustomMaxJSONDepth)
		orElse(&c.CustomMaxJSONStringValueLength, vaulthttp.CustomMaxJSONStringValueLength)
		orElse(&c.CustomMaxJSONObjectEntryCount, vaulthttp.CustomMaxJSONObjectEntryCount)
		orElse(&c.CustomMaxJSONArrayElementCount, vaulthttp.CustomMaxJSONArrayElementCount)
		orElse(&c.MaxRequestDuration, vault.DefaultMaxRequestDuration)
		lns, peers = append(lns, ln), append(peers, peer)
	}
	return lns, peers, nil
}

func orElse[T comparable](v *T, otherwise T) {
	var none T
	if *v == none {
		*v = otherwise
	}
}

func ui() cli.Ui { return &cli.BasicUi{Reader: strings.NewReader(""), Writer: os.Stderr} }
