package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/control"
)

func (a *app) statusCommand() *cobra.Command {
	var ready bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how the running gateway fares",
		Long: `Asks the gateway that runs with this configuration, through its control socket,
and shows its stores, its audit, the gateways that share its stores, what ends
soon, its keys, and when each store was last backed up since the gateway began.
It asks no product. Gateways know of each other only over a store of kind
postgres, where each writes every few seconds that it is there.

The exit code is 1 if something needs attention: a store is down, another
gateway has been silent for a minute, gateways have had different versions for
an hour, the audit cannot be written or was damaged or its disk is low, a
witness has not signed for five minutes, this gateway as a witness does not sign
another's audit, the configuration is stale, or something has ended or ends
within a week.

With --ready it is 1 only where the gateway takes no requests, as /readyz tells
balancers. That is for the health check of a container, whose image has no shell.`,
		Example: `  vaultferry status
  vaultferry status --output json
  vaultferry status --ready`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), ready) },
	}
	c.Flags().BoolVar(&ready, "ready", false, "ask only whether the gateway takes requests")
	return c
}

// dialGateway connects to the gateway that runs with this configuration; the
// advice is for who has turned the socket off.
func (a *app) dialGateway(ctx context.Context, advice string) (*control.Client, error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, err
	}
	if cfg.Control.Socket == "" {
		return nil, usagef("control.socket is off, so a running gateway cannot be asked%s", advice)
	}
	c, err := control.Connect(ctx, cfg.Control.Socket)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Control.Socket, err)
	}
	return c, nil
}

func (a *app) status(ctx context.Context, ready bool) (err error) {
	c, err := a.dialGateway(ctx, "; its admin.address tells less")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	o, err := c.Overview(ctx, a.call("status"))
	if err != nil {
		return err
	}
	if ready {
		if err := notReady(&o); err != nil {
			return err
		}
		return a.print(readyView{true}, func(w io.Writer) error { _, err := fmt.Fprintln(w, "ready"); return err })
	}
	v := &statusView{Overview: o, Attention: attention(&o, a.now())}
	return errors.Join(a.print(v, func(w io.Writer) error { return v.text(w, a.now()) }), exitIfAny(len(v.Attention)))
}

// readyView is what --ready shows; where it does not hold there is an error.
type readyView struct {
	Ready bool `json:"ready"`
}

// notReady says why the gateway takes no requests, by the rule of /readyz.
func notReady(o *control.Overview) error {
	switch {
	case o.Audit.Trouble != "":
		return fmt.Errorf("the audit cannot be written, so every request is refused: %s", o.Audit.Trouble)
	case o.Stopping:
		return errors.New("the gateway is stopping")
	}
	return nil
}

// statusView is the overview, with what needs a look.
type statusView struct {
	control.Overview
	Attention []string `json:"attention"`
}

// attention lists what an operator should look at, worst first.
func attention(o *control.Overview, now time.Time) []string {
	found := []string{}
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if o.Audit.Trouble != "" {
		say("the audit cannot be written, so every request is refused: %s", o.Audit.Trouble)
	}
	found = append(found, witnessRewritten(o.Audit.Witnesses)...)
	if o.Audit.Damaged > 0 {
		say("the audit's file was changed by somebody else, %d times: see the log", o.Audit.Damaged)
	}
	for _, st := range o.Stores {
		if st.State == gateway.StoreDown {
			say("store %s is down: %s", st.Name, st.Reason)
		}
	}
	found = append(found, fleetAttention(o.Fleet, now)...)
	if o.Audit.Low {
		say("the audit's disk is nearly full")
	}
	found = append(append(found, witnessSilence(o.Audit.Witnesses, now)...), witnessRefusals(o.Audit.WitnessOf)...)
	if o.Audit.Missed > 0 {
		say("the collector of audit lines did not get %d; they stand in the file", o.Audit.Missed)
	}
	if o.Configuration.Stale {
		say("the configuration has changed and was not taken: vaultferry reload says why")
	}
	for _, e := range o.Ends {
		switch left := e.At.Sub(now); {
		case left <= 0 && e.Renewed:
			say("%s has ended, and no other one came", e.What)
		case left <= 0:
			say("%s has ended", e.What)
		case e.Renewed:
		case left < endsSoon:
			say("%s ends in %s", e.What, roughly(left))
		}
	}
	return found
}

// roughly is a span for people: days, hours or minutes.
func roughly(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		switch n := int(d / unit.of); {
		case n == 1:
			return "1 " + unit.name
		case n > 1:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return "less than a minute"
}

func (v *statusView) text(w io.Writer, now time.Time) error {
	rows := [][]string{
		{"gateway", fmt.Sprintf("%s, pid %d, for %s", v.Version, v.PID, roughly(now.Sub(v.Began)))},
		{"id", v.Gateway},
		{"address", strings.TrimSuffix(v.Address+", admin "+v.Admin, ", admin ")},
		{"configuration", fmt.Sprintf("%s, taken %s ago", v.Configuration.File, roughly(now.Sub(v.Configuration.Taken)))},
		{"audit", fmt.Sprintf("%s, %s, %s free", v.Audit.File, inUnits(v.Audit.FileBytes), inUnits(v.Audit.FreeBytes))},
	}
	rows = append(rows, witnessRows(&v.Audit, now)...)
	for _, st := range v.Stores {
		line := fmt.Sprintf("%s (%s): %s", st.Name, st.Kind, st.State)
		if !st.Since.IsZero() {
			line += " for " + roughly(now.Sub(st.Since))
		}
		line += fmt.Sprintf(", %d of %d calls", st.Running, st.Concurrency)
		if !st.BackedUp.IsZero() {
			line += ", last backup " + roughly(now.Sub(st.BackedUp)) + " ago"
		}
		rows = append(rows, []string{"store", line})
	}
	rows = append(append(rows, fleetRows(v.Fleet, now)...), []string{"keyring", v.Keyring})
	for _, k := range v.Keys {
		if k.Active {
			rows = append(rows, []string{"key", k.ID + " (" + k.Use + ")"})
		}
	}
	for _, e := range v.Ends {
		line := e.At.UTC().Format(time.DateOnly) + "  " + e.What
		if e.Renewed {
			line += ", renewed by itself"
		}
		rows = append(rows, []string{"ends", line})
	}
	for _, line := range v.Attention {
		rows = append(rows, []string{"look at", line})
	}
	return table(w, rows)
}

// inUnits is a number of bytes for people.
func inUnits(n int64) string {
	if n < 0 {
		return "unknown"
	}
	for _, unit := range []struct {
		of   int64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.of {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit.of), unit.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// overview is what the running gateway tells of itself.
func (r *reloader) overview() control.Overview {
	now := r.shown.Load()
	rt, a := now.rt, now.rt.service.AuditState()
	o := control.Overview{
		Version: readVersion().Version, PID: os.Getpid(), Gateway: rt.service.Gateway(), Began: r.began,
		Address: r.server.Address(), Admin: r.server.AdminAddress(),
		Configuration: control.ConfigurationState{File: r.app.configPath(), Taken: now.taken, Stale: now.stale},
		Stores:        rt.service.Health(),
		Fleet:         rt.service.Fleet(),
		Stopping:      rt.edge.stopping.Load(),
		Audit: control.AuditOverview{
			File: rt.cfg.Audit.File, FileBytes: a.FileBytes, FreeBytes: a.FreeBytes, Low: a.Low, Damaged: a.Damaged, Checkpointed: a.Checkpointed,
		},
		Ends:    rt.ends(r.app.now()),
		Keyring: rt.source.Name(), Keys: []control.KeyOverview{},
	}
	if err := rt.service.Ready(); err != nil {
		o.Audit.Trouble = err.Error()
	}
	if rt.syslog != nil {
		o.Audit.Missed, o.Audit.Waiting = rt.syslog.Missed(), rt.syslog.Waiting()
	}
	o.Audit.Witnesses = rt.witnesses.States()
	if rt.witness != nil {
		o.Audit.WitnessOf = rt.witness.Logs()
	}
	for _, k := range rt.keys.Keys() {
		o.Keys = append(o.Keys, control.KeyOverview{ID: k.ID, Use: k.Use, Active: k.Active, Retired: k.Retired})
	}
	return o
}
