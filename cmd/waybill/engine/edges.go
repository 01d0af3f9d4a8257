package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"waybill/api"
	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/intake"
	"waybill/api/service"
	"waybill/api/tail"
	"waybill/api/wire"
	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/config"
	"waybill/projections"
)

// openEdges makes what commands come in by, and what answers queries.
func (e *Engine) openEdges(ctx context.Context) error {
	if !e.has(config.RoleAPI) && !e.has(config.RoleIntake) {
		return nil
	}
	reads, err := e.pool(ctx, eventstore.RoleRead, 8)
	if err != nil {
		return err
	}
	keys, err := auth.NewKeys(auth.KeysConfig{Store: auth.NewPostgresStore(reads)})
	if err != nil {
		return err
	}
	table, err := wire.NewTable()
	if err != nil {
		return err
	}
	dispatcher, err := dispatch.New(dispatch.Config{Bus: e.Bus, Table: table, Logger: e.Logger, Timeout: e.Config.Limits.CommandTimeout})
	if err != nil {
		return err
	}
	if e.has(config.RoleAPI) {
		if err := e.openHTTP(ctx, dispatcher, keys, reads); err != nil {
			return err
		}
	}
	return e.openMessaging(ctx, dispatcher, keys)
}

func (e *Engine) openHTTP(ctx context.Context, dispatcher *dispatch.Dispatcher, keys auth.Authenticator, reads *pgxpool.Pool) error {
	wake := make(chan struct{}, 1)
	follower, err := tail.New(tail.Config{Log: e.Log, Logger: e.Logger, Wake: wake})
	if err != nil {
		return err
	}
	e.onAppend = append(e.onAppend, func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	e.Server, err = api.NewServer(api.Config{
		Dispatcher: dispatcher, Auth: keys, Log: e.Log, Tail: follower, Reads: reads, Refused: e.Log,
		Checkpoints: projections.NewCheckpoints(reads, e.runners...),
		Checks:      e.checks(reads), Logger: e.Logger, Registerer: e.Registry, Gatherer: e.Registry, Version: e.Version,
		Address: e.Config.HTTP.Addr, MaxConnections: e.Config.Limits.Connections, MaxBody: int64(e.Config.Limits.BodyBytes),
		DrainDelay: e.Config.Shutdown.Delay,
	})
	if err != nil {
		return err
	}
	if _, err := e.Server.Listen(ctx); err != nil {
		return err
	}
	e.edges = append(e.edges, part{"HTTP", e.Server.Run}, part{"tail", follower.Run})
	return nil
}

// checks are what must work before this process is ready. Lag is not among them: it is a reason to look, not to turn
// requests away. All but database and schema only have to have worked once.
func (e *Engine) checks(reads *pgxpool.Pool) []api.Check {
	checks := []api.Check{
		{Name: "database", Do: reads.Ping},
		{Name: "schema", Do: func(ctx context.Context) error {
			sets, err := Migrations()
			if err != nil {
				return err
			}
			return eventstore.CheckSchema(ctx, e.Config.Database.URL.Reveal(), sets...)
		}},
		{Name: "nats", Advisory: true, Do: func(context.Context) error {
			for _, c := range e.conns {
				if s := c.Status(); s != nats.CONNECTED {
					return fmt.Errorf("connection %q is %s", c.Opts.Name, s)
				}
			}
			return nil
		}},
	}
	if e.relay != nil {
		checks = append(checks, api.Check{Name: "relay", Advisory: true, Do: func(context.Context) error { return relayReady(e.relay.Status()) }})
	}
	if len(e.runners) > 0 {
		checks = append(checks, api.Check{Name: "projections", Advisory: true, Do: func(context.Context) error {
			var sick []error
			for _, r := range e.runners {
				sick = append(sick, r.Health())
			}
			return errors.Join(sick...)
		}})
	}
	return checks
}

func relayReady(s relay.Status) error {
	if s.Ready() {
		return nil
	}
	if s.Err != nil {
		return fmt.Errorf("%s: %w", s.State, s.Err)
	}
	return fmt.Errorf("relay is %s", s.State)
}

// openMessaging makes the NATS service, which belongs to the role api, and the durable intake.
func (e *Engine) openMessaging(ctx context.Context, dispatcher *dispatch.Dispatcher, keys auth.Authenticator) error {
	if e.has(config.RoleAPI) {
		conn, err := e.connect(Service, nats.Name("waybill-service"))
		if err != nil {
			return err
		}
		s, err := service.New(service.Config{
			Conn: conn, Dispatcher: dispatcher, Auth: keys, Logger: e.Logger, Registerer: e.Registry,
			Version: semver(e.Version), MaxBody: int(e.Config.Limits.BodyBytes),
		})
		if err != nil {
			return err
		}
		e.edges = append(e.edges, part{"NATS service", s.Run})
	}
	if !e.has(config.RoleIntake) {
		return nil
	}
	conn, err := e.connect(Intake, nats.Name("waybill-intake"))
	if err != nil {
		return err
	}
	pool, err := e.pool(ctx, eventstore.RoleAppend, 2)
	if err != nil {
		return err
	}
	i, err := intake.New(intake.Config{
		Conn: conn, Dispatcher: dispatcher, Auth: keys, Poison: intake.NewPostgres(pool), Logger: e.Logger, Registerer: e.Registry,
		MaxBody: int(e.Config.Limits.BodyBytes),
	})
	if err != nil {
		return err
	}
	e.edges = append(e.edges, part{"intake", i.Run})
	return nil
}

// semver is the version as the micro service protocol wants it; a build without one is 0.0.0.
func semver(version string) string {
	version = strings.TrimPrefix(version, "v")
	if !regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`).MatchString(version) {
		return "0.0.0"
	}
	return version
}
