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
	fmt.Fprintf(&b, "waybill %s dev is ready\n", telemetry.ReadBuild().Version)
	line("API", "%s/v1", g.info.HTTP)
	line("", "%s/openapi.json", g.info.HTTP)
	line("Key", "%s", g.info.Key)
	line("", "the commands below find it by themselves")
	line("NATS", "%s", g.info.NATS)
	line("Postgres", "%s", g.postgres.Version)
	line("", "psql %q", g.info.DatabaseURL)
	line("Metrics", "http://%s/metrics", g.cfg.Admin.Addr)
	line("Data", "%s", kept)
	line("Demo", "%s", demo)
	b.WriteString("Next, in another terminal" + g.server() + ":\n")
	for _, next := range [][2]string{
		{"waybill orders list", "the orders; show and timeline tell of one"},
		{"waybill orders stuck", "what waits, and for what"},
		{"waybill events tail", "what happens, as it happens"},
		{"waybill import orders.csv", "place the orders of a file"},
		{"waybill completion --help", "have the shell complete commands and flags"},
	} {
		fmt.Fprintf(&b, "  %-26s %s\n", next[0], next[1])
	}
	b.WriteString("Ctrl-C stops everything in order.")
	a.sayf("%s", b.String())
}

// server is what the commands beside this dev have to be told where several run, if it does not listen where they look
// first.
func (g *greeting) server() string {
	if g.cfg.HTTP.Addr == config.Default().HTTP.Addr {
		return ""
	}
	return " (if another dev runs, after: export WAYBILL_SERVER=" + g.info.HTTP + ")"
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
	return fmt.Sprintf("%d orders placed, two of them stuck on purpose", placed), nil
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
