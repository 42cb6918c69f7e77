package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/callerfile"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) callersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "callers",
		Short: "Make and retire credentials of callers",
		Long: `Callers are configured; their tokens and access keys may also be in callers_file,
which these commands write and nobody else does. Tokens stand in it as hashes,
access keys sealed with the keyring. A change of it by another hand is an error.

A running gateway takes a change with "vaultferry reload".`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	key := &cobra.Command{
		Use: "key", Short: "Make, retire and seal access keys of Huawei's API",
		Args: unknownCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	key.AddCommand(a.callersNewCommand(callerfile.AccessKey), a.callersRetireCommand(callerfile.AccessKey), a.callersSealCommand())
	token := &cobra.Command{
		Use: "token", Short: "Make and retire bearer tokens",
		Args: unknownCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	token.AddCommand(a.callersNewCommand(callerfile.Token), a.callersRetireCommand(callerfile.Token))
	cmd.AddCommand(a.callersListCommand(), key, token)
	return cmd
}

// callersConfig is the configuration of a command about the caller, and the
// keyring that its callers_file is sealed with.
func (a *app) callersConfig(ctx context.Context, caller string) (*config.Config, *backup.Keyring, error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, nil, err
	}
	if !isCaller(cfg, caller) {
		return nil, nil, usagef("there is no caller %q: callers are configured first", caller)
	}
	keys, err := a.keyring(ctx, cfg)
	return cfg, keys, err
}

func isCaller(cfg *config.Config, name string) bool {
	return slices.ContainsFunc(cfg.Callers, func(c config.Caller) bool { return c.Name == name })
}

// editCallers changes the file, between two lines of the audit about a credential
// of the kind, whose id edit returns.
func (a *app) editCallers(cfg *config.Config, keys *backup.Keyring, op string, kind callerfile.Kind, caller string, edit func(*callerfile.File) (id string, err error)) error {
	return a.between(cfg, op, cfg.CallersFile, func(e *audit.Entry) error {
		return callerfile.Edit(cfg.CallersFile, keys, func(f *callerfile.File) error {
			id, err := edit(f)
			e.Key, e.Credential, e.Reason = id, access.CredentialOf(string(kind), id), "of caller "+caller
			return err
		})
	})
}

func requireCallersFile(cfg *config.Config) error {
	if cfg.CallersFile == "" {
		return usagef("callers_file is missing in the configuration: write callers_file: callers.json into it")
	}
	return nil
}

// newFlags are those of a new credential.
type newFlags struct {
	expires, file string
	addresses     []string
	w             writeFlags
}

func (f *newFlags) bounds(now time.Time) (b access.Bounds, err error) {
	if b.Expires, err = momentOf(f.expires, now); err != nil {
		return b, err
	}
	if !b.Expires.IsZero() && !b.Expires.After(now) {
		return b, usagef("--expires: %s is over already", f.expires)
	}
	for _, s := range f.addresses {
		p, err := config.ParseNetwork(s)
		if err != nil {
			return b, usagef("--addresses: %s", err)
		}
		b.Addresses = append(b.Addresses, p)
	}
	return b, nil
}

// momentOf reads a date, or a time from now on; empty: zero.
func momentOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	date, err := config.ParseDate(text)
	if err != nil {
		return time.Time{}, usagef("--expires: %q is neither a date, as 2027-01-31, nor a time from now, as 720h", text)
	}
	return date.Time(), nil
}

var kindWords = map[callerfile.Kind]string{callerfile.Token: "token", callerfile.AccessKey: "access key"}

func (a *app) callersNewCommand(kind callerfile.Kind) *cobra.Command {
	var f newFlags
	cmd := &cobra.Command{
		Use:   "new CALLER",
		Short: "Make a token, and print it once",
		Long: `Prints a new token of CALLER to standard output, and keeps its hash. It
is printed once. The tokens that the caller has stay good, so that programs can
change over; retire the old one afterwards.`,
		Example: `  vaultferry callers token new app --expires 2160h --output-file app.token
  vaultferry callers token new ci --addresses 10.20.0.0/16`,
		Args: arguments("CALLER"),
	}
	if kind == callerfile.AccessKey {
		cmd.Short = "Make an access key, and print it once"
		cmd.Long = `Prints a new access key of CALLER to standard output, and keeps it sealed
with the keyring. It is printed once. The keys that the caller has stay good, so
that programs can change over; retire the old one afterwards.`
		cmd.Example = `  vaultferry callers key new app
  vaultferry callers key new ci --addresses 10.20.0.0/16 --output-file ci.env`
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.w.requireTerminal(a); err != nil {
			return err
		}
		return a.callersNew(cmd.Context(), kind, args[0], &f)
	}
	cmd.Flags().StringVar(&f.expires, "expires", "", "when it ends: 2027-01-31, a time as 2027-01-31T18:00:00Z, or from now as 720h")
	cmd.Flags().StringSliceVar(&f.addresses, "addresses", nil, "addresses and networks from which it may be used (default: everywhere)")
	cmd.Flags().StringVar(&f.file, "output-file", "", "write it to a new file of mode 0600 instead")
	f.w.flags(cmd)
	return cmd
}

// madeView is a new credential as it is printed, once.
type madeView struct {
	Caller    string     `json:"caller"`
	Kind      string     `json:"kind"`
	ID        string     `json:"id,omitempty"`
	Secret    string     `json:"secret,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
	Addresses []string   `json:"addresses,omitempty"`
	Result    string     `json:"result"` // done or would
}

// text is what scripts paste: a token alone, or the variables of Huawei's SDKs.
func (v *madeView) text(w io.Writer) error {
	var err error
	switch {
	case v.Result != "done":
		_, err = fmt.Fprintf(w, "would make a new %s of %s\n", v.Kind, v.Caller)
	case v.Kind == kindWords[callerfile.Token]:
		_, err = fmt.Fprintln(w, v.Secret)
	default:
		_, err = fmt.Fprintf(w, "HUAWEICLOUD_SDK_AK=%s\nHUAWEICLOUD_SDK_SK=%s\n", v.ID, v.Secret)
	}
	return err
}

func (a *app) callersNew(ctx context.Context, kind callerfile.Kind, caller string, f *newFlags) error {
	cfg, keys, err := a.callersConfig(ctx, caller)
	if err != nil {
		return err
	}
	if err := requireCallersFile(cfg); err != nil {
		return err
	}
	bounds, err := f.bounds(a.now())
	if err != nil {
		return err
	}
	if err := mustBeNew(f.file); err != nil {
		return err
	}
	v := madeView{Caller: caller, Kind: kindWords[kind], Result: "would", Expires: timeOrNil(bounds.Expires), Addresses: f.addresses}
	if f.w.dryRun {
		return a.print(&v, v.text)
	}
	if err := f.w.approve(ctx, a, "make a new "+v.Kind+" of "+caller+"?"); err != nil {
		return err
	}
	op, written := "cli.callers."+string(kind)+".new", false
	err = a.editCallers(cfg, keys, op, kind, caller, func(file *callerfile.File) (string, error) {
		made, err := file.New(keys, kind, caller, a.now(), bounds)
		if err == nil {
			v.ID, v.Secret, v.Result = made.ID, string(made.Secret.Reveal()), "done"
			written, err = a.writeMade(&v, f.file) // first: what is kept and nobody has helps nobody
		}
		return made.ID, err
	})
	if err != nil && written {
		err = errors.Join(err, os.Remove(f.file))
	}
	if err == nil && f.file == "" {
		err = a.print(&v, v.text)
	}
	if err != nil {
		return err
	}
	a.note(fmt.Sprintf("%s %s of %s is good when the gateway has it: vaultferry reload", v.Kind, v.ID, caller))
	return nil
}

// writeMade writes to a new file what would be printed, if there is to be one.
func (a *app) writeMade(v *madeView, file string) (written bool, err error) {
	if file == "" {
		return false, nil
	}
	var b strings.Builder
	to := *a
	to.out = &b
	if err := to.print(v, v.text); err != nil {
		return false, err
	}
	err = writeFile(file, []byte(b.String()), false)
	return err == nil, err
}

// note tells people what programs need not know.
func (a *app) note(text string) {
	if !a.json() {
		_, _ = fmt.Fprintln(a.errOut, visible(text)) // nowhere left to complain
	}
}

func (a *app) callersRetireCommand(kind callerfile.Kind) *cobra.Command {
	var after time.Duration
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "retire CALLER [ID]",
		Short: "End a " + kindWords[kind] + " of a caller",
		Long: `Ends the ` + kindWords[kind] + ` ID of CALLER in callers_file, or the oldest one, if there
is more than one. What was issued from it ends, too. A running gateway takes it
with "vaultferry reload"; one that is given an end with --after ends by itself.`,
		Example: `  vaultferry callers ` + string(kind) + ` retire app --after 24h`,
		Args:    arguments("CALLER", "[ID]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			if after < 0 {
				return usagef("--after is not negative")
			}
			id := ""
			if len(args) > 1 {
				id = args[1]
			}
			return a.callersRetire(cmd.Context(), kind, args[0], id, after, &w)
		},
	}
	cmd.Flags().DurationVar(&after, "after", 0, "let it end so long from now")
	w.flags(cmd)
	return cmd
}

type retiredView struct {
	Caller string    `json:"caller"`
	Kind   string    `json:"kind"`
	ID     string    `json:"id"`
	Ends   time.Time `json:"ends"`
	Result string    `json:"result"` // done or would
}

func (v *retiredView) text(w io.Writer) error {
	word := "ends"
	if v.Result != "done" {
		word = "would end"
	}
	_, err := fmt.Fprintf(w, "%s %s of %s %s at %s\n", v.Kind, v.ID, v.Caller, word, v.Ends.Format(time.RFC3339))
	return err
}

func (a *app) callersRetire(ctx context.Context, kind callerfile.Kind, caller, id string, after time.Duration, w *writeFlags) error {
	cfg, keys, err := a.callersConfig(ctx, caller)
	if err != nil {
		return err
	}
	if err := requireCallersFile(cfg); err != nil {
		return err
	}
	now := a.now()
	v := retiredView{Caller: caller, Kind: kindWords[kind], Ends: now.Add(after).UTC().Truncate(time.Second), Result: "would"}
	file, err := callerfile.Load(cfg.CallersFile, keys)
	if err != nil {
		return err
	}
	if v.ID, err = file.Retire(kind, caller, id, now, v.Ends); err != nil { // on what stands, without writing it
		return err
	}
	if w.dryRun {
		return a.print(&v, v.text)
	}
	if err := w.approve(ctx, a, "end "+v.Kind+" "+v.ID+" of "+caller+"?"); err != nil {
		return err
	}
	op := "cli.callers." + string(kind) + ".retire"
	err = a.editCallers(cfg, keys, op, kind, caller, func(f *callerfile.File) (string, error) {
		return f.Retire(kind, caller, v.ID, now, v.Ends)
	})
	if err != nil {
		return err
	}
	v.Result = "done"
	return a.print(&v, v.text)
}

func (a *app) callersSealCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "seal CALLER AK",
		Short: "Seal an access key for the configuration",
		Long: `Reads the secret key of the access key AK from standard input, and prints it sealed
with the keyring, for access_keys[].sealed of CALLER in the configuration.
It opens for that caller alone.`,
		Example: `  vaultferry callers key seal app AKAPP < app.sk`,
		Args:    arguments("CALLER", "AK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, keys, err := a.callersConfig(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			sk, err := a.readValue(cmd.Context(), &setFlags{file: file})
			if err != nil {
				return err
			}
			text := strings.TrimRight(string(sk.Reveal()), "\r\n")
			sealed, err := keys.SealAccessKey(backup.AccessKey{Caller: args[0], ID: args[1], Secret: secret.TextValue(text)})
			if err != nil {
				return err
			}
			v := struct {
				Sealed string `json:"sealed"`
			}{sealed}
			return a.print(v, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, sealed)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&file, "value-file", "", "read it from a file instead (-: standard input)")
	return cmd
}
