package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDifferent   = 3
	exitCredential  = 4
	exitInterrupted = 130
)

// app is what every command works with.
type app struct {
	in          io.Reader
	out, errOut io.Writer
	now         func() time.Time

	configFile string
	output     string
	timeout    time.Duration // of one call to a store
	level      slog.Level    // of the log, from which on
	jsonLog    bool          // the log is JSON also where output is not
	sealed     *transitSource
	sealedOf   *config.Config  // whose source sealed is
	interrupts context.Context // of the whole command; nil: nothing interrupts it
	atOnce     int             // backups and restores, where server.max_blobs is less: of a move
}

// exitError ends the program with a code. Without a cause, everything has
// been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "exit " + strconv.Itoa(e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitIfAny ends a command whose report names each failure already.
func exitIfAny(n int) error {
	if n == 0 {
		return nil
	}
	return &exitError{code: exitFailed}
}

// run executes one command line and returns its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	started := false
	a.interrupts = ctx
	root := a.root()
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		started = true
		switch {
		case a.output != "text" && a.output != "json":
			return usagef("--output is text or json, not %q", a.output)
		case a.timeout <= 0:
			return usagef("--timeout is longer than zero")
		}
		return a.checkOutputs(cmd, args)
	}
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if unknown := misspelt(cmd, args); unknown != nil {
			return unknown
		}
		return wrongFlag(cmd, err)
	})
	err := root.ExecuteContext(ctx)
	var exit *exitError
	var bad *config.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit) && exit.err == nil:
		return exit.code
	case ctx.Err() != nil:
		if !errors.Is(err, context.Canceled) {
			a.complain(message(err))
		}
		a.complain("interrupted")
		return exitInterrupted
	}
	switch {
	case exit != nil:
		a.complain(err.Error())
		return exit.code
	case errors.As(err, &bad):
		a.complain(err.Error())
		return exitUsage
	}
	a.complain(message(err))
	if isDead(err) {
		return exitCredential
	}
	if !started { // cobra refused the command line
		return exitUsage
	}
	return exitFailed
}

func (a *app) complain(message string) {
	word := "vaultferry:"
	if isTerminal(a.errOut) {
		word = "\x1b[31m" + word + "\x1b[0m"
	}
	_, _ = fmt.Fprintln(a.errOut, word, visible(message)) // nowhere left to complain
}

func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "vaultferry",
		Short: "Carries secrets between the vaults of several vendors",
		Long: `vaultferry speaks the secrets APIs of Azure Key Vault and Huawei Cloud CSMS in
front, keeps secrets in several products behind, and carries them from one to
another, with their whole history, as sealed backups.

Exit codes: 0 done, 1 part or all of the work failed, 2 wrong usage or
configuration, 3 a comparison found a difference, 4 the product does not take
the store's credential any more, 130 interrupted.`,
		Example: `  vaultferry demo
  vaultferry serve --dev
  vaultferry init gateway && cd gateway && vaultferry serve`,
		SilenceUsage: true, SilenceErrors: true, Version: readVersion().line(),
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetHelpCommand(helpCommand())
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	root.PersistentFlags().StringVar(&a.configFile, "config", "", "configuration file (default $VAULTFERRY_CONFIG, else ./vaultferry.yaml)")
	root.PersistentFlags().StringVar(&a.output, "output", "text", "text for people, json for programs")
	a.addGroups(root)
	root.AddCommand(a.versionCommand())
	return root
}

// addGroups adds the commands as the help lists them.
func (a *app) addGroups(root *cobra.Command) {
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"use", "Use secrets:", []*cobra.Command{
			a.setCommand(), a.getCommand(), a.listCommand(), a.showCommand(), a.versionsCommand(),
			a.deleteCommand(), a.recoverCommand(), a.demoCommand(),
		}},
		{"move", "Move secrets:", []*cobra.Command{
			a.backupCommand(), a.restoreCommand(), a.inspectCommand(), a.inventoryCommand(), a.diffCommand(),
			a.migrateCommand(), a.reportCommand(), a.snapshotCommand(),
		}},
		{"operate", "Operate a gateway:", []*cobra.Command{
			a.initCommand(), a.checkCommand(), a.serveCommand(), a.statusCommand(), a.reloadCommand(), a.callersCommand(), a.policyCommand(), a.sweepCommand(), a.storeCommand(), a.auditCommand(),
		}},
		{"keys", "Look after keys:", []*cobra.Command{a.keysCommand(), a.certCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
			if callsStore(c) {
				a.timeoutFlag(c)
			}
		}
	}
}

func (a *app) timeoutFlag(c *cobra.Command) {
	c.Flags().DurationVar(&a.timeout, "timeout", defaultTimeout, "how long the work on one secret, or on a part of a list, may take, with all waiting for a busy product")
}

// defaultTimeout is far above the stores' own: nobody waits at the other end of
// a connection, and what has begun had better come to its end.
const defaultTimeout = 10 * time.Minute

// callsStore: what the command does is calls to a store, which take time. Commands
// below one of these see to it themselves.
func callsStore(c *cobra.Command) bool {
	return !slices.Contains([]string{"demo", "inspect", "init", "check", "serve", "reload", "callers", "policy", "snapshot", "store", "keys", "cert", "migrate", "report"}, c.Name())
}

// configPath is where the configuration is, or would be.
func (a *app) configPath() string {
	if a.configFile != "" {
		return a.configFile
	}
	if s := os.Getenv("VAULTFERRY_CONFIG"); s != "" {
		return s
	}
	return "vaultferry.yaml"
}

func (a *app) load() (*config.Config, []config.Problem, error) {
	if _, err := os.Stat(a.configPath()); errors.Is(err, os.ErrNotExist) {
		return nil, nil, a.noConfig()
	}
	return a.loadBy(config.Load)
}

// loadUnresolved is load for a command that needs no secret of the configuration,
// or those of one store: see config.Config.CheckStore.
func (a *app) loadUnresolved() (*config.Config, error) {
	if _, err := os.Stat(a.configPath()); errors.Is(err, os.ErrNotExist) {
		return nil, a.noConfig()
	}
	cfg, _, err := a.loadBy(config.LoadUnresolved)
	return cfg, err
}

func (a *app) loadBy(load func(string, backends.Registry) (*config.Config, []config.Problem, error)) (*config.Config, []config.Problem, error) {
	var problems []config.Problem
	read := func() (cfg *config.Config, err error) {
		cfg, problems, err = load(a.configPath(), all.Registry())
		return cfg, err
	}
	if a.interrupts == nil {
		cfg, err := read()
		return cfg, problems, err
	}
	cfg, err := fromPipe(a.interrupts, read)
	if err != nil && cfg == nil && errors.Is(err, context.Canceled) {
		return nil, nil, err
	}
	return cfg, problems, err
}

// log writes to standard error: standard output is for results.
func (a *app) log() *slog.Logger {
	o := &slog.HandlerOptions{Level: a.level, ReplaceAttr: sayDuration}
	if a.output == "json" || a.jsonLog {
		return slog.New(slog.NewJSONHandler(a.errOut, o))
	}
	return slog.New(slog.NewTextHandler(a.errOut, o))
}

// sayDuration writes a duration as configurations have it (1m30s), in JSON too.
func sayDuration(_ []string, at slog.Attr) slog.Attr {
	if at.Value.Kind() == slog.KindDuration {
		at.Value = slog.StringValue(at.Value.Duration().String())
	}
	return at
}

// logAs is for a gateway: commands say themselves what there is to say.
func (a *app) logAs(l config.Log) error {
	a.jsonLog = l.Format == "json"
	return a.level.UnmarshalText([]byte(l.Level))
}

// call is how the audit knows what this command does.
func (a *app) call(op string) gateway.Call {
	return gateway.Call{
		Caller: access.Local(userName()), Op: "cli." + op, RequestID: uuid.NewString(), NativeBlobs: true, TellTrash: true, Timeout: a.timeout,
	}
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
