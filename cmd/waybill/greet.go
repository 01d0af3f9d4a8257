package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"waybill/cmd/waybill/engine"
	"waybill/internal/config"
	"waybill/internal/devstack"
	"waybill/internal/telemetry"
)

// greeting is what dev says when it is ready.
type greeting struct {
	cfg      config.Config
	dev      devOptions
	info     devInfo
	postgres devstack.Binaries
	engine   *engine.Engine
}

// greet places the demo data, waits until the engine is ready, and says what there is.
func greet(ctx context.Context, a *app, g greeting) {
	demo, err := g.demo(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.sayf("waybill: %v", err)
		}
		return
	}
	if err := awaitReady(ctx, g.info.HTTP); err != nil {
		if ctx.Err() == nil {
			a.sayf("waybill: %v", err)
		}
		return
	}
	kept := g.info.DataDir + " (kept between runs; --ephemeral to discard)"
	if g.dev.ephemeral {
		kept = "discarded at the end (--ephemeral)"
	}
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "waybill %s dev\n", telemetry.ReadBuild().Version)
	line("API", "%s/v1         openapi %s/openapi.json", g.info.HTTP, g.info.HTTP)
	line("Key", "%s   (the commands below find it by themselves)", g.info.Key)
	line("NATS", "%s", g.info.NATS)
	line("Postgres", "%s, psql %q", g.postgres.Version, g.info.DatabaseURL)
	line("Metrics", "%s/metrics, pprof http://%s/debug/pprof/", g.info.HTTP, g.cfg.Admin.Addr)
	line("Data", "%s", kept)
	line("Demo", "%s", demo)
	fmt.Fprint(&b, "Next: waybill orders list · waybill events tail · waybill import orders.csv · Ctrl-C to stop")
	a.sayf("%s", b.String())
}

// demo places the demo data if the log is empty, and says what it did.
func (g *greeting) demo(ctx context.Context) (string, error) {
	if g.dev.noDemo {
		return "none (--no-demo)", nil
	}
	head, err := g.engine.Log.Head(ctx)
	if err != nil {
		return "", err
	}
	if head.Position > 0 {
		return fmt.Sprintf("the log has %d events from before", head.Position), nil
	}
	placed, err := placeDemo(ctx, g.engine.Bus, time.Now())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d orders placed, some of them with a story (waybill orders list --stuck)", placed), nil
}

// awaitReady asks until the engine says that it is ready.
func awaitReady(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("the engine is not ready after a minute: see %s/readyz?verbose", base))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", http.NoBody)
		if err != nil {
			return fmt.Errorf("ask %s whether it is ready: %w", base, err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
