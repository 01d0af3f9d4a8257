package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"waybill/api/auth"
	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/internal/config"
	"waybill/internal/devstack"
	"waybill/internal/telemetry"
)

// anotherFolder is the way on where the folder of the data is the trouble.
const anotherFolder = "give dev another folder with --data-dir"

type devOptions struct {
	ephemeral, noDemo bool
	bin               string
	natsAddr          string
}

func newDev(a *app) *cobra.Command {
	var o devOptions
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process, with a Postgres and a NATS of its own",
		Long: `Dev runs all of Waybill on a machine that has nothing set up: a private Postgres as a child process, a NATS server
with JetStream in the process, and every role of the engine, in the same code as in production.

The data stays in ` + "`./.waybill`" + ` between runs. Ctrl-C stops everything in order.`,
		Example: `  waybill dev
  waybill dev --ephemeral --no-demo
  waybill dev --http-addr 127.0.0.1:9000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, origins, err := loadConfig(a, cmd.Flags())
			if err != nil {
				return err
			}
			if origins["log.level"] == "default" {
				cfg.Log.Level = slog.LevelWarn
			}
			cfg.Roles = config.AllRoles()
			return dev(cmd.Context(), a, cfg, o)
		},
	}
	config.Flags(c.Flags(), "http.addr", "admin.addr", "data.dir", "log.level", "log.format")
	c.Flags().StringVar(&o.natsAddr, "nats-addr", "127.0.0.1:4222", "address that NATS listens on")
	c.Flags().StringVar(&o.bin, "pg-bindir", "", "folder with the programs of Postgres; found by itself if empty")
	c.Flags().BoolVar(&o.ephemeral, "ephemeral", false, "keep nothing: begin empty, and discard everything at the end")
	c.Flags().BoolVar(&o.noDemo, "no-demo", false, "do not place demo orders in an empty log")
	return c
}

// dev brings up the servers and runs the engine on them.
func dev(ctx context.Context, a *app, cfg config.Config, o devOptions) error {
	logger := telemetry.NewLogger(a.err, cfg.Log.Level, telemetry.Format(cfg.Log.Format))
	// Ports first: what is taken should be known before anything is started.
	for _, p := range []struct{ flag, addr string }{{"http-addr", cfg.HTTP.Addr}, {"admin-addr", cfg.Admin.Addr}, {"nats-addr", o.natsAddr}} {
		if err := free(ctx, p.addr, p.flag); err != nil {
			return err
		}
	}
	dir, discard, err := dataDir(cfg.Data.Dir, o.ephemeral)
	if err != nil {
		return fail(exitError, anotherFolder, "%w", err)
	}
	defer discard()

	bin, err := devstack.FindPostgres(o.bin)
	if missing, ok := errors.AsType[*devstack.NoPostgresError](err); ok {
		return fail(exitError, missing.Install, "%w", err)
	}
	if err != nil {
		return fail(exitUsage, "name the folder that has postgres and initdb, or leave --pg-bindir out: dev looks for them by itself", "%w", err)
	}
	host, port, err := natsListener(ctx, o.natsAddr)
	if err != nil {
		return err
	}
	pgConfig := devstack.PostgresConfig{Dir: filepath.Join(dir, "postgres"), Binaries: bin, Ephemeral: o.ephemeral, Logger: logger}
	pg, err := devstack.StartPostgres(ctx, pgConfig)
	if _, used := errors.AsType[*devstack.InUseError](err); used {
		return fail(exitError, "stop the dev that runs there, or: "+anotherFolder, "%w", err)
	}
	if err != nil {
		return fail(exitError, anotherFolder, "%w", err)
	}
	// A server that is gone for good ends the rest.
	outer := ctx
	ctx, lost := context.WithCancelCause(outer)
	defer lost(nil)
	keeper := postgresKeeper{app: a, server: pg, cfg: pgConfig}
	defer watch(ctx, a, "Postgres", keeper.run, lost)()
	broker, err := devstack.StartNATS(devstack.NATSConfig{Dir: filepath.Join(dir, "nats"), Host: host, Port: port, Logger: logger})
	if err != nil {
		return err
	}
	defer watch(ctx, a, "NATS", broker.Run, lost)()

	cfg.Database.URL = config.Secret(pg.URL("waybill"))
	cfg.NATS.URL = config.Secret(broker.ClientURL())
	if err := prepare(ctx, pg); err != nil {
		return err
	}
	key, err := devKey(ctx, dir, cfg)
	if err != nil {
		return err
	}
	info := devInfo{
		PID: os.Getpid(), HTTP: baseURL(cfg.HTTP.Addr), NATS: broker.ClientURL(), DatabaseURL: pg.URL("waybill"), DataDir: dir, Key: key,
	}
	forget, err := info.publish(cfg.HTTP.Addr)
	if err != nil {
		return err
	}
	defer forget()
	connect := func(_ engine.Part, options ...nats.Option) (*nats.Conn, error) { return broker.Connect(options...) }
	err = serve(ctx, cfg, logger, connect, func(ctx context.Context, e *engine.Engine) {
		greet(ctx, a, greeting{cfg: cfg, dev: o, info: info, postgres: bin, engine: e})
	})
	if ctx.Err() != nil && outer.Err() == nil {
		return context.Cause(ctx)
	}
	return err
}

// dataDir returns the folder of the data and what to do with it at the end.
func dataDir(dir string, ephemeral bool) (string, func(), error) {
	if ephemeral {
		temp, err := os.MkdirTemp("", "waybill-dev-")
		if err != nil {
			return "", nil, fmt.Errorf("make a folder for the data: %w", err)
		}
		if err := os.Chmod(temp, 0o755); err != nil { //nolint:gosec // Postgres, as another user, has to get through
			return "", nil, fmt.Errorf("open the folder of the data: %w", err)
		}
		return temp, func() { _ = os.RemoveAll(temp) }, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, fmt.Errorf("find the folder of the data: %w", err)
	}
	if err := os.MkdirAll(abs, 0o755); err != nil { //nolint:gosec // as above
		return "", nil, fmt.Errorf("make the folder of the data: %w", err)
	}
	return abs, func() {}, nil
}

// prepare makes the database and brings it up to date.
func prepare(ctx context.Context, pg *devstack.Postgres) error {
	if err := createDatabase(ctx, pg); err != nil {
		return err
	}
	sets, err := engine.Migrations()
	if err != nil {
		return err
	}
	return eventstore.Migrate(ctx, pg.URL("waybill"), sets...)
}

func createDatabase(ctx context.Context, pg *devstack.Postgres) error {
	conn, err := pgx.Connect(ctx, pg.URL("postgres"))
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'waybill')`).Scan(&there); err != nil || there {
		return err
	}
	if _, err := conn.Exec(ctx, `CREATE DATABASE waybill`); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}

// devKey returns the API key of this data folder, with every scope, and makes it the first time.
func devKey(ctx context.Context, dir string, cfg config.Config) (string, error) {
	path := filepath.Join(dir, "api-key")
	b, err := os.ReadFile(path)
	secret := strings.TrimSpace(string(b))
	if errors.Is(err, fs.ErrNotExist) {
		if secret, err = auth.NewSecret("dev"); err != nil {
			return "", err
		}
		err = os.WriteFile(path, []byte(secret+"\n"), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("keep the API key: %w", err)
	}
	pool, err := pgxpool.New(ctx, cfg.Database.URL.Reveal())
	if err != nil {
		return "", fmt.Errorf("store the API key: %w", err)
	}
	defer pool.Close()
	_, err = auth.NewPostgresStore(pool).AddKey(ctx, secret, "dev", auth.Scopes(), nil)
	return secret, err
}
