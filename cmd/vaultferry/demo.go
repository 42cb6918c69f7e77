package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/internal/demo"
)

func (a *app) demoCommand() *cobra.Command {
	var reveal, keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job: a secret leaves by one API and comes back by the other",
		Long: `Starts a gateway over two embedded stores, bolt on disk and memory, on a free
loopback port, and carries a secret with several versions from each to the
other, sealed, over the gateway's own HTTPS endpoints: written and backed up
through one API, restored through the other. Then it asks for an old version by
its old id and compares both sides version by version.

The last secret has more versions than Huawei's CSMS holds, which the memory
store "csms" imitates. A restore into it says what would be lost and is refused.
With an archive it is done, and every version comes back from the archive.

Exit code 0 if everything came across, else 1.`,
		Example: `  vaultferry demo
  vaultferry demo --reveal --keep`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), reveal, keep) },
	}
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show the values")
	cmd.Flags().BoolVar(&keep, "keep", false, "go on serving afterwards")
	return cmd
}

// demo runs the steps while the gateway serves.
func (a *app) demo(ctx context.Context, reveal, keep bool) (err error) {
	s, err := a.newSandbox(sandboxOptions{address: "127.0.0.1:0", stores: demo.Stores})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := s.listen(ctx, a); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.runtime.close()) }()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(serving)
	g.Go(func() error { return s.server.Run(serving) })
	g.Go(func() error {
		defer stop()
		if err := a.demoSteps(gctx, s, reveal); err != nil || !keep {
			return err
		}
		if err := errors.Join(s.writeClientFiles(), s.printGuide(a)); err != nil {
			return err
		}
		<-gctx.Done()
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if !keep {
		return ctx.Err()
	}
	return nil
}

// demoSteps prints each step, or all of them at the end for programs.
func (a *app) demoSteps(ctx context.Context, s *sandbox, reveal bool) error {
	c := s.client()
	defer c.CloseIdleConnections()
	var steps []demo.Step
	act := ""
	err := demo.Run(ctx, a.demoGateway(s, c), demo.Options{Reveal: reveal, Report: func(step demo.Step) error {
		steps = append(steps, step)
		if a.json() {
			return nil
		}
		word, head := "ok  ", ""
		if !step.OK {
			word = "FAIL"
		}
		if step.Act != act {
			act, head = step.Act, "\n"+step.Act+"\n"
		}
		_, err := fmt.Fprintf(a.out, "%s%s  %-6s  %-6s  %s\n", head, word, step.Dialect, step.Store, step.Did)
		return err
	}})
	if a.json() {
		return errors.Join(err, a.print(map[string]any{"ok": err == nil, "steps": steps}, nil))
	}
	if err == nil {
		_, err = fmt.Fprintln(a.out, "\nboth directions: every version came across under its own id; what did not fit is archived")
	}
	return err
}

func (a *app) demoGateway(s *sandbox, c *http.Client) demo.Gateway {
	g := demo.Gateway{
		Client: c, Vaults: map[string]string{}, Projects: map[string]string{},
		Token: s.token, AccessKey: s.ak, SecretKey: s.sk, Now: a.now,
		RestoreWithArchive: func(ctx context.Context, store string, blob []byte, dryRun bool) (*gateway.Outcome, error) {
			return s.runtime.service.Restore(ctx, a.call("restore"), store, blob, gateway.RestoreOptions{
				OnLoss: gateway.LossArchive, DryRun: dryRun, Archive: archive.Dir(filepath.Join(s.dir, "archive")),
			})
		},
	}
	for store, project := range s.projects {
		g.Vaults[store], g.Projects[store] = s.url(s.vaultHost(store)), s.url(s.csmsHost())+"/v1/"+project
	}
	return g
}

// client returns an HTTP client that trusts the sandbox's CA alone and finds
// every host at its listener.
func (s *sandbox) client() *http.Client {
	address := s.server.Address()
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: s.ca.Pool(), MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, address)
			},
		},
	}
}
