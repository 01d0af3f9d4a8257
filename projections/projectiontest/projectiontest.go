// Package projectiontest holds read models to the contract of [projections.Projection], on a real Postgres: [Run] folds
// samples of the log in many ways, and wants the same tables each time, to the byte.
//
// It knows no event: the samples come from the read model's own tests, and have to contain what it wants. What a read
// model's rows should say is the business of those tests, too; [Fold] brings events into its tables for them.
//
// A package that uses it has this TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(projectiontest.Main(m)) }
package projectiontest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
	"waybill/projections"
)

// limit bounds whatever the suite waits for.
const limit = 30 * time.Second

// Sample is a piece of history.
type Sample struct {
	Name    string
	Commits []eventstore.Commit
}

// Main runs the tests of a package with a database that has the schema of the log and of the registry.
func Main(m *testing.M) int { return devtest.Main(m, Migrate) }

// Migrate brings a database to the schema that runners need.
func Migrate(ctx context.Context, url string) error {
	return eventstore.Migrate(ctx, url, projections.Migrations())
}

// Pool connects to a fresh database of its own, as the runner does.
func Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	return Connect(tb, devtest.Database(tb), eventstore.RoleProject)
}

// Connect returns a pool that is closed at the end of the test.
func Connect(tb testing.TB, dsn string, role eventstore.Role) *pgxpool.Pool {
	tb.Helper()
	pool, err := eventstore.NewPool(tb.Context(), dsn, eventstore.PoolConfig{Role: role})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// Commit is a commit to one stream, under a command id of its own.
func Commit(stream string, expected int64, events ...eventstore.NewEvent) eventstore.Commit {
	return eventstore.Commit{
		CommandID: uuid.New(),
		Streams:   []eventstore.StreamEvents{{ID: stream, Expected: expected, Events: events}},
	}
}

// Log returns a log that holds commits, recorded one second apart from a fixed day on.
func Log(tb testing.TB, commits ...eventstore.Commit) *eventstore.Memory {
	tb.Helper()
	log := eventstore.NewMemory()
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	log.Now = func() time.Time { at = at.Add(time.Second); return at }
	Append(tb, log, commits...)
	return log
}

// Append adds commits to a log.
func Append(tb testing.TB, log eventstore.Appender, commits ...eventstore.Commit) {
	tb.Helper()
	for i, c := range commits {
		if _, err := log.Append(tb.Context(), c); err != nil {
			tb.Fatalf("append commit %d of a sample: %v", i, err)
		}
	}
}

// Fold brings all events of a log into the tables of p, which are live afterwards, by a runner that ends before Fold
// returns. It may be called again when the log has grown. Nothing may be parked by it.
func Fold(tb testing.TB, pool *pgxpool.Pool, p projections.Projection, log eventstore.Reader) {
	tb.Helper()
	runTo(tb, leg{pool: pool, projection: p, log: log, pages: 1000, until: head(tb, log)})
	parked, err := (projections.Admin{Pool: pool, Log: log}).Parked(tb.Context(), p.Name())
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range parked {
		tb.Fatalf("event %d (%s) of key %s cannot be applied: %s", e.Position, e.Type, e.Key, e.Error)
	}
}

func head(tb testing.TB, log eventstore.Reader) int64 {
	tb.Helper()
	h, err := log.Head(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return h.Position
}

// leg is one life of a runner: from wherever the checkpoint is until a position is in the tables.
type leg struct {
	pool       *pgxpool.Pool
	projection projections.Projection
	log        eventstore.Reader
	feed       projections.Feed
	pages      int // events a page; 0: follow the feed alone
	until      int64
}

// runTo runs a runner until the position is in the tables, and stops it: it may be in the midst of the next batch.
func runTo(tb testing.TB, l leg) {
	tb.Helper()
	cfg := projections.Config{
		Projection: l.projection, Pool: l.pool, Log: l.log, Feed: l.feed,
		PageEvents: max(l.pages, 1), FarBehind: 1, PollInterval: 10 * time.Millisecond, Pace: time.Nanosecond,
	}
	if l.pages == 0 {
		cfg.FarBehind, cfg.PageEvents, cfg.PollInterval = 1<<40, 1000, limit
	}
	r, err := projections.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- r.Run(ctx) }()
	for reached := false; ; {
		switch at, err := version(ctx, l.pool, l.projection); {
		case errors.Is(err, projections.ErrUnknown), ctx.Err() != nil: // not made yet; ends already
		case err != nil:
			tb.Errorf("run %s up to position %d: %v", l.projection.Name(), l.until, err)
			cancel()
		case at >= l.until:
			reached = true
			cancel()
		}
		select {
		case err := <-ran:
			if err != nil {
				tb.Fatalf("run %s up to position %d: %v", l.projection.Name(), l.until, err)
			}
			if !reached {
				tb.Fatalf("run %s: position %d was not reached", l.projection.Name(), l.until)
			}
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// version reads the checkpoint of a version, live or not.
func version(ctx context.Context, pool *pgxpool.Pool, p projections.Projection) (int64, error) {
	all, err := projections.Versions(ctx, pool)
	if err != nil {
		return 0, err
	}
	for _, v := range all {
		if v.Name == p.Name() && v.Version == p.Version() {
			return v.Position, nil
		}
	}
	return 0, &projections.UnknownError{Projection: p.Name(), Version: p.Version()}
}
