package eventstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// ErrNotDurable is matched when the database may lose what it has acknowledged.
var ErrNotDurable = errors.New("database is not durable")

// PostgresConfig configures a [Postgres]. The zero value of each field but DSN is its default.
type PostgresConfig struct {
	// DSN is the address of the database; required. Its user must be a member of [RoleAppend] and [RoleRead].
	DSN string
	// WriterConns and ReaderConns are the sizes of the two pools; default 4 and 8. The appender uses one writer at a
	// time; snapshots and leases share the others.
	WriterConns, ReaderConns int32
	// AllowDataLoss lets it open a database that may lose what it has acknowledged, with a warning.
	AllowDataLoss bool
	// MaxBatchEvents and MaxBatchBytes bound one commit of the group commit; default 2,000 events and 4 MiB. A
	// single larger commit goes alone.
	MaxBatchEvents, MaxBatchBytes int
	// QueueEvents and QueueBytes bound what waits to be committed; default 20,000 events and 64 MiB. Propose waits
	// while the queue is full.
	QueueEvents, QueueBytes int
	// AttemptTimeout bounds one attempt to commit a batch, standby included; default 10 s.
	AttemptTimeout time.Duration
	// RetryFor is how long a batch is tried again while the database is away; default 30 s. After that its proposals
	// fail, with [ErrOutcomeUnknown] if an attempt may have gone through.
	RetryFor time.Duration
	// DrainTimeout bounds the work that is left when Run is told to end; default 10 s.
	DrainTimeout time.Duration
	// Logger hears of retries; nil: nobody.
	Logger *slog.Logger
	// Registerer takes the metrics; nil: nobody.
	Registerer prometheus.Registerer
}

func (c PostgresConfig) withDefaults() PostgresConfig {
	c.WriterConns = cmp.Or(c.WriterConns, 4)
	c.ReaderConns = cmp.Or(c.ReaderConns, 8)
	c.MaxBatchEvents = cmp.Or(c.MaxBatchEvents, 2000)
	c.MaxBatchBytes = cmp.Or(c.MaxBatchBytes, 4<<20)
	c.QueueEvents = cmp.Or(c.QueueEvents, 20_000)
	c.QueueBytes = cmp.Or(c.QueueBytes, 64<<20)
	c.AttemptTimeout = cmp.Or(c.AttemptTimeout, 10*time.Second)
	c.RetryFor = cmp.Or(c.RetryFor, 30*time.Second)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 10*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c
}

func (c PostgresConfig) validate() error {
	if c.DSN == "" {
		return errors.New("open log: DSN is empty")
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"WriterConns", int64(c.WriterConns)},
		{"ReaderConns", int64(c.ReaderConns)},
		{"MaxBatchEvents", int64(c.MaxBatchEvents)},
		{"MaxBatchBytes", int64(c.MaxBatchBytes)},
		{"QueueEvents", int64(c.QueueEvents)},
		{"QueueBytes", int64(c.QueueBytes)},
		{"AttemptTimeout", int64(c.AttemptTimeout)},
		{"RetryFor", int64(c.RetryFor)},
		{"DrainTimeout", int64(c.DrainTimeout)},
	} {
		if f.value < 0 {
			return fmt.Errorf("open log: %s is negative", f.name)
		}
	}
	return nil
}

// Postgres is the log. It is safe for use by many goroutines. Any number of processes may open one database: the row
// lock of log_head puts their commits in one order.
//
// Reading works as soon as it is open, appending while [Postgres.Run] runs.
type Postgres struct {
	*Leases

	cfg            PostgresConfig
	log            *slog.Logger
	writer, reader *pgxpool.Pool
	queue          *queue
	metrics        *metrics
	epoch          uuid.UUID
	running        atomic.Bool
	signal         signal
}

var (
	_ Log       = (*Postgres)(nil)
	_ Snapshots = (*Postgres)(nil)
)

// OpenPostgres opens a log whose schema [Migrate] has made. It refuses a schema that is older or newer than this
// program, and with [ErrNotDurable] a database that may lose what it has acknowledged. Close it after Run has returned.
func OpenPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := CheckSchema(ctx, cfg.DSN); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	s := &Postgres{
		cfg: cfg, log: cfg.Logger,
		queue: newQueue(cfg.MaxBatchEvents, cfg.MaxBatchBytes, cfg.QueueEvents, cfg.QueueBytes),
	}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	return s, nil
}

func (s *Postgres) open(ctx context.Context) error {
	var err error
	s.writer, err = newPool(ctx, s.cfg.DSN, PoolConfig{
		Role: RoleAppend, MaxConns: s.cfg.WriterConns, Settings: writerSettings(),
	}, s.requireDurable)
	if err != nil {
		return err
	}
	if s.reader, err = NewPool(ctx, s.cfg.DSN, PoolConfig{Role: RoleRead, MaxConns: s.cfg.ReaderConns}); err != nil {
		return err
	}
	if err := s.writer.Ping(ctx); err != nil { // the durability of a session is looked at when it begins
		return err
	}
	head, err := s.readHead(ctx)
	if err != nil {
		return err
	}
	if s.metrics, err = newMetrics(s.cfg.Registerer); err != nil {
		return err
	}
	s.Leases = NewLeases(s.writer)
	s.epoch = head.Epoch
	s.advance(head.Position)
	s.metrics.position.Set(float64(head.Position))
	return nil
}

// writerSettings hold the appender's plans in place: each of its statements finds its rows by a unique key, few or
// many. A plan that was made while the table was small, or for a small batch, must not read the table.
func writerSettings() map[string]string {
	return map[string]string{
		"plan_cache_mode":  "force_generic_plan",
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
		"work_mem":         "16MB", // a whole batch, unnested, stays in memory
		// The append looks at the log after it has got the lock: every statement needs a snapshot of its own.
		"default_transaction_isolation": "read committed",
	}
}

// Close closes the connections. Reads that are under way are waited for. Call it after Run has returned.
func (s *Postgres) Close() {
	s.queue.close(ErrClosed)
	if s.writer != nil {
		s.writer.Close()
	}
	if s.reader != nil {
		s.reader.Close()
	}
}

// requireDurable looks at the effective settings of a new session: ALTER ROLE and ALTER DATABASE change them as well
// as the server's file does.
func (s *Postgres) requireDurable(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
SELECT name, setting, source FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on'
OR name = 'synchronous_commit' AND setting NOT IN ('on', 'remote_apply')
ORDER BY name`)
	if err != nil {
		return fmt.Errorf("ask how durable the database is: %w", err)
	}
	var name, setting, source string
	var weak []error
	_, err = pgx.ForEachRow(rows, []any{&name, &setting, &source}, func() error {
		weak = append(weak, fmt.Errorf("%w: %s is %s (set by: %s), want on: %s", ErrNotDurable, name, setting, source, cure(name, source)))
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask how durable the database is: %w", err)
	}
	if len(weak) == 0 {
		return nil
	}
	err = errors.Join(weak...)
	if s.cfg.AllowDataLoss {
		s.log.WarnContext(ctx, "database is not durable, as allowed: acknowledged events may be lost", slog.Any("error", err))
		return nil
	}
	return err
}

// cure is what to run so that a setting is on.
func cure(name, source string) string {
	switch source {
	case "database":
		return "run ALTER DATABASE … RESET " + name
	case "user":
		return "run ALTER ROLE … RESET " + name
	case "database user":
		return "run ALTER ROLE … IN DATABASE … RESET " + name
	case "client", "session":
		return "take it out of the connection string or PGOPTIONS"
	case "command line":
		return "take it out of the command line of the server"
	default:
		return "run ALTER SYSTEM SET " + name + " = on; SELECT pg_reload_conf()"
	}
}

// NewEpoch gives the log a new epoch, under the lock that every append takes, and returns it. It is for a log that was
// restored to an earlier point: whoever still holds the old epoch is fenced off at its next append. The user of dsn
// must own the log; no group role may do this.
func NewEpoch(ctx context.Context, dsn string) (Head, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return Head{}, fmt.Errorf("new epoch: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var h Head
	var epoch [16]byte
	err = conn.QueryRow(ctx, "UPDATE waybill.log_head SET epoch = gen_random_uuid() RETURNING position, epoch").Scan(&h.Position, &epoch)
	if err != nil {
		return Head{}, fmt.Errorf("new epoch: %w", err)
	}
	h.Epoch = epoch
	return h, nil
}
