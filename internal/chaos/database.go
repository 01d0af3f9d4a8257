package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/devstack"
)

// startLimit bounds the start of a server, with recovery, on a machine that does other things too.
const startLimit = 60 * time.Second

// Database is a Postgres child process with durable settings, on one folder and one port for its whole life.
type Database struct {
	cfg devstack.PostgresConfig

	mu sync.Mutex
	pg *devstack.Postgres // nil while it is down
}

func newDatabase(ctx context.Context, dir string) (*Database, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	d := &Database{cfg: devstack.PostgresConfig{Dir: dir, Port: port, Settings: map[string]string{"shared_buffers": "64MB"}}}
	return d, d.Start(ctx)
}

// URL is the address of the database, as superuser, without a proxy in between.
func (d *Database) URL() string { return d.url(devstack.Superuser, loopback(d.cfg.Port)) }

func (d *Database) url(user, addr string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", user, addr, devstack.Superuser)
}

// Start brings it up on what is in its folder. One that runs is left alone.
func (d *Database) Start(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pg != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	pg, err := devstack.StartPostgres(ctx, d.cfg)
	if err != nil {
		return err
	}
	d.pg, d.cfg.Dir = pg, pg.Dir()
	return nil
}

// Kill ends the postmaster and every backend with SIGKILL, as a crash of the machine would but for its disk.
func (d *Database) Kill() error {
	return d.end(func(pg *devstack.Postgres) error { return pg.Kill() })
}

// KillPostmaster ends the postmaster alone with SIGKILL. Its backends go when they notice, which may be after they have
// answered a client once more.
func (d *Database) KillPostmaster() error {
	return d.end(func(pg *devstack.Postgres) error {
		if err := signal(pg.PID(), signalKill); err != nil {
			return err
		}
		ended, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		_ = pg.Run(ended) // says that it ended, which is what was wanted
		return pg.Kill()  // lets go of the folder
	})
}

// StopAtOnce ends it in order but without waiting for anybody: an immediate shutdown.
func (d *Database) StopAtOnce(ctx context.Context) error {
	return d.end(func(pg *devstack.Postgres) error {
		now, cancel := context.WithCancel(ctx)
		cancel()
		return pg.Stop(now)
	})
}

func (d *Database) end(how func(*devstack.Postgres) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pg == nil {
		return nil
	}
	pg := d.pg
	d.pg = nil
	return how(pg)
}

// Connect opens a session as superuser, without a proxy in between; it waits for a server that recovers. The caller
// closes it.
func (d *Database) Connect(ctx context.Context) (conn *pgx.Conn, err error) {
	err = until(ctx, startLimit, func(ctx context.Context) error {
		conn, err = pgx.Connect(ctx, d.URL())
		return err
	})
	return conn, err
}

// Hold runs a statement in a transaction and keeps the transaction open for a while: a lock that is held.
func (d *Database) Hold(ctx context.Context, hold time.Duration, statement string) error {
	conn, err := d.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		return fmt.Errorf("hold %q: %w", statement, err)
	}
	wait(ctx, hold)
	return tx.Rollback(context.WithoutCancel(ctx))
}

// KillBackend ends one session of the engine with SIGKILL. Postgres then ends all others, and recovers. It reports whether
// there was one.
func (d *Database) KillBackend(ctx context.Context, r *rand.Rand) (bool, error) {
	pid, err := d.backend(ctx, r)
	if err != nil || pid == 0 {
		return false, err
	}
	return true, signal(pid, signalKill)
}

// FreezeBackend stops one session of the engine for a while, with whatever locks it holds.
func (d *Database) FreezeBackend(ctx context.Context, hold time.Duration, r *rand.Rand) error {
	pid, err := d.backend(ctx, r)
	if err != nil || pid == 0 {
		return err
	}
	if err := signal(pid, signalFreeze); err != nil {
		return err
	}
	wait(ctx, hold)
	_ = signal(pid, signalThaw) // an error means that it is gone
	return nil
}

// backend finds the process of a session of the engine, of one that does something if there is any. It is 0 while the engine
// has none, as when the link is cut at the same time.
func (d *Database) backend(ctx context.Context, r *rand.Rand) (int, error) {
	conn, err := d.Connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT pid FROM pg_stat_activity WHERE usename = $1 ORDER BY state = 'idle', state_change DESC LIMIT 4`, engineUser)
	if err != nil {
		return 0, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return 0, fmt.Errorf("find a session of the engine: %w", err)
	}
	if len(pids) == 0 {
		return 0, nil
	}
	return pids[r.IntN(len(pids))], nil
}

// wait waits for d or for the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
