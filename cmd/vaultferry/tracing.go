package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway/tracing"
)

// lastTraces is how long the end of the gateway waits for a collector.
const lastTraces = 3 * time.Second

// openTracer is nil where nothing names a collector.
func (a *app) openTracer(ctx context.Context, rt *runtime) (*tracing.Tracer, error) {
	t := rt.cfg.Traces
	if t.Endpoint == "" {
		return nil, nil
	}
	transport, err := kit.Transport{Roots: kit.Roots{CAFile: t.CAFile}, Conns: 1}.Open()
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("traces: %w", err)}
	}
	o := tracing.Options{
		Endpoint: t.Endpoint, Client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		Sample: float64(t.SamplePercent) / 100, Version: readVersion().Version, Log: rt.log,
	}
	if !t.Token.IsNone() {
		o.Headers = map[string]string{"Authorization": "Bearer " + string(t.Token.Reveal())}
	}
	return tracing.New(ctx, o)
}

// closeTracer sends what the last requests left.
func closeTracer(ctx context.Context, rt *runtime) {
	if rt.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTraces)
	defer cancel()
	if err := rt.tracer.Close(ctx); err != nil {
		rt.log.Warn("the last traces were not sent", slog.Any("error", err))
	}
}
