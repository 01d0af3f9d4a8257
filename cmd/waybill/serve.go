package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/internal/config"
	"waybill/internal/telemetry"
)

func newServe(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run parts of the engine against a Postgres and a NATS of yours",
		Long: `Serve runs the parts of the engine that --roles names, against the Postgres and the NATS that it is given. Any
number of processes may run, with any mix of roles; what only one should do, one of them does.

The database must have the schema of this version: run waybill migrate first.`,
		Example: `  waybill serve --database-url postgres://waybill@db/waybill --nats-url nats://nats:4222
  waybill serve --roles api,relay
  waybill serve --config /etc/waybill.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := loadConfig(a, cmd.Flags())
			if err != nil {
				return err
			}
			if err := checkServe(&cfg); err != nil {
				return err
			}
			logger := telemetry.NewLogger(a.err, cfg.Log.Level, telemetry.Format(cfg.Log.Format))
			return serve(cmd.Context(), cfg, logger, newConnector(a, cfg), nil)
		},
	}
	config.Flags(c.Flags())
	_ = c.Flags().MarkHidden("data-dir") // of dev
	return c
}

func checkServe(cfg *config.Config) error {
	if err := cfg.Validate(); err != nil {
		return fail(exitUsage, "waybill config show --origin", "%w", err)
	}
	if cfg.Database.URL == "" {
		return fail(exitUsage, "waybill dev, which brings its own", "database.url is not set: give --database-url or DATABASE_URL")
	}
	if cfg.NATS.URL == "" {
		cfg.NATS.URL = nats.DefaultURL
	}
	return nil
}

// serve runs an engine and the admin listener until ctx ends. beside, if it is not nil, runs beside the engine.
func serve(ctx context.Context, cfg config.Config, logger *slog.Logger, connect connector, beside func(context.Context, *engine.Engine)) error {
	setCollector()
	build := telemetry.ReadBuild()
	registry := telemetry.NewRegistry(build)
	admin, err := listen(ctx, cfg.Admin.Addr, "admin-addr")
	if err != nil {
		return err
	}
	defer admin.Close()
	if slices.Contains(cfg.Roles, config.RoleAPI) {
		if err := free(ctx, cfg.HTTP.Addr, "http-addr"); err != nil {
			return err
		}
	}
	e, err := engine.Open(ctx, engine.Options{Config: cfg, Connect: connect, Logger: logger, Registry: registry, Version: build.Version})
	if err != nil {
		return openFailed(err)
	}
	defer e.Close()
	stopAdmin := serveAdmin(ctx, admin, registry, logger)
	defer stopAdmin()
	logger.InfoContext(ctx, "serving", slog.String("version", build.Version), slog.Any("roles", cfg.Roles), slog.String("http", cfg.HTTP.Addr))
	besideCtx, stopBeside := context.WithCancel(ctx)
	var wg sync.WaitGroup
	if beside != nil {
		wg.Go(func() { beside(besideCtx, e) })
	}
	err = e.Run(ctx)
	stopBeside()
	wg.Wait()
	logger.InfoContext(context.WithoutCancel(ctx), "stopped serving", slog.Any("cause", context.Cause(ctx)))
	return err
}

// openFailed adds the way on to what keeps an engine from starting.
func openFailed(err error) error {
	if _, away := errors.AsType[*pgconn.ConnectError](err); away {
		return fail(exitError, "waybill doctor", "%w", err)
	}
	switch {
	case errors.Is(err, eventstore.ErrSchemaBehind):
		return fail(exitError, "waybill migrate", "%w", err)
	case errors.Is(err, eventstore.ErrNotDurable):
		return fail(exitError, "mend the setting, or start with --allow-data-loss", "%w", err)
	}
	return err
}

// listen opens a listener; a port that is taken names itself, who has it where that can be known, and the flag.
func listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fail(exitError, fmt.Sprintf("stop what listens there, or choose another address with --%s HOST:PORT", flag), "%s is in use by another process", addr)
	}
	if err != nil {
		return nil, fail(exitError, fmt.Sprintf("choose another address with --%s HOST:PORT", flag), "listen on %s: %w", addr, err)
	}
	return l, nil
}

// free reports a port that is taken before anything is started.
func free(ctx context.Context, addr, flag string) error {
	l, err := listen(ctx, addr, flag)
	if err != nil {
		return err
	}
	return l.Close()
}

// serveAdmin serves metrics and pprof; the function that it returns ends that.
func serveAdmin(ctx context.Context, l net.Listener, registry *prometheus.Registry, logger *slog.Logger) (stop func()) {
	server := &http.Server{Handler: telemetry.Admin(registry, logger), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			logger.ErrorContext(ctx, "admin listener ended", slog.Any("error", err))
		}
	}()
	return func() {
		_ = server.Close()
		<-done
	}
}
