package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/tracing"
)

// lastTraces is how long the end of the gateway waits for a collector.
const lastTraces = 3 * time.Second

// openTracer is nil where nothing names a collector.
func openTracer(ctx context.Context, t config.Traces, log *slog.Logger) (*tracing.Tracer, error) {
	if t.Endpoint == "" {
		return nil, nil
	}
	transport, err := kit.Transport{Roots: kit.Roots{CAFile: t.CAFile}, Conns: 1}.Open()
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("traces: %w", err)}
	}
	o := tracing.Options{
		Endpoint: t.Endpoint, Client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		Sample: float64(t.SamplePercent) / 100, Version: readVersion().Version, Log: log,
	}
	if !t.Token.IsNone() {
		o.Headers = map[string]string{"Authorization": "Bearer " + string(t.Token.Reveal())}
	}
	return tracing.New(ctx, o)
}

// closeTracer sends what the last requests left.
func closeTracer(ctx context.Context, t *tracing.Tracer, log *slog.Logger) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTraces)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		log.Warn("the last traces were not sent", slog.Any("error", err))
	}
}

// traced does the work of a command on many secrets, with a span of all of it where
// the configuration names a collector. A command does without one that cannot be
// reached: the work does not depend on it.
func (a *app) traced(ctx context.Context, cfg *config.Config, c gateway.Call, about map[string]string, do func(context.Context) error) error {
	log := a.warnings()
	t := cfg.Traces
	if cfg.Unresolved("traces.token") {
		a.complain("warning: traces.token: the secret is not there, so this run is not traced")
		t.Endpoint = ""
	}
	tracer, err := openTracer(ctx, t, log)
	if err != nil {
		return err
	}
	defer closeTracer(ctx, tracer, log)
	ctx, end := tracer.Run(ctx, strings.TrimPrefix(c.Op, "cli."), c.RequestID, about)
	err = do(ctx)
	end(err)
	return err
}

// warnings is a log of what a command has to say beside its work.
func (a *app) warnings() *slog.Logger {
	b := *a
	b.level = slog.LevelWarn
	return b.log()
}
