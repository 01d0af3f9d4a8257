package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
)

const closeLimit = 30 * time.Second // of everything that is closed after a contest, or after a workload

// Env is where a workload runs: its servers, and what is to be closed behind it. It is for one goroutine.
//
// Each workload has an Env, and each contest one of its own in it, so that what a contest opens is gone before the next.
type Env struct {
	// Clients are the numbers of clients to run with.
	Clients []int
	Size    Size
	Logger  *slog.Logger

	servers *servers
	parent  *Env
	url     string // of the database; made when first asked for
	closers []func(context.Context) error
}

// Size says how much work there is.
type Size int

// The sizes.
const (
	Full  Size = iota
	Quick      // half a minute a workload
	Tiny       // for tests: the figures mean nothing
)

// Pick returns the number for the size of this run.
func (e *Env) Pick(full, quick, tiny int) int {
	switch e.Size {
	case Full:
		return full
	case Quick:
		return quick
	case Tiny:
		return tiny
	}
	return full
}

// OnClose closes something with this Env, the last first, also after an error and after an interrupt.
func (e *Env) OnClose(closer func(context.Context) error) { e.closers = append(e.closers, closer) }

func (e *Env) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	var errs []error
	for len(e.closers) > 0 {
		last := len(e.closers) - 1
		closer := e.closers[last]
		e.closers = e.closers[:last]
		errs = append(errs, closer(ctx))
	}
	return errors.Join(errs...)
}

// child is an Env for a contest.
func (e *Env) child() *Env {
	return &Env{Clients: e.Clients, Size: e.Size, Logger: e.Logger, servers: e.servers, parent: e}
}

// Go runs a part of the engine until this Env is closed. What is opened before it is closed after it has ended.
func (e *Env) Go(ctx context.Context, name string, run func(context.Context) error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	e.OnClose(func(context.Context) error {
		stop()
		if err := <-ended; err != nil {
			return fmt.Errorf("run the %s: %w", name, err)
		}
		return nil
	})
}

// Database is the address of the workload's database, which has the schema of every part. All contests of a workload
// share it.
func (e *Env) Database(ctx context.Context) (string, error) {
	if e.parent != nil {
		return e.parent.Database(ctx)
	}
	if e.url != "" {
		return e.url, nil
	}
	url, drop, err := e.servers.createDatabase(ctx)
	if err != nil {
		return "", err
	}
	e.OnClose(drop)
	sets, err := engine.Migrations()
	if err != nil {
		return "", err
	}
	if err := eventstore.Migrate(ctx, url, sets...); err != nil {
		return "", err
	}
	e.url = url
	return url, nil
}

// Log opens the log of the database as the engine does, and runs its appender.
func (e *Env) Log(ctx context.Context) (*eventstore.Postgres, error) {
	url, err := e.Database(ctx)
	if err != nil {
		return nil, err
	}
	log, err := eventstore.OpenPostgres(ctx, eventstore.PostgresConfig{DSN: url, Logger: e.Logger})
	if err != nil {
		return nil, err
	}
	e.OnClose(func(context.Context) error { log.Close(); return nil })
	e.Go(ctx, "log", log.Run)
	return log, nil
}

// Pool opens a pool of a role on the database.
func (e *Env) Pool(ctx context.Context, role eventstore.Role, conns int32) (*pgxpool.Pool, error) {
	url, err := e.Database(ctx)
	if err != nil {
		return nil, err
	}
	pool, err := eventstore.NewPool(ctx, url, eventstore.PoolConfig{Role: role, MaxConns: conns})
	if err != nil {
		return nil, err
	}
	e.OnClose(func(context.Context) error { pool.Close(); return nil })
	return pool, nil
}

// Connect connects to NATS, until this Env is closed. The streams that the workload leaves there are removed after it.
func (e *Env) Connect(ctx context.Context, options ...nats.Option) (*nats.Conn, error) {
	connect, err := e.Connector(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := connect(options...)
	if err != nil {
		return nil, err
	}
	e.OnClose(func(context.Context) error { conn.Close(); return nil })
	return conn, nil
}

// Connector returns what makes connections to NATS; whoever calls it closes them.
func (e *Env) Connector(ctx context.Context) (func(...nats.Option) (*nats.Conn, error), error) {
	root := e
	for root.parent != nil {
		root = root.parent
	}
	connect, clean, err := root.servers.broker(ctx)
	if err != nil {
		return nil, err
	}
	if clean != nil {
		root.OnClose(clean)
	}
	return connect, nil
}
