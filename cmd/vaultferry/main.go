// Command vaultferry is a gateway that speaks the secrets APIs of Azure Key
// Vault and Huawei Cloud CSMS in front of several products, and carries
// secrets between them as sealed backups.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vaultferry/vaultferry/internal/coredump"
)

func main() { os.Exit(program()) }

// program is main with an exit code, so that deferred calls run.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	_ = coredump.Forbid() // where the system does not, the unit may
	a := &app{in: os.Stdin, out: os.Stdout, errOut: os.Stderr, now: time.Now}
	return a.run(ctx, os.Args[1:])
}
