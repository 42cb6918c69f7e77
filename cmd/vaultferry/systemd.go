package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/vaultferry/vaultferry/gateway/httpd"
)

// adminSocket is the FileDescriptorName of the socket for operators; the other
// one is for clients, whatever its name.
const adminSocket = "admin"

// inheritedListeners are the sockets that systemd opened. Without any the
// gateway opens its own.
func inheritedListeners() (in httpd.Inherited, err error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return in, fmt.Errorf("the sockets of systemd: %w", err)
	}
	for name, listeners := range named {
		for _, l := range listeners {
			place := &in.Main
			if name == adminSocket {
				place = &in.Admin
			}
			if l == nil {
				return in, usagef("systemd's socket %s is not one that connections are accepted on", name)
			}
			if *place != nil {
				return in, usagef("systemd passes two sockets for the same listener; one is for clients, and one named %s is for operators", adminSocket)
			}
			*place = l
		}
	}
	return in, nil
}

// tellSystemd says a state to the manager, where one wants to know. The gateway
// serves also where that fails.
func tellSystemd(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be told", slog.String("state", state), slog.Any("error", err))
	}
}

// feedWatchdog tells systemd that the gateway lives, twice as often as it wants
// to know, until ctx ends. A gateway whose audit no longer answers is not alive:
// no call gets past it. That it cannot be written is no such case, for a restart
// would not mend it.
func feedWatchdog(ctx context.Context, rt *runtime) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		rt.service.AwaitAudit()
		tellSystemd(rt.log, daemon.SdNotifyWatchdog)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
